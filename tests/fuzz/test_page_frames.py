"""Frames that no page would send: each is answered with a reason, and the tab works on."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.loopback.web.tab import Tab

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
KINDS = ("use", "menu", "complete", "press", "select", "submit", "say", "direct", "inspect", "hack")
FIELDS = ("nonce", "channel", "message", "path", "values", "files", "name", "user", "custom_id", "interaction", "text")
FRAMES = st.one_of(
    st.builds(
        lambda kind, fields: json.dumps({"type": kind, **fields}),
        st.sampled_from(KINDS),
        st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from(["CHANNEL", "MESSAGE"]), max_size=6),
    ),
    JSON.map(json.dumps),
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
    tab = Tab(server, cast(web.WebSocketResponse, None), ada)  # nothing is sent here: what it would send is read

    def send(frame: str) -> list[dict[str, Any]]:
        frame = frame.replace('"CHANNEL"', f'"{message.channel.id}"').replace('"MESSAGE"', f'"{message.id}"')
        loop.run_until_complete(tab._act(frame))
        told = []
        while not tab._queue.empty():
            told.append(json.loads(json.dumps(tab._queue.get_nowait()())))
        return told

    yield send
    loop.run_until_complete(server.__aexit__(None, None, None))
    loop.close()


@given(frame=FRAMES)
def test_any_frame_is_answered_and_none_breaks_the_tab(frame: str, send: Callable[[str], list[dict[str, Any]]]) -> None:
    told = send(frame)
    assert all(answer["type"] in ("refused", "answered", "traffic", "server", "open", "message") for answer in told)
    assert all(answer["text"] for answer in told if answer["type"] == "refused")
    said = send(json.dumps({"type": "say", "channel": "CHANNEL", "text": "Still here.", "nonce": "n"}))
    assert {"type": "answered", "nonce": "n"} in said
