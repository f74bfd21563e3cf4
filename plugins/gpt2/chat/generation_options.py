"""How a text is to be written: the values that a member chose, and what holds where none was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from plugins.gpt2.chat import option_table
from plugins.gpt2.chat.option_table import Value
from plugins.gpt2.formatting import number
from plugins.gpt2.guild_rules import GuildRules
from plugins.gpt2.protocol import ENDINGS, Ending, SamplingParams
from townhall_bot.i18n import Words

SAMPLING = frozenset(each.name for each in fields(SamplingParams))


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """Values by option's name. What is missing was not chosen, or is an option that an older button did not know."""

    values: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def chosen(cls, given: Mapping[str, Value | None]) -> GenerationOptions:
        """Return what was given to the command; None stands for nothing."""
        rows = option_table.OPTIONS.by_name
        return cls({name: rows[name].kind(value) for name, value in given.items() if value is not None})

    @classmethod
    def defaults(cls, rules: GuildRules, host: SamplingParams) -> GenerationOptions:
        """Return what holds where a member chooses nothing."""
        return cls.chosen({row.name: row.default(rules, host) for row in option_table.OPTIONS})

    def __or__(self, other: GenerationOptions) -> GenerationOptions:
        return GenerationOptions({**self.values, **other.values})

    @property
    def count(self) -> int:
        """The most new tokens. Raises KeyError where it is missing."""
        return int(self.values["count"])

    @property
    def ending(self) -> Ending:
        """Where the text ends; an older button's ends right at its count."""
        return ENDINGS[min(int(self.values.get("ending", 1)), len(ENDINGS) - 1)]

    @property
    def variants(self) -> int:
        """How many texts to choose from."""
        return int(self.values.get("variants", 1))

    @property
    def timing(self) -> bool:
        """Whether to show what was measured."""
        return bool(self.values.get("timing"))

    def sampling(self, host: SamplingParams) -> SamplingParams:
        """Return the sampling to use; what no option sets comes from ``host``."""
        chosen: dict[str, Any] = {name: value for name, value in self.values.items() if name in SAMPLING}
        return replace(host, **chosen)

    def described(self, words: Words, defaults: GenerationOptions) -> list[str]:
        """Return the options that are shown below a text, as far as they differ from ``defaults``."""
        return [
            words(row.shown, name=row.name, value=number(self.values[row.name]))
            for row in option_table.OPTIONS
            if row.shown is not None and self.values.get(row.name) != defaults.values.get(row.name)
        ]
