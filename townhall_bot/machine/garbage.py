"""A pause of Python's search for garbage, for a fraction of a second in which very many objects are made to stay."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Look for no reference cycles until the block ends: looking through all that lives again and again finds none.

    Importing tinygrad takes a quarter less without. Of two blocks at once, in two threads, the first ends the pause.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
