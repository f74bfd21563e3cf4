"""An engine that computes nothing: ``python -m bench.fake_engine --router URL`` writes numbered words.

It serves :mod:`bench.fleet`, where the way of a text is measured and not the writing: one word each ``--token-ms`` for
as many texts as there are rows, and going on behind what was written. Everything but the model is the real engine's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator

from plugins.gpt2.engine_host.host import EngineHost
from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.protocol import (
    EngineStatus,
    Event,
    Finished,
    GenerationRequest,
    OnProgress,
    ServingModel,
    Started,
    Text,
    TextGenerator,
    Timing,
)
from plugins.gpt2.wire.calling import session
from plugins.gpt2.wire.serving import listen

MODEL = "fake"


def words(count: int) -> str:
    """Return what any of these engines writes, from the beginning."""
    return "".join(f"{number} " for number in range(count))


class Clockwork(TextGenerator):
    """Writes :func:`words`, one each ``token_s`` seconds."""

    def __init__(self, rows: int, token_s: float) -> None:
        self._rows, self._token_s = rows, token_s
        self._info = ModelInfo(MODEL, "NONE", "int8", 1, 1, 1024, 300, None, token_s)
        self._running: dict[int, bool] = {}

    async def start(self) -> None:
        """Nothing is to be begun."""

    @contextlib.asynccontextmanager
    async def admitted(self, request: GenerationRequest) -> AsyncGenerator[AsyncIterator[Event]]:
        """See ``TextGenerator``; a router sends no more than there are rows."""
        key = request.request_id or 0
        self._running[key] = True
        try:
            async with contextlib.aclosing(self._events(request, key)) as events:
                yield events
        finally:
            del self._running[key]

    async def _events(self, request: GenerationRequest, key: int) -> AsyncGenerator[Event]:
        yield Started()
        first, begun = len(request.written.split()), asyncio.get_running_loop().time()
        made = 0
        while made < request.count and self._running[key]:
            # By the clock and not so long after the last: an engine's thread does not wait for who sends its tokens on.
            due = begun + self._token_s * (made + 1)
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            yield Text(f"{first + made} ", 1)
            made += 1
        total = 1000 * (asyncio.get_running_loop().time() - begun)
        timing = Timing(0, 1000 * self._token_s, None, 1 / self._token_s, total, 1, made, 1, MODEL, "NONE", "int8")
        yield Finished("length" if self._running[key] else "cancelled", timing)

    async def cancel(self, request_id: int) -> bool:
        """See ``TextGenerator``."""
        was = request_id in self._running
        if was:
            self._running[request_id] = False
        return was

    async def cancel_member(self, user_id: int) -> int:
        """See ``TextGenerator``; routers do this."""
        return 0

    async def ensure_model(self, name: str, on_progress: OnProgress | None = None) -> ModelInfo:
        """See ``TextGenerator``; it is there."""
        return self._info

    def status(self) -> EngineStatus:
        """See ``TextGenerator``."""
        return EngineStatus((ServingModel(self._info, self._rows),), None, len(self._running), 0, "NONE", "int8")

    async def drain(self) -> None:
        """Nothing waits here."""

    async def close(self) -> None:
        """Nothing is to be let go of."""


async def serve(routers: list[str], rows: int, token_s: float) -> None:
    """Write for routers until SIGTERM."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    async with session(None) as calls:
        host = EngineHost(Clockwork(rows, token_s), [MODEL], None)
        runner, port = await listen(host.app, "127.0.0.1", 0, None)
        host.begin(f"http://127.0.0.1:{port}", routers, calls)
        print(f"port {port}", flush=True)
        await told.wait()
        await host.leave(60)
        await host.end()
        await runner.cleanup()


def main() -> int:
    """Serve."""
    parser = argparse.ArgumentParser("python -m bench.fake_engine", description=__doc__)
    parser.add_argument("--router", required=True, help="addresses, separated by commas")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--token-ms", type=float, default=20.0)
    options = parser.parse_args()
    asyncio.run(serve(options.router.split(","), options.rows, options.token_ms / 1000))
    return 0


if __name__ == "__main__":
    sys.exit(main())
