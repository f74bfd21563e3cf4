"""``townhall doctor``: what is right is said, what is wrong comes with its cure."""

import asyncio
import errno
import os
import re
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr

from plugins.ping.plugin import PingPlugin
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.ops import doctor
from townhall_bot.plugins import Check, Plugin, discovery
from townhall_bot.plugins.discovery import gather
from townhall_bot.plugins.host import LoadedPlugin
from townhall_bot.plugins.registry import FAILURE_KEY, UNWELL_KEY
from townhall_bot.rehearsal import rehearse
from townhall_bot.settings import Settings
from townhall_bot.store import Store, lock
from townhall_bot.testkit import StartTownhall


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> list[type[Plugin]]:
    """The plugins that are installed as far as the doctor knows."""
    classes: list[type[Plugin]] = [PingPlugin]

    def find(settings: Settings) -> list[LoadedPlugin]:
        return gather(classes)

    monkeypatch.setattr(discovery, "find_plugins", find)
    return classes


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOWNHALL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TOWNHALL_HEALTH_PORT", "0")  # another Townhall of this machine may have the usual one
    return tmp_path / "data"


async def examine(**options: Any) -> dict[str, Check]:
    return {check.name: check async for check in doctor.examine(rehearse, env_file=None, **options)}


async def test_a_healthy_machine_passes_every_check(plugins: object, data_dir: Path) -> None:
    checks = await examine()
    assert [check.name for check in checks.values() if not check.ok] == []
    assert {"python", "settings", "data folder", "disk", "memory", "token", "database", "plugin ping"} <= set(checks)
    assert checks["plugin ping"].detail == "/ping"


async def test_a_wrong_setting_is_a_failing_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_GUILD", "home")
    check = (await examine())["settings"]
    assert not check.ok
    assert "TOWNHALL_GUILD" in check.detail
    assert check.cure


async def test_a_misspelt_setting_is_a_failing_line(
    plugins: object, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWNHALL_PING_PUBLICK", "true")
    check = (await examine())["settings"]
    assert not check.ok
    assert "TOWNHALL_PING_PUBLIC?" in check.detail


class Broken(Plugin):
    name = "broken"

    def commands(self) -> Sequence[Any]:
        raise RuntimeError("no lamp")


class Careless(Plugin):
    name = "careless"

    def commands(self) -> Sequence[Any]:
        return ()

    @classmethod
    def checks(cls, settings: Any, data_dir: Path) -> Sequence[Check]:
        raise RuntimeError("forgot how")


class Careful(Careless):
    name = "careful"

    @classmethod
    def checks(cls, settings: Any, data_dir: Path) -> Sequence[Check]:
        return [Check("careful lamp", False, f"no lamp in {data_dir.name}", "Buy one.")]


async def test_a_broken_plugin_is_named_with_how_to_live_without_it(
    plugins: list[type[Plugin]], data_dir: Path
) -> None:
    plugins.append(Broken)
    checks = await examine()
    assert checks["plugin broken"].detail == "failed at commands(): RuntimeError: no lamp"
    assert "TOWNHALL_PLUGINS=-broken" in checks["plugin broken"].cure
    assert checks["plugin ping"].ok


async def test_what_failed_at_the_bots_last_start_is_told(plugins: object, data_dir: Path) -> None:
    store = Store.open(data_dir / "townhall.db")
    await store.set_value(FAILURE_KEY + "ping", "failed at start(): no network")
    await store.close()
    check = (await examine())["plugin ping"]
    assert not check.ok
    assert "last start it failed at start(): no network" in check.detail


async def test_what_the_running_bot_found_is_told(plugins: object, data_dir: Path) -> None:
    store = Store.open(data_dir / "townhall.db")
    await store.set_value(UNWELL_KEY + "ping", "no heartbeat")
    assert "found it not well: no heartbeat" in (await examine())["plugin ping"].detail
    await store.close()


async def test_a_plugins_own_checks_are_lines_of_the_report(plugins: list[type[Plugin]], data_dir: Path) -> None:
    plugins.append(Careful)
    check = (await examine())["careful lamp"]
    assert (check.ok, check.detail, check.cure) == (False, "no lamp in careful", "Buy one.")


async def test_checks_that_fail_are_a_failing_line(plugins: list[type[Plugin]], data_dir: Path) -> None:
    plugins.append(Careless)
    check = {check.detail: check async for check in doctor.examine(rehearse, env_file=None)}
    assert not check["its checks() failed: RuntimeError: forgot how"].ok


def test_a_damaged_database_is_a_failing_line(plugins: list[type[Plugin]], data_dir: Path) -> None:
    plugins.append(Careful)
    data_dir.mkdir()
    (data_dir / "townhall.db").write_bytes(b"no database " * 500)
    checks = asyncio.run(examine())
    check = checks["database"]
    assert not check.ok
    assert "damaged" in check.detail
    assert check.cure.startswith("Restore a backup")
    assert not checks["careful lamp"].ok  # what plugins look at is told all the same


def test_a_full_disk_is_not_taken_for_one_that_may_not_be_written(
    plugins: object, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    check = doctor.data_folder(data_dir)
    assert not check.ok
    assert check.cure.startswith("Free space")


async def test_a_plugins_wrong_setting_is_cured_by_correcting_it(
    plugins: object, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWNHALL_PING_PUBLIC", "perhaps")
    checks = await examine()
    check = checks["plugin ping"]
    assert "TOWNHALL_PING_PUBLIC: 'perhaps'" in check.detail
    assert check.cure.startswith("Correct it in the environment or in .env.")
    assert not checks["settings"].ok  # nobody reads that all is well with them, with a wrong one below
    assert "ping" in checks["settings"].detail


def test_a_health_page_whose_port_is_taken_is_a_failing_line(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Settings(data_dir=data_dir, health_port=other.getsockname()[1])
        check = doctor.health_page(taken)
        assert (check.ok, check.detail.partition(": ")[2]) == (False, "Address already in use")
        assert "TOWNHALL_HEALTH_PORT" in check.cure
        with lock.held(data_dir, 0):  # a bot that runs is who serves there
            assert doctor.health_page(taken).ok
    assert doctor.health_page(taken).ok
    elsewhere = Settings(data_dir=data_dir, health_host="192.0.2.1", health_port=1)  # an address that no machine has
    assert doctor.health_page(elsewhere).detail == "192.0.2.1 port 1: Cannot assign requested address"
    no_name = Settings(data_dir=data_dir, health_host="x" * 70, health_port=1)
    assert doctor.health_page(no_name).detail.endswith("port 1: that is no host's name")


async def test_a_folder_that_cannot_be_written_is_a_failing_line(
    plugins: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TOWNHALL_DATA_DIR", str(tmp_path / "file" / "data"))
    check = (await examine())["data folder"]
    assert not check.ok
    assert "TOWNHALL_DATA_DIR" in check.cure


def test_little_memory_and_a_full_disk_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(doctor, "available_bytes", lambda: 50_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(1000))
    assert "the bot alone needs 300 MB" in doctor.memory().cure
    assert not doctor.disk(tmp_path / "not" / "there" / "yet").ok


def test_a_system_that_does_not_tell_its_memory_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "available_bytes", lambda: None)
    assert doctor.memory().ok


@pytest.mark.parametrize(
    ("token", "ok"),
    [
        (None, True),
        ("MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde.abcdefghijklmnopqrstuvwxyz0123456789AB", True),
        ("MTIzNDU2Nzg5MDEyMzQ1Njc4", False),
        ("not.a.token", False),
        ("0123456789abcdef0123456789abcdef", False),
    ],
)
def test_a_token_is_looked_at_and_never_shown(token: str | None, ok: bool) -> None:
    check = doctor.token(Settings(token=SecretStr(token) if token else None))
    assert check.ok is ok
    assert not token or token not in check.detail + check.cure


async def test_discord_says_whether_it_takes_the_token(
    plugins: object, data_dir: Path, discord_server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", discord_server.token)
    assert (await examine(online=True))["discord"].ok
    monkeypatch.setenv("TOWNHALL_TOKEN", "an old one")
    check = (await examine(online=True))["discord"]
    assert not check.ok
    assert "Reset the token" in check.cure


async def test_online_without_a_token_is_a_failing_line(plugins: object, data_dir: Path) -> None:
    assert not (await examine(online=True))["discord"].ok


async def test_a_healthy_bot_passes_discords_checks_too(
    plugins: object,
    data_dir: Path,
    discord_server: LoopbackDiscord,
    start_townhall: StartTownhall,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await start_townhall(PingPlugin)
    monkeypatch.setenv("TOWNHALL_TOKEN", discord_server.token)
    checks = await examine()
    online = {name: checks[name] for name in ("discord", "intents", "commands", "clock")}
    assert all(check.ok for check in online.values()), online
    assert "https://discord.com/oauth2/authorize" in online["discord"].cure
    assert online["commands"].detail == "2 registered"
    assert online["intents"].detail == "no privileged intent is on, and none is needed"


async def test_commands_that_discord_does_not_list_are_named(
    plugins: list[type[Plugin]],
    data_dir: Path,
    discord_server: LoopbackDiscord,
    start_townhall: StartTownhall,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await (await start_townhall()).stop()
    monkeypatch.setenv("TOWNHALL_TOKEN", discord_server.token)
    check = (await examine())["commands"]
    assert check.detail == "not registered with Discord: /ping"
    assert check.cure.startswith("Start the bot again")
    await start_townhall(*plugins)  # as it says
    monkeypatch.setenv("TOWNHALL_TOKEN", discord_server.token)
    assert (await examine())["commands"].ok


async def test_before_the_first_start_missing_commands_are_no_failure(
    plugins: object, data_dir: Path, discord_server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", discord_server.token)
    check = (await examine())["commands"]
    assert (check.ok, check.cure) == (True, "`townhall run` registers them.")


async def test_a_wrong_clock_is_told_with_its_side(
    plugins: object, data_dir: Path, discord_server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", discord_server.token)
    check = (await examine(clock=lambda: time.time() - 3600))["clock"]
    assert not check.ok
    assert re.fullmatch(r"3(599|600|601) s behind Discord's", check.detail)
    assert "timedatectl" in check.cure


async def test_discord_is_not_asked_where_the_host_says_offline(
    plugins: object, data_dir: Path, discord_server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", discord_server.token)
    assert "discord" not in await examine(online=False)
    assert discord_server.requests == []


async def test_a_discord_that_is_away_is_told(
    plugins: object, data_dir: Path, discord_server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    discord_server.faults.answer("GET", "/users/@me", 503, times=1)
    monkeypatch.setenv("TOWNHALL_TOKEN", discord_server.token)
    check = (await examine())["discord"]
    assert "cannot be reached" in check.detail


def test_a_token_file_that_others_can_read_is_a_failing_line(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("TOWNHALL_TOKEN=x\n")
    env.chmod(0o644)
    assert doctor.env_file_permissions(env).cure == f"chmod 600 {env}"
    env.chmod(0o600)
    assert doctor.env_file_permissions(env).ok


def test_the_running_bot_is_named(tmp_path: Path) -> None:
    assert doctor.running_bot(tmp_path).detail == "none with this data folder"
    with lock.held(tmp_path, 0):
        assert f"process {os.getpid()}" in doctor.running_bot(tmp_path).detail


@pytest.mark.parametrize(("address", "ok"), [("https://bot.example.org/interactions", True), (None, False)])
async def test_without_a_gateway_discord_must_know_where_commands_go(
    address: str | None,
    ok: bool,
    plugins: object,
    data_dir: Path,
    discord_server: LoopbackDiscord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOWNHALL_TOKEN", discord_server.token)
    monkeypatch.setenv("TOWNHALL_INTERACTIONS_PORT", "8318")
    discord_server.world.application.endpoint = address
    check = (await examine(online=True))["discord"]
    assert check.ok is ok
    assert (address or "TOWNHALL_INTERACTIONS_PORT") in check.detail + check.cure


def test_a_local_discord_that_runs_is_known(data_dir: Path) -> None:
    assert doctor.running_bot(data_dir).detail == "none with this data folder"
    with lock.held(data_dir / lock.LOCAL, 0, shared=True), lock.held(data_dir / lock.LOCAL, 0, shared=True):
        assert f"`townhall local`: process {os.getpid()}" in doctor.running_bot(data_dir).detail
