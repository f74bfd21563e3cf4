from __future__ import annotations

import asyncio
from collections.abc import Sequence

from plugins.gpt2.engine.notices import Notice, Outbox, RequestEvent
from plugins.gpt2.protocol import Started, Text


async def test_a_busy_loop_is_woken_once_for_all_that_has_come_together() -> None:
    heard: list[Sequence[Notice]] = []
    outbox = Outbox(asyncio.get_running_loop(), heard.append)

    def engine() -> None:
        outbox.put([RequestEvent(1, Started())])
        for letter in "abc":
            outbox.put([RequestEvent(1, Text(letter))])

    engine()
    await asyncio.sleep(0)
    assert heard == [[RequestEvent(1, Started()), RequestEvent(1, Text("abc"))]]
    outbox.put([RequestEvent(1, Text("d"))])
    await asyncio.sleep(0)
    assert heard[1:] == [[RequestEvent(1, Text("d"))]]
