"""Frames that no bot would send: its gateway answers each or closes with one of Discord's codes."""

import asyncio
import json
from typing import cast

import discord
import pytest
from aiohttp import WSMessage, WSMsgType, web
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.json_values import JSON
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.loopback.wire.connection import Connection

FIELDS = ("token", "intents", "shard", "session_id", "seq", "guild_id", "user_ids", "query", "limit", "nonce")
FRAMES = st.builds(
    lambda op, fields, surrogate: json.dumps({"op": op, "d": fields}).replace("0", surrogate),
    st.integers(0, 15) | JSON,
    st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from(["TOKEN", "SESSION"]), max_size=6) | JSON,
    st.sampled_from(["0", "1e400", "NaN", "\\ud800"]),
)


@given(frames=st.lists(FRAMES | JSON.map(json.dumps) | st.text(max_size=20), min_size=1, max_size=4))
def test_a_client_that_sends_any_frame_is_answered_or_closed_with_a_code(frames: list[str]) -> None:
    codes: list[int] = []

    class Socket:
        def __init__(self, frames: list[str]) -> None:
            self.frames = iter(frames)

        async def receive(self, timeout: float) -> WSMessage:  # noqa: ASYNC109 - as aiohttp has it
            frame = next(self.frames, None)
            return WSMessage(WSMsgType.CLOSED, None, None) if frame is None else WSMessage(WSMsgType.TEXT, frame, None)

        async def send_str(self, text: str) -> None:
            json.loads(text.encode(), parse_constant=pytest.fail)

        async def close(self, *, code: int, message: bytes) -> None:
            codes.append(code)

    async def talk() -> None:
        async with LoopbackDiscord() as server:
            session = server.gateway.open_session(discord.Intents(guilds=True), (0, 1))
            entered = json.dumps({"op": 2, "d": {"token": server.token, "intents": 1}})
            sent = [f.replace('"TOKEN"', f'"{server.token}"').replace('"SESSION"', f'"{session.id}"') for f in frames]
            for begin in ([], [entered]):
                await Connection(server.gateway, cast(web.WebSocketResponse, Socket([*begin, *sent]))).run()

    asyncio.run(talk())
    assert all(4000 <= code < 5000 for code in codes)
