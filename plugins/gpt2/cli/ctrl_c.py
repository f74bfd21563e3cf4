"""Ctrl-C, so that it holds at every moment of a command that computes."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class CtrlC:
    """Takes Ctrl-C while its ``with`` block runs: it interrupts at once, or is only noted within :meth:`noted`.

    Python loses a KeyboardInterrupt that hits a finaliser, of which tinygrad has one for each of its thousands of small
    objects. So what was pressed is remembered, and whoever takes long asks by :meth:`check` now and then. Where the
    process ignores Ctrl-C (``nohup``, a script's background), it still does.
    """

    def __init__(self) -> None:
        self.pressed = False
        self._noting = False

    def __enter__(self) -> CtrlC:
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def forget(self) -> None:
        """Take what was pressed as done with: it ended one text of several."""
        self.pressed = False

    def check(self) -> None:
        """Raise KeyboardInterrupt where it was pressed."""
        if self.pressed:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Interrupt nothing within the block, so that nothing written is lost; ``pressed`` tells."""
        self._noting = True
        try:
            yield
        finally:
            self._noting = False

    def _press(self, number: int, frame: FrameType | None) -> None:
        self.pressed = True
        if not self._noting:
            raise KeyboardInterrupt
