"""Which request the running code serves: the interaction's id, the number that people quote and the log shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

current: ContextVar[str | None] = ContextVar("townhall_request", default=None)
"""The interaction's id; None outside of a request. Tasks that a request starts inherit it."""


@contextmanager
def serving(request: str) -> Iterator[None]:
    """Let what is started until the block ends belong to a request."""
    token = current.set(request)
    try:
        yield
    finally:
        current.reset(token)
