from __future__ import annotations

import pytest

from plugins.gpt2.messages import say
from plugins.gpt2.protocol import EngineFailed, Queued, Started, Text
from plugins.gpt2.service.request_state import Ticket
from tests.plugins.gpt2.fake_model import request


@pytest.fixture
def ticket() -> Ticket:
    return Ticket(1, request("Hello"), submitted=0.0)


async def heard(ticket: Ticket) -> list[object]:
    """Everything that the listener has not fetched yet."""
    found: list[object] = []
    while True:
        try:
            found.append(await ticket.get(within=0))
        except TimeoutError:
            return found


async def test_who_listens_slowly_hears_the_latest_place_and_the_text_in_one_piece(ticket: Ticket) -> None:
    for ahead in range(1000, -1, -1):
        ticket.put(Queued(ahead))
    ticket.put(Started())
    for letter in "Hello there":
        ticket.put(Text(letter))
    assert await heard(ticket) == [Queued(0), Started(), Text("Hello there")]


async def test_nothing_follows_the_end(ticket: Ticket) -> None:
    ticket.put(Text("a"))
    ticket.put(EngineFailed(say("failed.stopping"), "a"))
    ticket.put(Text("b"))
    assert await ticket.get(within=0) == Text("a")
    with pytest.raises(EngineFailed):
        await ticket.get(within=0)
    assert await heard(ticket) == []
    assert ticket.text == "a"
