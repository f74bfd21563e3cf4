"""Frames that no page would send: each is answered or refused, and the tab works on."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.json_values import JSON
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.loopback.web.tab import Tab

KINDS = ("use", "menu", "complete", "press", "select", "submit", "say", "direct", "inspect", "hack")
FIELDS = ("nonce", "channel", "message", "path", "values", "files", "name", "user", "custom_id", "interaction", "text")
FRAMES = st.one_of(
    st.builds(
        lambda kind, fields: json.dumps({"type": kind, **fields}),
        st.sampled_from(KINDS),
        st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from(["CHANNEL", "MESSAGE"]), max_size=6),
    ),
    JSON.map(json.dumps),
    JSON.map(lambda value: json.dumps(value).replace("0", "1e400")),
    st.text(max_size=60),
    st.integers(1, 200_000).map(lambda depth: "[" * depth),
    st.integers(1, 5000).map(lambda digits: '{"type": "inspect", "channel": ' + "9" * digits + "}"),
)


@pytest.fixture
def send() -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """Return a function that gives a frame to a tab and returns what the tab was told."""
    loop = asyncio.new_event_loop()
    server = LoopbackDiscord()
    loop.run_until_complete(server.__aenter__())
    ada = server.townhall().people["ada"]
    message = loop.run_until_complete(ada.say("Hello."))
    told: list[dict[str, Any]] = []

    class Socket:
        async def send_str(self, text: str) -> None:
            told.append(json.loads(text.encode(), parse_constant=pytest.fail))  # as a browser reads it

    tab = Tab(server, cast(web.WebSocketResponse, Socket()), ada)
    writer = loop.create_task(tab._write())
    end = server.world.subscribe(tab._changed)

    def send(frame: str) -> list[dict[str, Any]]:
        frame = frame.replace('"CHANNEL"', f'"{message.channel.id}"').replace('"MESSAGE"', f'"{message.id}"')
        told.clear()
        loop.run_until_complete(tab._act(frame))
        while not tab._outbox.empty():
            loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        assert not writer.done()
        return [*told]

    yield send
    end()
    writer.cancel()
    loop.run_until_complete(asyncio.wait({writer}))
    loop.run_until_complete(server.__aexit__(None, None, None))
    loop.close()


@given(frame=FRAMES)
def test_any_frame_is_answered_and_none_breaks_the_tab(frame: str, send: Callable[[str], list[dict[str, Any]]]) -> None:
    told = send(frame)
    assert all(
        answer["type"] in ("refused", "answered", "traffic", "server", "open", "message", "overdue") for answer in told
    )
    assert all(answer["text"] for answer in told if answer["type"] == "refused")
    said = send(json.dumps({"type": "say", "channel": "CHANNEL", "text": "Still here.", "nonce": "n"}))
    assert {"type": "answered", "nonce": "n"} in said
