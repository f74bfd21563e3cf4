"""Standard output and standard error as they really are: narrow, full, closed, a pipe, or somebody's terminal.

What their encoding lacks is written in ASCII; on a terminal, characters that would act on it are shown escaped, since
members, models and files wrote much of what is printed; in a pipe they stay what they are. A standard output that takes
no more raises :class:`OutputLost`; standard error never raises, as there is nobody left to tell.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from townhall_bot.cli.terminal import FAILED, note

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PLAIN = str.maketrans({"…": "...", "→": "->", "“": '"', "”": '"', "‹": "<", "›": ">", "’": "'", "–": "-", "—": "-"})
_ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and newline, DEL, C1
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # the direction of what follows; ends of lines
    "\ud800-\udfff]"  # bytes that were no UTF-8
)
_ERRORS = "townhall-plain"


class OutputLost(OSError):
    """Standard output takes no more: its disk is full, or it is closed."""


def visible(text: str) -> str:
    """Return a text in which no character moves a cursor, colours, rings, or turns the direction of others."""
    return _ACTS.sub(lambda match: _escaped(match[0]), text.replace("\r\n", "\n"))


GREEN, RED = 32, 31
"""Colours of a terminal, as ECMA-48's SGR numbers them."""


def write_coloured(text: str, colour: int) -> None:
    """Write to standard output, in colour where that is a terminal that is not told otherwise (https://no-color.org)."""
    out = sys.stdout
    if isinstance(out, _Text) and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb":
        out.write_coloured(text, colour)
    else:
        out.write(text)


def bearing(command: Callable[[], int]) -> int:
    """Run a command whose output is as this module says; return its exit status, FAILED where the output was lost."""
    with _prepared():
        try:
            try:
                return command()
            finally:  # argparse ends by SystemExit, after a help text
                print(end="", flush=True)  # noqa: T201 - who went away is noticed here, not when the interpreter ends
        except BrokenPipeError:  # as in `townhall doctor | head -2`: nobody reads on
            _give_up()
            return FAILED
        except OutputLost as error:
            _give_up()
            note(f"standard output cannot be written: {error.strerror}. What was to be shown there is not complete.")
            return FAILED


@contextmanager
def _prepared() -> Iterator[None]:
    """Let ``print`` and the log do what this module says, until the block ends."""
    _open_what_is_closed()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _wrapped(sys.stdout, loses=True), _wrapped(sys.stderr, loses=False)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _give_up() -> None:
    """Let nothing more be written to standard output, so that the interpreter's end does not stumble over it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(sys.stdout, _Text):
        sys.stdout.told()


class _Descriptor(io.FileIO):
    """A file descriptor that stays open; ``lost`` is why it took no more."""

    lost: OutputLost | None = None

    def __init__(self, descriptor: int, *, loses: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._loses = loses

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of it: without a buffer above, nobody asks how much was."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest:
                written = super().write(rest)
                if written is None:  # somebody made it non-blocking, as ssh may
                    select.select([], [self], [])
                rest = rest[written or 0 :]
        except BrokenPipeError:
            if self._loses:
                raise
        except OSError as error:
            if self._loses:
                self.lost = OutputLost(error.errno, error.strerror)
                raise self.lost from None
        return size


class _Text(io.TextIOWrapper):
    """Text on a descriptor, made visible where that is a terminal. Raises OutputLost and BrokenPipeError alone."""

    def __init__(self, under: io.TextIOWrapper, descriptor: _Descriptor) -> None:
        super().__init__(
            descriptor if isinstance(under.buffer, io.FileIO) else io.BufferedWriter(descriptor),  # PYTHONUNBUFFERED
            encoding=under.encoding,
            errors=_ERRORS,
            line_buffering=under.line_buffering,
            write_through=under.write_through,
        )
        self._descriptor = descriptor
        self._terminal = descriptor.isatty()

    def write(self, text: str, /) -> int:
        if self._terminal:
            begin, end = text.startswith("\r"), text.endswith("\r") and len(text) > 1
            # a bar returns to the begin of its line before it is drawn, and after it is wiped
            super().write("\r" * begin + visible(text[begin : len(text) - end]) + "\r" * end)
        else:
            super().write(text)
        return len(text)

    def write_coloured(self, text: str, colour: int) -> None:
        """Write a text in colour, where a terminal shows it; what would act on that in the text itself is escaped."""
        if self._terminal:
            super().write(f"\x1b[{colour}m{visible(text)}\x1b[0m")
        else:
            self.write(text)

    def told(self) -> None:
        """Raise no more of what was lost: Python 3.13 prints what the last flush of a stream raises."""
        self._descriptor.lost = None

    def flush(self) -> None:
        super().flush()
        if self._descriptor.lost is not None:  # somebody between there and here may have taken it for his own error
            raise self._descriptor.lost


def _wrapped(stream: Any, *, loses: bool) -> Any:
    """Return what to write to; what is no real file (a test's, a notebook's) is returned as it is."""
    raw = getattr(getattr(stream, "buffer", None), "raw", getattr(stream, "buffer", None))  # unbuffered has no raw
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(raw, io.FileIO):
        return stream
    stream.flush()
    return _Text(stream, _Descriptor(stream.fileno(), loses=loses))


def _open_what_is_closed() -> None:
    """Give a number of its own to each standard stream that was closed: else the database is opened as one of them."""
    for number, name, flags in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                os.open(os.devnull, flags)  # takes the lowest number that is free; writing to standard output fails
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115 - it stays open


def _escaped(text: str) -> str:
    """Return characters as JSON escapes them, so that a line of JSON stays one."""
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    """Say in ASCII what an encoding lacks; bytes that were no UTF-8 when they came in go out as they were."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char = error.object[error.start]
    if "\udc80" <= char <= "\udcff":
        return bytes([ord(char) - 0xDC00]), error.start + 1
    plain = char.translate(_PLAIN)
    return plain if plain.isascii() else _escaped(char), error.start + 1


codecs.register_error(_ERRORS, _plainly)
