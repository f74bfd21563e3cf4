"""What the core itself says, in every language of ``townhall_bot/locale``."""

from townhall_bot.texts import Texts

TEXTS = Texts.beside(__file__)
