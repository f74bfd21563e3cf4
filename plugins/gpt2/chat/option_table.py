"""The options of ``/gpt2``: a new one is a row here and its texts in ``locale``, and nothing else.

A row gives the command its parameter, with bounds and description (text ``gpt2.<name>``); the form behind *Edit…* its
field; the measurements below a text what was set; and the ids of buttons a letter, so that it outlives a restart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from plugins.gpt2.formatting import number
from plugins.gpt2.guild_rules import GuildRules
from plugins.gpt2.protocol import BOUNDS, COUNT_BOUNDS, ENDINGS, VARIANT_BOUNDS, Bounds, SamplingParams
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.i18n import Words

Value = int | float
"""What an option holds; a bool is an int, and one of several choices its number."""
Default = Callable[[GuildRules, SamplingParams], Value | None]
"""Returns what holds where a member gives nothing, by the server's rules and the host's defaults."""

MAX_OPTIONS = 24
"""Discord's 25, less the prompt."""
MAX_FIELDS = 4
"""A form's 5, less the prompt's."""
DECIMALS = 3
"""Of a real number, as ids and forms hold it."""
_NUMBERS = {int: re.compile(r"\d+"), float: re.compile(r"\d+(?:\.\d+)?")}


@dataclass(frozen=True, slots=True)
class Option:
    """One option besides the prompt."""

    name: str
    """As members type it, in every language. What :class:`SamplingParams` has under the same name, it sets."""
    kind: type[int] | type[float] | type[bool]
    bounds: Bounds
    """On any host. The service refuses what is beyond them, wherever it came from."""
    code: str | None
    """A capital letter that means this option in the ids of buttons for ever; None where buttons do not keep it."""
    default: Default
    bounds_here: Callable[[GPT2Settings], Bounds] | None = None
    """The host's own bounds, where a setting narrows them."""
    edited: bool = False
    """Whether the form has it, labelled with the text ``form.<name>``. What it lacks stays as it was."""
    choices: tuple[str, ...] = ()
    """What there is to choose from, as it is typed, where it is no number; each has the text ``gpt2.choice.<name>``."""
    shown: str | None = None
    """The text (of ``name`` and ``value``) by which the line of measurements tells it where it is not the default."""

    def within(self, settings: GPT2Settings) -> Bounds:
        """Return the bounds on this host."""
        return self.bounds if self.bounds_here is None else self.bounds_here(settings)

    def read(self, typed: str) -> Value | None:
        """Return what a person typed as a value, None where it is none."""
        if self.choices:
            given = typed.casefold()
            return self.choices.index(given) if given in self.choices else None
        typed = typed.replace(",", ".")
        return self.kind(typed) if _NUMBERS[self.kind].fullmatch(typed) else None

    def write(self, value: Value | None, words: Words) -> str:
        """Return a value as :meth:`read` reads it, nothing for None."""
        if value is None:
            return ""
        if self.choices:
            return self.choices[int(value)]
        return words("form.value", value=number(self.of_steps(self.to_steps(value))))

    @property
    def characters(self) -> int:
        """How many a person may type: those of the longest value."""
        if self.choices:
            return max(map(len, self.choices))
        return len(f"{self.bounds.high:.{DECIMALS if self.kind is float else 0}f}")

    def to_steps(self, value: Value) -> int:
        """Return a value as a whole number, real ones in thousandths (:data:`DECIMALS`)."""
        return round(value * 10**DECIMALS) if self.kind is float else int(value)

    def of_steps(self, steps: int) -> Value:
        """Return the value of which :meth:`to_steps` is ``steps``."""
        return steps / 10**DECIMALS if self.kind is float else self.kind(steps)


class OptionTable:
    """Rows that fit together, in the order that people see. Raises :class:`ValueError` for those that do not."""

    def __init__(self, *rows: Option) -> None:
        self.rows = rows
        self.by_name = {row.name: row for row in rows}
        self.by_code = {row.code: row for row in rows if row.code is not None}
        coded = [row.code for row in rows if row.code is not None]
        if len(self.by_name) < len(rows) or len(self.by_code) < len(coded):
            raise ValueError("two options have the same name or code")
        if not all(len(code) == 1 and "A" <= code <= "Z" for code in coded):
            raise ValueError("an option's code is one capital letter")
        if any(row.bounds.low < 0 for row in self.by_code.values()):
            raise ValueError("the ids of buttons hold no negative numbers")
        if len(rows) > MAX_OPTIONS:
            raise ValueError(
                f"a command of Discord's has a prompt and {MAX_OPTIONS} more options at most, not {len(rows)}"
            )
        if len(self.edited) > MAX_FIELDS:
            raise ValueError(
                f"a form of Discord's has a prompt and {MAX_FIELDS} more fields at most, not {len(self.edited)}: "
                "choose which options it shows; the others stay as they were"
            )
        if any(row.kind is bool for row in self.edited):
            raise ValueError("the form has fields for numbers only")

    def __iter__(self) -> Iterator[Option]:
        return iter(self.rows)

    @property
    def edited(self) -> tuple[Option, ...]:
        """The options that the form has a field for."""
        return tuple(row for row in self.rows if row.edited)


def _sampling(name: str, kind: type[int] | type[float], code: str, *, shown: str | None = None) -> Option:
    """Return the row of a field of :class:`SamplingParams`, whose default is the host's."""
    return Option(name, kind, BOUNDS[name], code, lambda rules, host: getattr(host, name), shown=shown)


OPTIONS = OptionTable(
    Option(
        "count",
        int,
        COUNT_BOUNDS,
        "C",
        lambda rules, host: rules.default_count,
        bounds_here=lambda settings: settings.count_bounds,
        edited=True,
    ),
    Option("temperature", float, BOUNDS["temperature"], "T", lambda rules, host: rules.temperature, edited=True),
    Option("timing", bool, Bounds(0, 1), "S", lambda rules, host: False),
    _sampling("top_k", int, "K"),
    _sampling("top_p", float, "P"),
    Option(  # *Again* draws a new one
        "seed", int, BOUNDS["seed"], None, lambda rules, host: None, edited=True, shown="timing.seed"
    ),
    _sampling("min_p", float, "M", shown="timing.option"),
    _sampling("repetition_penalty", float, "R", shown="timing.option"),
    Option(
        "ending",
        int,
        Bounds(0, len(ENDINGS) - 1),
        "E",
        lambda rules, host: ENDINGS.index(rules.ending),
        edited=True,
        choices=ENDINGS,
    ),
    Option("variants", int, VARIANT_BOUNDS, "V", lambda rules, host: 1),
)
"""Old ones first: people and scripts know the order."""
