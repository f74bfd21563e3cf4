"""``townhall texts``: prints the prompts and texts that are kept, one JSON object a line. The bot may run meanwhile."""

from __future__ import annotations

import argparse
import asyncio
import json

from plugins.gpt2.chat.transcripts import KIND
from townhall_bot.cli.bounded import SNOWFLAKE
from townhall_bot.cli.terminal import tell
from townhall_bot.settings import ENV_FILE, Settings, load_settings
from townhall_bot.store import Entry, Store, database_in


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--server", type=SNOWFLAKE, metavar="ID", help="only those of this server, an id of Discord's")
    parser.add_argument(
        "--member", type=SNOWFLAKE, metavar="ID", help="only those that the member of this id asked for"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print them, oldest first; return the exit status. Raises SettingsError and StoreError."""
    settings = load_settings(Settings, ENV_FILE)
    some = settings.database is not None or database_in(settings.data_dir).exists()
    entries = asyncio.run(_kept(Store.of(settings.database, settings.data_dir), arguments)) if some else []
    for entry in entries:
        facts = {"at": entry.at.isoformat(timespec="seconds"), "server": entry.guild_id, "member": entry.user_id}
        print(json.dumps(facts | entry.values, ensure_ascii=False))
    if not entries:
        tell("No texts are kept. TOWNHALL_GPT2_KEEP_TEXTS_DAYS turns it on.")
    return 0


async def _kept(store: Store, arguments: argparse.Namespace) -> list[Entry]:
    try:
        return await store.entries("gpt2").of(KIND, guild_id=arguments.server, user_id=arguments.member)
    finally:
        await store.close()
