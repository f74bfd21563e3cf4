"""Reading a prompt and its text back out of a message that shows them: the inverse of :mod:`plugins.gpt2.display`.

Buttons live on messages, and prompts are stored nowhere else: what a button needs, its message tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from plugins.gpt2.display import CUT, SHOWN_OF_LONG_PROMPT, SMALL_PRINT, WAITING
from townhall_bot.replies.live import NO_TEXT

_BOLD = re.compile(r"\\.|\*\*")
_ESCAPED = re.compile(r"(?P<link>https?://\S+)|\\(?P<char>.)", re.DOTALL)
GAP = "\u200b"
"""What :func:`townhall_bot.replies.disarm.disarm` breaks links and invites with."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a message shows. ``cut`` says that of a long prompt only the end is there."""

    prompt: str
    text: str
    cut: bool = False

    @property
    def whole(self) -> str:
        """Prompt and text as one piece."""
        return self.prompt + self.text


def read(content: str) -> Shown:
    """Return what an answer's first message shows; nothing where it still says that it waits."""
    lines = content.split("\n")
    while lines and lines[-1].startswith(SMALL_PRINT):
        lines.pop()
    if not lines or lines[0].startswith(WAITING) or (len(lines) == 1 and lines[0] in NO_TEXT):
        return Shown("", "")
    prompt: list[str] = []
    rest = lines
    for number, line in enumerate(lines):
        if line.startswith("**") and (end := _closing(line)) is not None:
            prompt += [""] * (number - len(prompt))  # blank lines between its paragraphs
            prompt.append(plain(line[2:end]))
            behind = line[end + 2 :]
            rest = [behind, *lines[number + 1 :]]
            if behind.strip():
                break
        elif line.strip():
            break
    bare = "\n".join(prompt)
    cut = bare.startswith(CUT) and len(bare) > SHOWN_OF_LONG_PROMPT // 2  # a short one was written so
    return Shown(bare.removeprefix(CUT) if cut else bare, plain("\n".join(rest)), cut)


def plain(text: str) -> str:
    """Return text as it was before :func:`plugins.gpt2.display.verbatim` and ``disarm`` made it safe to show."""
    return _ESCAPED.sub(lambda match: match.group("link") or match.group("char"), text.replace(GAP, ""))


def _closing(line: str) -> int | None:
    """Return where the bold part of ``line``, which begins with asterisks, ends."""
    found = (match.start() for match in _BOLD.finditer(line, 2) if match.group() == "**")
    return next(found, None)
