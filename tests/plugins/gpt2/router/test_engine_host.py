"""An engine whose router breaks off in the middle of a text."""

from __future__ import annotations

from dataclasses import replace

from plugins.gpt2.protocol import Text
from tests.plugins.gpt2.fake_model import request
from tests.plugins.gpt2.router.fake_fleet import House


async def test_a_text_whose_router_is_gone_ends_though_its_next_token_is_awaited(house: House) -> None:
    """That token's wait kept the stream from being closed, and the log had a traceback for each text."""
    engine = await house.engine(tokens=2)
    told = engine.host.told(replace(request("Hello", count=12), request_id=7))
    pieces = 0
    async for event in told:
        pieces += isinstance(event, Text)
        if pieces == 2:
            break
    await told.aclose()
    assert not engine.service.running
