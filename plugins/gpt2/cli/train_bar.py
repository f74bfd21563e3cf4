"""What a person sees of a training: a bar with both losses, the speed and the time left."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

from tqdm import tqdm

from plugins.gpt2.training.run import Seen

FORMAT = "{percentage:3.0f}%|{bar}|{postfix}"
SHOW_EVERY_S = 0.5
SMOOTHED = 0.9


class TrainBar(AbstractContextManager["TrainBar"]):
    """Called after each step."""

    def __init__(self, elapsed_s: float, total_s: float) -> None:
        # Seconds of the run are counted, those before an interruption too.
        self._bar: Any = tqdm(
            total=round(total_s, 1), initial=min(elapsed_s, total_s), bar_format=FORMAT, file=sys.stderr
        )
        self._loss: float | None = None
        self._speed: float | None = None

    def __call__(self, seen: Seen) -> None:
        """Show how far it is."""
        self._loss = seen.loss if self._loss is None else SMOOTHED * self._loss + (1 - SMOOTHED) * seen.loss
        self._speed = (
            seen.tokens_per_s if self._speed is None else SMOOTHED * self._speed + (1 - SMOOTHED) * seen.tokens_per_s
        )
        if seen.note:
            self._bar.write(seen.note, file=sys.stderr)
        held_out = "" if seen.held_out is None else f", held out {seen.held_out:.3f} (best {seen.best:.3f})"
        left = tqdm.format_interval(max(0.0, seen.total_s - seen.elapsed_s))
        words = f"{left} left, step {seen.step}, loss {self._loss:.3f}{held_out}, {self._speed:,.0f} tokens/s"
        self._bar.set_postfix_str(words, refresh=False)
        self._bar.update(min(seen.elapsed_s, seen.total_s) - self._bar.n)

    def __exit__(self, *_: object) -> None:
        self._bar.close()
