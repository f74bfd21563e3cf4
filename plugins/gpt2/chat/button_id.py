"""The ids of the buttons below a text, which hold what a button needs so that it outlives a restart.

An id reads ``gpt2:<action>:<asker>:<number>:<options>``. The number is the request's while the text grows; below a
finished text it is that of the message that begins it, 0 where this is the buttons' own; of *Pick*, the text's number.
Ids on messages are for ever:
every version that was ever written is read. Of the options there are two:

1. ``60,0.8,0,0.95,1``: count, temperature, top_k, top_p, timing. Written until there were more.
2. ``2.C1oTm8S1K0Pqe``: the letter of each option in the table and its value in base 36. A new option is a new letter
   and no new version; ids without it mean its default.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from plugins.gpt2.chat import option_table
from plugins.gpt2.chat.generation_options import GenerationOptions
from plugins.gpt2.chat.option_table import OptionTable, Value

LIMIT = 100
"""Characters that Discord takes as an id."""
ACTIONS = ("pick", "stop", "again", "continue", "edit", "delete")
TEMPLATE = re.compile(
    rf"gpt2:(?P<action>{'|'.join(ACTIONS)}):(?P<asker>\d{{1,20}}):(?P<number>\d{{1,20}}):(?P<options>[!-~]+)"
)
"""Of every version, those to come too: so that whoever presses can be told what is wrong."""

_VERSION_1 = re.compile(r"(\d{1,4}),(\d(?:\.\d{1,3})?),(\d{1,5}),(\d(?:\.\d{1,3})?),([01])")
_VERSION_2 = re.compile(r"2\.((?:[A-Z][0-9a-z]{1,11})*)")
_OPTION = re.compile(r"([A-Z])([0-9a-z]+)")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class UnknownVersion(ValueError):
    """The options of an id cannot be read: a newer version of the bot wrote it."""


@dataclass(frozen=True, slots=True)
class ButtonId:
    """What an id says. The options are left packed: *Stop* and *Delete* do without them, whichever version they are."""

    action: str
    asker: int
    number: int
    packed: str

    @classmethod
    def of(cls, match: re.Match[str]) -> ButtonId:
        """Return what an id says that matches :data:`TEMPLATE`."""
        return cls(match["action"], int(match["asker"]), int(match["number"]), match["options"])

    def __str__(self) -> str:
        return f"gpt2:{self.action}:{self.asker}:{self.number}:{self.packed}"


def pack(options: GenerationOptions) -> str:
    """Return the options that buttons keep, in the newest version."""
    kept = ((row, options.values.get(row.name)) for row in option_table.OPTIONS if row.code is not None)
    return "2." + "".join(f"{row.code}{_base36(row.to_steps(value))}" for row, value in kept if value is not None)


def unpack(packed: str) -> GenerationOptions:
    """Return what :func:`pack` packed, now or in an older version. Raises :class:`UnknownVersion`.

    The id came back from a client: bounds are checked where the options are used.
    """
    if old := _VERSION_1.fullmatch(packed):
        count, temperature, top_k, top_p, timing = old.groups()
        return GenerationOptions(
            {
                "count": int(count),
                "temperature": float(temperature),
                "timing": timing == "1",
                "top_k": int(top_k),
                "top_p": float(top_p),
            }
        )
    values: dict[str, Value] = {}
    if (found := _VERSION_2.fullmatch(packed)) is None:
        raise UnknownVersion(packed)
    for code, digits in _OPTION.findall(found[1]):
        if (row := option_table.OPTIONS.by_code.get(code)) is None:
            raise UnknownVersion(packed)
        values[row.name] = row.of_steps(int(digits, 36))
    return GenerationOptions(values)


def check_length(table: OptionTable) -> None:
    """Raise :class:`ValueError` where the longest id with these options would be more than Discord takes."""
    longest = len(str(ButtonId(max(ACTIONS, key=len), 10**20 - 1, 10**20 - 1, "2.")))
    longest += sum(1 + len(_base36(row.to_steps(row.bounds.high))) for row in table.by_code.values())
    if longest > LIMIT:
        raise ValueError(f"the ids of buttons would have up to {longest} characters; Discord takes {LIMIT}")


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"


check_length(option_table.OPTIONS)
