"""What the plugin says: names of texts with their values, to be put into words where a person reads them.

The engine and the service do not know who reads, so what they tell (a notice, a line of progress, an error) is a
:class:`Message`. Knows nothing of Discord.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plugins.gpt2.formatting import without_folders
from townhall_bot.i18n import Texts, Words

TEXTS = Texts.beside(__file__)
"""The plugin's texts, in every language of ``locale``."""
ENGLISH = TEXTS.of("en")


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence in no language yet; :func:`message` makes one. ``str()`` of it is English: logs, the command line.

    A value may be a :class:`Message` too, a part of the sentence that has words of its own. Of a path, such as the name
    of a model in a folder of the host's, only the last part is said.
    """

    name: str
    values: Mapping[str, object]

    def by(self, words: Words) -> str:
        """Return it in the language of ``words``. Raises KeyError as those do."""
        return words(self.name, **{key: _part(value, words) for key, value in self.values.items()})

    def __str__(self) -> str:
        return self.by(ENGLISH)


def _part(value: object, words: Words) -> object:
    if isinstance(value, Message):
        return value.by(words)
    return without_folders(value) if isinstance(value, str) else value


def message(name: str, /, **values: object) -> Message:
    """Return the text of that name with these values, to be said in whatever language is needed."""
    return Message(name, values)
