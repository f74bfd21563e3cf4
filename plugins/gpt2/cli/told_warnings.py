"""What the model warns of, for a person at a shell: a line beside the bars, where a bot has its log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from townhall_bot.redaction import without_secrets


@contextmanager
def told(command: str) -> Iterator[None]:
    """Tell warnings by the command's name until the block ends; they go to no log meanwhile."""
    log, handler = logging.getLogger("townhall.gpt2"), _Telling(command)
    before = log.level, log.propagate
    log.setLevel(logging.WARNING)
    log.propagate = False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


class _Telling(logging.Handler):
    def __init__(self, command: str) -> None:
        super().__init__()
        self._command = command

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(f"{self._command}: {without_secrets(record.getMessage())}", file=sys.stderr)
