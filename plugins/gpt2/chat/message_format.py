"""What a member sees of a text, and the same read back: prompt and continuation as one piece, small print below.

Buttons live on messages, and prompts are stored nowhere else: :func:`parse` reads from a message what a button needs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from plugins.gpt2.formatting import duration, rate, seconds, without_folders
from plugins.gpt2.messages import Message
from plugins.gpt2.protocol import FinishReason, Timing
from townhall_bot.i18n import Words
from townhall_bot.replies.live import NO_TEXT

_MARKUP = re.compile(
    r"(?P<link>https?://\S+)"  # a backslash would become part of the address
    r"|[\\*_~|`]"
    r"|<(?=[@#:/a-z])"  # mentions, emoji, timestamps
    r"|\[(?=[^\]\n]*\]\()"  # masked links
    r"|^[ \t]*(?:>|#{1,3}(?=\s)|[-+](?=[#\s]))"  # quotes, headings, lists, small print
    r"|^[ \t]*\d+(?=[.)]\s)",  # numbered lists
    re.MULTILINE,
)
_BROKEN_WORD = re.compile(r"\S{0,60}\s+")

SMALL_PRINT = "-# "
WAITING = "⏳ "
CUT = "… "
BEFORE = "↪ "
"""Begins what goes on from an earlier text, which is not shown again."""
LONG_PROMPT = 600
SHOWN_OF_LONG_PROMPT = 400
"""Characters: who pasted pages knows them, and the channel wants to see the text."""

CUT_OFF = "\u2060…"
"""Stands behind a text that breaks off in a sentence; a word joiner, which is not seen, tells it from a text's own."""

_BOLD = re.compile(r"\\.|\*\*")
_ESCAPED = re.compile(r"(?P<link>https?://\S+)|\\(?P<char>.)", re.DOTALL)
GAP = "\u200b"
"""What :func:`townhall_bot.replies.sanitize.sanitize` breaks links and invites with."""

_SAID_REASONS = ("context", "end_of_text", "cancelled")
"""The ends that are not the one asked for: they are told."""


def verbatim(text: str) -> str:
    """Return ``text`` so that Discord shows it as it is, without reading any markdown into it."""

    def escape(match: re.Match[str]) -> str:
        found = match.group()
        if match.group("link"):
            return found
        if found[-1].isdigit():  # "1." is a list; "1\." is not
            return f"{found}\\"
        return f"{found[:-1]}\\{found[-1]}" if found[-1] != "#" else found.replace("#", "\\#", 1)

    return _MARKUP.sub(escape, text)


def is_long(prompt: str) -> bool:
    """Tell whether only the end of ``prompt`` is shown."""
    return len(prompt.strip()) > LONG_PROMPT


def render(prompt: str, text: str, *, goes_on: bool = False, whole: bool = False) -> str:
    """Return the prompt in bold (of a long one the end), and what follows it; marked where it ``goes_on`` from more.

    ``whole`` shows all of a long prompt.
    """
    if goes_on:
        return BEFORE + render(prompt, text).lstrip()
    bare = prompt.strip()
    if not bare:
        return verbatim(text)
    if is_long(bare) and not whole:
        end = bare[-SHOWN_OF_LONG_PROMPT:]
        broken = _BROKEN_WORD.match(end)  # not every language has spaces between its words
        bare = CUT + end[broken.end() if broken else 0 :]
    # Discord does not embolden across a paragraph's end, nor next to white space inside the asterisks.
    lines = [f"**{verbatim(line.strip())}**" if line.strip() else "" for line in bare.split("\n")]
    gap = prompt[len(prompt.rstrip()) :]
    return "\n".join(lines) + gap + verbatim(text)


def is_visible(text: str) -> bool:
    """Tell whether there is anything to see in ``text``: not white space, control characters or marks alone."""
    return any(unicodedata.category(char)[0] not in "ZCM" for char in text)


def waiting(words: Words, ahead: int, wait_s: float | None, loading: Message | None) -> str:
    """Return the line that stands where the text will be: the place, the wait, or how far the model's loading is."""
    if loading is not None:
        return f"{WAITING}{verbatim(loading.by(words))}"
    wait = None if wait_s is None else duration(wait_s)
    if ahead == 0:
        return WAITING + (words("answer.next") if wait is None else words("answer.next_in", wait=wait))
    if wait is None:
        return WAITING + words("answer.ahead", count=ahead)
    return WAITING + words("answer.ahead_for", count=ahead, wait=wait)


def ending(
    words: Words, reason: FinishReason, notices: Iterable[Message], timing: Timing | None, used: Iterable[str] = ()
) -> str:
    """Return the small print of a finished text: what was adjusted, why it ended, what was measured and ``used``.

    ``used`` are the options that go with the measurements, in words.
    """
    lines = [notice.by(words) for notice in notices]
    if reason in _SAID_REASONS:
        lines.append(words(f"answer.{reason}"))
    if timing is not None:
        lines.append(measured(words, timing, used))
    return "\n".join(lines)


def measured(words: Words, timing: Timing, used: Iterable[str] = ()) -> str:
    """Return what was measured and ``used``, in one line."""
    parts = [
        words("timing.queue", time=seconds(timing.queue_ms)),
        words("timing.first", time=seconds(timing.first_token_ms)),
    ]
    if timing.prefill_tok_s is not None:
        parts.append(words("timing.prefill", rate=rate(timing.prefill_tok_s)))
    if timing.decode_tok_s is not None:
        parts.append(words("timing.decode", rate=rate(timing.decode_tok_s)))
    total = seconds(timing.total_ms)
    parts.append(words("timing.tokens", prompt=timing.prompt_tokens, new=timing.new_tokens, time=total))
    parts += used
    model = {"model": without_folders(timing.model), "device": timing.device, "dtype": timing.dtype}
    parts.append(words("timing.model", **model) if timing.device else without_folders(timing.model))
    return " · ".join(parts)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a message shows. ``cut`` says that of a long prompt only the end is there.

    ``goes_on`` says that an earlier text stands before the prompt, in another message.
    """

    prompt: str
    text: str
    cut: bool = False
    goes_on: bool = False

    @property
    def whole(self) -> str:
        """Prompt and text as one piece."""
        return self.prompt + self.text


def parse(content: str) -> Shown:
    """Return what an answer's first message shows; nothing where it still says that it waits."""
    lines = content.split("\n")
    while lines and lines[-1].startswith(SMALL_PRINT):
        lines.pop()
    if lines:
        lines[-1] = lines[-1].removesuffix(CUT_OFF)
    if not lines or lines[0].startswith(WAITING) or (len(lines) == 1 and lines[0] in NO_TEXT):
        return Shown("", "")
    if lines[0].startswith(BEFORE):
        rest_of_it = parse("\n".join([lines[0].removeprefix(BEFORE), *lines[1:]]))
        return replace(rest_of_it, cut=True, goes_on=True)
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
    """Return text as it was before :func:`verbatim` and ``sanitize`` made it safe to show."""
    return _ESCAPED.sub(lambda match: match.group("link") or match.group("char"), text.replace(GAP, ""))


def _closing(line: str) -> int | None:
    """Return where the bold part of ``line``, which begins with asterisks, ends."""
    found = (match.start() for match in _BOLD.finditer(line, 2) if match.group() == "**")
    return next(found, None)
