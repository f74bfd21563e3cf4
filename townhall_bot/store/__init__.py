"""What the bot must not forget, in one SQLite file. The only package that speaks SQL."""

from townhall_bot.store.database import Store
from townhall_bot.store.entries import Entries, Entry
from townhall_bot.store.guild_settings import AuditEntry, GuildSettings
from townhall_bot.store.records import Record, Records
from townhall_bot.store.schema import MIGRATIONS, StoreError, database_in
from townhall_bot.store.sums import HourSum, Spread, joined

__all__ = [
    "MIGRATIONS",
    "AuditEntry",
    "Entries",
    "Entry",
    "GuildSettings",
    "HourSum",
    "Record",
    "Records",
    "Spread",
    "Store",
    "StoreError",
    "database_in",
    "joined",
]
