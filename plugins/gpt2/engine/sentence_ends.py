"""Where sentences end, in scripts with and without spaces between their words.

By rules and not by a model: a text has to end at the same place each time. In doubt a full stop is no end, as after
"Dr." or in "3.5": a text that goes on a little is better than one that ends in the middle.
"""

from __future__ import annotations

import re
import unicodedata

_WINDOW = 1000
"""Characters at the end of a text that are looked at."""
_SPACED = ".!?…"
"""What ends a sentence where white space follows."""
_CLOSED = "。！？｡．‼⁇⁈⁉।॥؟۔։።፧။៕។"
"""What ends one whatever follows: of Chinese, Japanese, Hindi, Arabic, Urdu, Armenian, Amharic, Burmese, Khmer."""
_CLOSERS = "\"'”’»›)\\]}」』】）〉》“‘*_"
_OPENERS = " \t\"'“‘„‚«‹»([{「『¿¡*_"
_END = re.compile(rf"(?:[{_SPACED}]+|[{_CLOSED}]+)[{_CLOSERS}]*")
_PARAGRAPH = re.compile(r"\S(?=[ \t]*\n[ \t]*\n)")
_WORD = re.compile(r"[\w.]+$")
_ABBREVIATIONS = re.compile(
    "mr|mrs|ms|dr|prof|st|sr|jr|rev|hon|gen|col|sgt|capt|lt|gov|sen|rep|vs|cf|viz|no|vol|fig|pp|ed|approx|dept|est|"
    "hr|fr|frl|nr|bd|bzw|ca|vgl|evtl|ggf|inkl|usf|sog|str|tel|mme|mlle|sra|srta|av",
    re.IGNORECASE,
)


def last_end(text: str, *, final: bool = False) -> int | None:
    """Return the index behind the last sentence that ends in ``text``; None where none does.

    What stands behind an end decides whether it is one. With ``final`` nothing comes any more, and an end at the very
    end of ``text`` counts.
    """
    start = max(0, len(text) - _WINDOW)
    ends = [found.end() for found in _END.finditer(text, start) if _is_end(text, found, final)]
    ends += [found.end() for found in _PARAGRAPH.finditer(text, start)]
    return max(ends, default=None)


def _is_end(text: str, found: re.Match[str], final: bool) -> bool:
    behind = text[found.end() :]
    if not behind:
        return final and not _is_short(text, found)
    if found[0][0] in _CLOSED:
        return True
    if not behind[0].isspace():  # "3.5", "a.b"; Chinese with an English mark needs no space
        return unicodedata.category(behind[0]) == "Lo" and not _is_short(text, found)
    rest = behind.lstrip()
    gap = behind[: len(behind) - len(rest)]
    if _is_short(text, found):
        return False
    if "\n" in gap:
        return True
    next_char = rest.lstrip(_OPENERS)[:1]
    return not next_char.islower() if next_char else final


def _is_short(text: str, found: re.Match[str]) -> bool:
    """Tell whether a full stop is that of an abbreviation, an initial or an ordinal."""
    if found[0] != ".":
        return False
    word = _WORD.search(text, max(0, found.start() - 40), found.start())
    if word is None:
        return False
    bare = word[0]
    if bare.isdigit():
        return len(bare) < 3
    inner = "." in bare and any(char.isalpha() for char in bare)
    return inner or _ABBREVIATIONS.fullmatch(bare) is not None or (len(bare) == 1 and bare.isalpha() and bare != "I")
