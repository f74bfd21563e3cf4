"""What people read, in every language that somebody brought, and how Discord is told of it."""

from townhall_bot.i18n.texts import NO_TEXTS, Texts, TextsError, Words

__all__ = ["NO_TEXTS", "Texts", "TextsError", "Words"]
