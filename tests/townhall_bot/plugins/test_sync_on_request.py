from __future__ import annotations

from pathlib import Path

from plugins.ping.plugin import PingPlugin
from townhall_bot.bot import Townhall
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.settings import Settings
from townhall_bot.store import Store


async def test_whoever_asks_for_it_gets_unchanged_commands_registered_again(
    discord_server: LoopbackDiscord, tmp_path: Path
) -> None:
    registered = []
    for always in (False, False, True):
        store = Store.open(tmp_path / "townhall.db")
        bot = Townhall(Settings(data_dir=tmp_path), store, [PingPlugin], env_file=None, always_sync=always)
        await bot.login(discord_server.token)
        await bot.close()
        registered.append(sum(request.method == "PUT" for request in discord_server.requests))
    assert registered == [1, 1, 2]
