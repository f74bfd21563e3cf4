"""Writing a text at a shell: it is shown as it grows, in whole characters, while Ctrl-C can stop it."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tqdm import tqdm

from plugins.gpt2.cli.ctrl_c import CtrlC
from plugins.gpt2.cli.report import Written
from plugins.gpt2.protocol import Finished, GenerationError, GenerationRequest, Started, Text
from townhall_bot.cli.output import visible
from townhall_bot.cli.terminal import tell

if TYPE_CHECKING:
    from plugins.gpt2.engine.scheduler import Scheduler

Clock = Callable[[], float]


def write(
    scheduler: Scheduler,
    request: GenerationRequest,
    ctrl_c: CtrlC,
    out: Growing,
    *,
    timed: bool = False,
    clock: Clock = time.perf_counter,
) -> Written:
    """Write until the end or Ctrl-C; what there is until then is kept. Raises the request's GenerationError.

    ``timed`` tells each token's milliseconds: at once, or after the text where both go to one place.
    """
    began = before = clock()
    scheduler.submit(0, request, began)
    text, finished, tokens, late = request.prompt, None, 0, []
    with out, tqdm(total=request.count, unit="token", file=sys.stderr, disable=out.no_bar) as bar, ctrl_c.noted():
        while scheduler.busy:
            if ctrl_c.pressed:  # told between steps: within one, a request is for a moment neither waiting nor running
                scheduler.cancel(0)
            step = scheduler.step()
            for _, outcome in step.outcomes:
                match outcome:
                    case GenerationError():
                        raise outcome
                    case Started(notice) if notice:
                        bar.write(str(notice), file=sys.stderr)
                    case Text(piece):
                        text += piece
                        out.show(piece)
                    case Finished():
                        finished = outcome
            now, count = clock(), scheduler.new_tokens(0) if finished is None else finished.timing.new_tokens
            if count > tokens:
                late.append(f"token {count:4}: {(now - before) * 1000:8.2f} ms")
                bar.update(count - tokens)
                before, tokens = now, count
            if timed and not out.is_shared:
                for line in late:
                    bar.write(line, file=sys.stderr)
                late = []
    if timed:
        for line in late:
            tell(line)
    return Written(text, finished, clock() - began)


class Growing(contextlib.AbstractContextManager["Growing"]):
    """Standard output for one text: ``head`` first (the prompt, say), then each piece at once, then the line's end.

    ``silent`` shows nothing. Raises BrokenPipeError and OutputLost, as any output of a command.
    """

    def __init__(self, head: str = "", *, silent: bool = False) -> None:
        self._head, self._silent = head, silent
        self._terminal = sys.stdout.isatty()
        shown = not silent and not _is_file()
        self.no_bar: bool | None = True if shown else None
        """Whether a bar must not be drawn: it would be drawn over the text. None: on a terminal."""
        self.is_shared = (shown and sys.stderr.isatty()) or (not silent and _same_place())
        """Whether the text may appear where standard error does: on a terminal, in a pipe by ``2>&1``."""
        self._begun = False

    def show(self, piece: str) -> None:
        """Show a piece."""
        if not self._silent:
            text = self._head + piece if not self._begun else piece
            self._begun = True
            print(visible(text) if self._terminal else text, end="", flush=True)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._begun or (kind is None and not self._silent):
            if not self._begun:
                self.show("")
            if kind is None or not issubclass(kind, OSError):
                print(flush=True)


def _same_place() -> bool:
    try:
        return os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    except (OSError, ValueError):  # no real files: a notebook, a test
        return False


def _is_file() -> bool:
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, ValueError):  # no real file: a notebook, a test
        return False
