"""Ctrl-C, and other signals to stop, so that it holds at every moment of a command that computes."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any


class CtrlC:
    """Takes Ctrl-C while its ``with`` block runs: it interrupts at once, or is only noted within :meth:`noted`.

    Python loses a KeyboardInterrupt that hits a finaliser, of which tinygrad has one for each of its thousands of small
    objects. So what was pressed is remembered, and whoever takes long asks by :meth:`check` now and then. Where the
    process ignores a signal (``nohup``, a script's background), it still does. ``signals`` are all taken alike.
    """

    def __init__(self, *signals: signal.Signals) -> None:
        self.pressed = False
        self.number: int = signal.SIGINT
        """The signal that came last."""
        self._signals = signals or (signal.SIGINT,)
        self._before: dict[signal.Signals, Any] = {}
        self._noting = False

    def __enter__(self) -> CtrlC:
        for each in self._signals:
            self._before[each] = signal.getsignal(each)
            if self._before[each] is not signal.SIG_IGN:
                signal.signal(each, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        for each, before in self._before.items():
            signal.signal(each, before)

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
        self.pressed, self.number = True, number
        if not self._noting:
            raise KeyboardInterrupt
