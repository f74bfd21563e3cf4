"""A second bot with the same token, as on a laptop beside the server: named once, without a traceback each time."""

import logging
from pathlib import Path

import pytest
from pydantic import SecretStr

from plugins.ping.plugin import PingPlugin
from townhall_bot.bot import Townhall
from townhall_bot.lifecycle import running
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.settings import Settings, load_settings
from townhall_bot.store import Store
from townhall_bot.testkit import StartTownhall


async def test_the_log_says_once_that_another_process_answers(
    start_townhall: StartTownhall,
    ada: Person,
    discord_server: LoopbackDiscord,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    townhall = await start_townhall(PingPlugin)
    other = tmp_path / "other"
    other.mkdir()
    settings = load_settings(Settings, env_file=None).model_copy(
        update={"token": SecretStr(discord_server.token), "data_dir": other}
    )
    second = Townhall(
        settings, Store.open(other / "townhall.db"), [PingPlugin], env_file=None, guild_ready_timeout=0.05
    )
    async with running(second, discord_server.token, within_s=20):
        for _ in range(4):
            turn = await ada.type("/ping")
            await townhall.settled(turn)
            assert turn.text.startswith("Pong.")
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert 1 <= len([each for each in warned if "another process runs with the same token" in each.getMessage()]) <= 2
    assert not [record for record in caplog.records if record.exc_info]
    assert not [each for each in warned if "same token" not in each.getMessage()]
