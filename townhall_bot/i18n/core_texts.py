"""What the core itself says, in every language of ``townhall_bot/i18n/locale``."""

from townhall_bot.i18n import Texts

TEXTS = Texts.beside(__file__)
