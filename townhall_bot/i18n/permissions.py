"""What Discord's settings call a permission, in the language of whoever reads of it."""

from __future__ import annotations

from townhall_bot.i18n import Words


def permission(name: str, words: Words) -> str:
    """Return what Discord calls a permission, by the core's texts; for one that they lack, its name in the API."""
    try:
        return words(f"permission.{name}")
    except KeyError:
        return name.replace("_", " ").replace("guild", "server").title()
