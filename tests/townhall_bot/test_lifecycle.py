"""A bot that serves for a block of code: there when the block begins, gone after it, whatever happens in between."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands

from plugins.ping.plugin import PingPlugin
from townhall_bot.bot import Townhall
from townhall_bot.lifecycle import running
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.plugins import Plugin
from townhall_bot.plugins.outcomes import Outcomes
from townhall_bot.settings import Settings
from townhall_bot.store import Store


class Slow(Plugin):
    name = "slow"

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        return ()

    async def start(self) -> None:
        await asyncio.Event().wait()


def bot_with(plugin: type[Plugin], folder: Path) -> Townhall:
    return Townhall(Settings(data_dir=folder), Store.open(folder / "townhall.db"), [plugin], guild_ready_timeout=0.02)


async def test_it_answers_within_the_block_and_is_gone_after_an_error_in_it(
    discord_server: LoopbackDiscord, ada: Person, tmp_path: Path
) -> None:
    bot = bot_with(PingPlugin, tmp_path)

    async def serve() -> None:
        async with running(bot, discord_server.token):
            outcomes = Outcomes(bot)
            turn = await ada.type("/ping")
            assert await outcomes.of(turn) is None
            assert "Pong" in turn.text
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await serve()
    assert bot.is_closed()


async def test_what_keeps_it_from_starting_is_raised(discord_server: LoopbackDiscord, tmp_path: Path) -> None:
    bot = bot_with(PingPlugin, tmp_path)
    with pytest.raises(discord.LoginFailure):
        async with running(bot, "not the token"):
            pytest.fail("it cannot serve")
    assert bot.is_closed()


async def test_one_that_is_not_ready_in_time_is_given_up(discord_server: LoopbackDiscord, tmp_path: Path) -> None:
    bot = bot_with(Slow, tmp_path)
    with pytest.raises(TimeoutError, match=r"the bot was not ready after 0\.05 s"):
        async with running(bot, discord_server.token, within_s=0.05):
            pytest.fail("it cannot serve")
    assert bot.is_closed()
