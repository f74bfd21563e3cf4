"""Discord behind a proxy: REST, the gateway, the doctor's questions and setup's go through it, and nothing is shown."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp.connector
import pytest

from plugins.ping.plugin import PingPlugin
from tests.townhall_bot.proxy import Proxy, without_certificate
from townhall_bot.cli import main
from townhall_bot.discordpy import retries
from townhall_bot.discordpy.endpoints import pointed_at
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.ops import proxies
from townhall_bot.ops.discord_account import Unreachable, look_up
from townhall_bot.settings import SettingsError
from townhall_bot.testkit import StartTownhall

Output = pytest.CaptureFixture[str]
API = "https://discord.test/api/v10"
SECRET = "p%40ss-word"


@pytest.fixture
async def far_discord(discord_server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    """A Discord at a name that nobody can look up, and the proxy that knows it, which wants a name and a password."""
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", without_certificate(ssl.PROTOCOL_TLS_CLIENT))
    discord_server.world.base_url = "https://discord.test"
    async with Proxy(discord_server, user="me:p@ss-word").serving() as proxy:
        with pointed_at(API, "wss://discord.test/"):
            yield proxy


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_rest_gateway_and_the_doctor_go_through_the_proxy(
    far_discord: Proxy,
    discord_server: LoopbackDiscord,
    ada: Person,
    start_townhall: StartTownhall,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, far_discord.address.replace("//", f"//me:{SECRET}@"))
    running = await start_townhall(PingPlugin)
    assert running.bot.connected
    turn = await ada.type("/ping")
    assert await running.settled(turn) is None
    assert turn.text.startswith("Pong")
    far_discord.asked.clear()
    await look_up(discord_server.token)
    assert far_discord.asked == ["discord.test:443"]


async def test_who_wants_a_password_and_gets_none_is_named_with_the_cure(
    far_discord: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", far_discord.address.replace("//", "//me:wrong-word@"))
    with pytest.raises(Unreachable, match="wants a name and a password, or not these") as failed:
        await look_up("a.b.c")
    assert far_discord.address in str(failed.value)
    assert "wrong-word" not in str(failed.value)


@contextmanager
def refusing(status: int) -> Iterator[str]:
    """Run a proxy that refuses everybody on a thread of its own; yield its address."""
    ready, loop, done = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    proxy = Proxy(status=status)

    async def serve() -> None:
        async with proxy.serving():
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait(10)
    try:
        yield proxy.address
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


@pytest.mark.usefixtures("elsewhere")
def test_a_bot_that_the_proxy_refuses_ends_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(retries, "USUAL", retries.NO_RETRY)
    monkeypatch.setenv("TOWNHALL_TOKEN", "a.b.c")
    with refusing(403) as address, pointed_at(API):
        monkeypatch.setenv("HTTPS_PROXY", address.replace("//", "//me:hush-hush@"))
        assert main(["run"]) == 1
    shown = capsys.readouterr().err
    assert f"townhall: Discord cannot be reached: the proxy {address} (from HTTPS_PROXY) refuses to connect" in shown
    assert "Traceback" not in shown
    assert "hush-hush" not in shown


@pytest.mark.usefixtures("elsewhere")
def test_a_proxy_that_is_away_is_named_by_run_and_doctor(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(retries, "USUAL", retries.NO_RETRY)
    monkeypatch.setenv("TOWNHALL_TOKEN", "a.b.c")
    monkeypatch.setenv("HTTPS_PROXY", "me:hush-hush@127.0.0.1:9")
    with pointed_at(API):
        assert main(["run"]) == 1
        assert main(["doctor", "--online"]) == 1
    shown = capsys.readouterr()
    for told in (shown.err, shown.out):
        assert "the proxy http://127.0.0.1:9 (from HTTPS_PROXY) cannot be reached: Connect" in told
        assert "hush-hush" not in told


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    "wrong", ["socks5://me:hush-hush@127.0.0.1:1", "http://me:hush-hush@:x", "http://:hush-hush@/"]
)
def test_a_proxy_that_cannot_be_used_is_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: Output, wrong: str
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", "a.b.c")
    monkeypatch.setenv("https_proxy", wrong)
    with pointed_at(API):
        assert main(["run"]) == 2
        assert main(["doctor", "--online"]) == 1
    shown = capsys.readouterr()
    for told in (shown.err, shown.out):
        assert "HTTPS_PROXY (or ALL_PROXY)" in told
        assert "hush-hush" not in told


@pytest.mark.parametrize(
    ("exceptions", "address", "through"),
    [
        ("", "https://discord.com/api/v10", True),
        ("", "wss://gateway.discord.gg/?v=10", True),
        ("discord.gg", "wss://gateway.discord.gg/?v=10", False),
        ("discord.gg", "https://discord.com/api/v10", True),
        (".discord.com, example.org", "https://discord.com/api/v10", False),
        ("*", "https://discord.com/api/v10", False),
        ("", "http://127.0.0.1:9/api/v10", False),
        ("", "ws://localhost:9/", False),
        ("", "ws://[::1]:9/", False),
    ],
)
def test_no_proxy_and_this_machine_are_gone_round(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, address: str, through: bool
) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "proxy.example:3128")
    monkeypatch.setenv("no_proxy", exceptions)
    assert proxies.proxy_for(address) == ("http://proxy.example:3128" if through else None)


def test_without_a_proxy_there_is_none_and_nothing_is_its_fault() -> None:
    assert proxies.proxy_for("https://discord.com/api/v10") is None
    assert proxies.problem(aiohttp.ClientHttpProxyError(None, (), status=502)) is None  # type: ignore[arg-type]  # of no request


async def test_a_gateway_that_the_proxy_refuses_is_told_in_the_log(
    far_discord: Proxy,
    discord_server: LoopbackDiscord,
    start_townhall: StartTownhall,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", far_discord.address.replace("//", f"//me:{SECRET}@"))
    bot = (await start_townhall()).bot
    async with Proxy(status=403).serving() as other:
        monkeypatch.setenv("HTTPS_PROXY", other.address)
        with pytest.raises(aiohttp.ClientHttpProxyError):
            await bot.http.ws_connect("wss://gateway.discord.test/")
    assert "It must let discord.com and gateway.discord.gg through" in caplog.text


def test_the_variable_of_one_kind_of_address_is_not_the_other_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example")
    assert proxies.proxy_for("https://discord.com/api") is None
    monkeypatch.setenv("HTTP_PROXY", "ftp://proxy.example")
    with pytest.raises(SettingsError, match="HTTP_PROXY"):
        proxies.proxy_for("http://discord.com/api")
