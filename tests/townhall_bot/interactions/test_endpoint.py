"""Discord posts commands to the bot: what is signed is taken at once, everything else is refused."""

from __future__ import annotations

import builtins
import io
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from plugins.ping.plugin import PingPlugin
from townhall_bot.discordpy import posted
from townhall_bot.interactions import Endpoint, EndpointError
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.loopback.wire.posts import PING, EndpointRefused, Posts
from townhall_bot.testkit import RunningTownhall, StartTownhall

pytest.importorskip("cryptography", reason="pip install 'townhall-bot[http]'")

COMMAND = {"id": "7", "type": 2}
BY_HTTP = {"TOWNHALL_INTERACTIONS_PORT": "0"}


class Desk:
    """An endpoint without a bot behind it."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.open = True


@pytest.fixture
async def posts(discord_server: LoopbackDiscord) -> Posts:
    return discord_server.sign_posts()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def endpoint(desk: Desk, posts: Posts, discord_server: LoopbackDiscord) -> AsyncIterator[Endpoint]:
    endpoint = made(desk, discord_server)
    await endpoint.start()
    await posts.begin(endpoint.url)
    yield endpoint
    await endpoint.stop()


def made(desk: Desk, server: LoopbackDiscord, *, key: str | None = None, port: int = 0) -> Endpoint:
    return Endpoint(
        desk.taken.append,
        lambda: desk.open,
        public_key=key or server.world.application.verify_key,
        host="127.0.0.1",
        port=port,
        clock=server.world.clock,
    )


@pytest.mark.usefixtures("endpoint")
async def test_what_discord_signed_is_taken_and_acknowledged_without_a_body(posts: Posts, desk: Desk) -> None:
    assert await posts.post(COMMAND) == (202, "")
    assert desk.taken == [COMMAND]


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("signature", ["", "00", "00" * 64, "no hex"])
async def test_what_somebody_else_signed_is_refused(posts: Posts, desk: Desk, signature: str) -> None:
    for payload in (PING, COMMAND):
        assert (await posts.post(payload, signature=signature))[0] == 401
    assert not desk.taken


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize(("age_s", "status"), [(60, 202), (-60, 202), (3600, 401), (-3600, 401)])
async def test_what_was_overheard_cannot_be_sent_again_later(
    posts: Posts, desk: Desk, age_s: float, status: int
) -> None:
    assert (await posts.post(COMMAND, age_s=age_s))[0] == status
    assert len(desk.taken) == (status == 202)


async def test_without_headers_or_with_too_much_it_is_refused(endpoint: Endpoint, desk: Desk) -> None:
    async with aiohttp.ClientSession() as session:
        for body, status in ((b"{}", 401), (io.BytesIO(b" " * 2_000_000), 413)):
            async with session.post(endpoint.url, data=body) as answer:
                assert answer.status == status
        async with session.get(endpoint.url) as answer:
            assert answer.status == 405
    assert not desk.taken


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("payload", [[], {}, {"type": 2}, "text", {"id": "1"}])
async def test_what_is_no_interaction_is_refused(posts: Posts, desk: Desk, payload: Any) -> None:
    assert (await posts.post(payload))[0] == 400
    assert not desk.taken


@pytest.mark.usefixtures("endpoint")
async def test_a_bot_that_is_stopping_takes_nothing(posts: Posts, desk: Desk) -> None:
    desk.open = False
    assert (await posts.post(COMMAND))[0] == 503
    assert (await posts.post(PING))[0] == 200  # Discord's test of the address is none of that
    assert not desk.taken


async def test_discord_takes_no_address_that_lets_everything_through(
    posts: Posts, desk: Desk, discord_server: LoopbackDiscord
) -> None:
    other = made(desk, discord_server, key="11" * 32)
    await other.start()
    with pytest.raises(EndpointRefused, match="a PING was answered with 401"):
        await posts.begin(other.url)
    await other.stop()


@pytest.mark.parametrize("key", ["", "abc", "zz" * 32, "00" * 31])
def test_what_is_no_public_key_is_named_with_its_cure(key: str) -> None:
    with pytest.raises(EndpointError, match=r"TOWNHALL_PUBLIC_KEY is no public key.*General Information"):
        Endpoint(lambda _: None, lambda: True, public_key=key, host="127.0.0.1", port=0)


def test_where_cryptography_is_not_installed_it_is_said_how(monkeypatch: pytest.MonkeyPatch) -> None:
    really = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return really(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(EndpointError, match=r"pip install 'townhall-bot\[http\]'"):
        Endpoint(lambda _: None, lambda: True, public_key="11" * 32, host="127.0.0.1", port=0)


async def test_a_port_that_is_taken_is_named(desk: Desk, discord_server: LoopbackDiscord) -> None:
    discord_server.sign_posts()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EndpointError, match=f"port {port}: Address already in use. Set TOWNHALL_INTERACTIONS_HOST"):
            await made(desk, discord_server, port=port).start()


async def test_a_command_is_answered_without_a_gateway(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    townhall = await start_townhall(PingPlugin, settings=BY_HTTP)
    turn = await ada.type("/ping")
    assert await townhall.settled(turn) is None
    assert "by HTTP" in turn.text
    assert discord_server.gateway.identified == 0
    assert townhall.bot.connected


async def test_the_same_post_twice_is_acted_on_once(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, posts: Posts, ada: Person
) -> None:
    townhall: RunningTownhall = await start_townhall(PingPlugin, settings=BY_HTTP)
    turn = await ada.type("/ping")
    assert await townhall.settled(turn) is None
    callbacks = [each for each in discord_server.requests if each.path.endswith("/callback")]
    again = json.loads(json.dumps({"id": str(turn.interaction.id), "type": 2}))
    assert townhall.bot.endpoint is not None
    posted.take(townhall.bot, again)
    assert [each for each in discord_server.requests if each.path.endswith("/callback")] == callbacks
