"""What keeps a person from doing something, in their language: Discord's client says it before it sends anything."""

from __future__ import annotations

from townhall_bot.i18n import Texts, core_texts
from townhall_bot.i18n.permissions import permission

TEXTS = Texts.beside(__file__)


class Permissions(tuple[str, ...]):
    """Permissions, by discord.py's names, as a value of a refusal."""


class CommandRefused(Exception):
    """Discord's client would not send this; the message, which is English, says why, and what it would take.

    ``name`` is a text of ``locale/``. Of its values, tuples become lists, and :class:`Permissions` are called as in
    Discord's settings.
    """

    def __init__(self, name: str, /, **values: object) -> None:
        self._name = name
        self._values = values
        super().__init__(self.told("en"))

    def told(self, locale: str) -> str:
        """Return the reason in a language of Discord's ("de", "en-US")."""
        words, core = TEXTS.of(locale), core_texts.TEXTS.of(locale)

        def shown(value: object) -> object:
            match value:
                case Permissions():
                    return ", ".join(permission(name, core) for name in value)
                case tuple():
                    return ", ".join(map(str, value)) or words("none")
            return value

        return words(self._name, **{key: shown(value) for key, value in self._values.items()})
