"""How every command, a plugin's too, speaks at a terminal: its exit status, and what it says beside its output.

Standard output is for what was asked for, and may be piped; all else goes to standard error, at once.
"""

from __future__ import annotations

import sys

from townhall_bot.redaction import without_secrets

OK, FAILED, USAGE = 0, 1, 2
INTERRUPTED = 130
"""What a shell reports for a program that Ctrl-C ended."""


def note(text: str, command: str = "") -> None:
    """Tell the host what went wrong, or what to know, by the command's name: ``townhall models: …``.

    Passwords and tokens in it are masked: an error may repeat a setting.
    """
    tell(f"{f'townhall {command}'.rstrip()}: {without_secrets(text)}")


def tell(text: str) -> None:
    """Say on standard error what goes on, as a line of its own."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the command line speaks by printing


def take_any_bytes() -> None:
    """Let what is not in standard input's encoding come in as a replacement character, as tokenizers take it."""
    reconfigure = getattr(sys.stdin, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
