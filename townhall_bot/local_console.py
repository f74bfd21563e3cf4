"""The line on which commands are typed in ``townhall local``."""
# ruff: noqa: T201 - this is the command line; printing is its work

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping

from townhall_bot.loopback import CommandRefused, Person, Turn

HELP = """Type commands as you would in Discord, for example:
  /gpt2 prompt:Hello count:40
  :as admin      act as somebody else ({people})
  :press Stop    press that button below the last answer
  :show          show the last answer as it is now
  :quit          end (so does Ctrl-D)"""


class Console:
    """Reads lines, acts for one of ``people``, and prints answers when they are there; typing goes on meanwhile.

    ``settle`` waits for the end of a turn's command and returns what it raised.
    """

    def __init__(
        self, people: Mapping[str, Person], name: str, settle: Callable[[Turn], Awaitable[Exception | None]]
    ) -> None:
        self._people = people
        self._name = name
        self._settle = settle
        self._last: Turn | None = None
        self._answers: set[asyncio.Task[None]] = set()

    async def run(self, address: str) -> int:
        """Serve until the input ends; return the exit status."""
        print(f"A Discord with the bot is on {address}. You are {self._name}. :help lists what you can type.")
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        threading.Thread(target=_read, args=(asyncio.get_running_loop(), lines), daemon=True).start()
        while (line := await lines.get()) is not None:
            line = line.strip()
            if line in (":quit", ":q"):
                break
            if line:
                await self._act(line)
        await asyncio.gather(*self._answers)
        return 0

    async def _act(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        try:
            if word.startswith("/"):
                self._last = await self._people[self._name].type(line)
                self._answer_later(self._last)
            elif word == ":as" and rest in self._people:
                self._name = rest
                print(f"You are {rest}.")
            elif word == ":press" and self._last is not None:
                await self._press(self._last, rest)
            elif word == ":show" and self._last is not None:
                print(self._last.text)
            else:
                print(HELP.format(people=", ".join(self._people)))
        except CommandRefused as refusal:
            print(refusal)

    async def _press(self, turn: Turn, label: str) -> None:
        with_buttons = [message for message in turn.messages if message.components]
        if not with_buttons:
            print("There is no button below the last answer.")
            return
        pressed = await self._people[self._name].press(with_buttons[-1], label)
        await pressed.acknowledged()
        if pressed.messages:
            print(pressed.text)

    def _answer_later(self, turn: Turn) -> None:
        async def answer() -> None:
            await self._settle(turn)
            print(f"{turn.text}\n", flush=True)

        task = asyncio.create_task(answer())
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)


def _read(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str | None]) -> None:
    """Pass on standard input from a thread: reading a terminal would stop the event loop."""
    for line in sys.stdin:
        loop.call_soon_threadsafe(lines.put_nowait, line)
    loop.call_soon_threadsafe(lines.put_nowait, None)
