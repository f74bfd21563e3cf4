"""Trying plugins out as the bot would, without serving anybody."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from townhall_bot.bot import Townhall
from townhall_bot.plugins.host import LoadedPlugin
from townhall_bot.settings import Settings
from townhall_bot.store import Store, database_in


async def rehearse(settings: Settings, plugins: Sequence[LoadedPlugin], env_file: str | Path | None) -> None:
    """Create each plugin and ask for its commands, without starting it; what fails is noted on it.

    In a folder for the moment: the bot's own, where it is still to be made, must not become this user's. Raises OSError
    and StoreError where there is no room for that.
    """
    with tempfile.TemporaryDirectory(prefix="townhall-doctor-") as scratch:
        folder = Path(scratch)
        store = Store.open(database_in(folder))
        bot = Townhall(settings.model_copy(update={"data_dir": folder}), store, plugins, env_file=env_file)
        try:
            bot.plugins.construct()
        finally:
            await bot.close()
