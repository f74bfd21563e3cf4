"""Writing a text file whole or not at all: a kill or a full disk leaves the old one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Put a UTF-8 file, for its owner alone, in the place of ``path`` once all of it is on the disk. Raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)  # made with mode 0600
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # or after a power cut the new name could stand for an empty file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
