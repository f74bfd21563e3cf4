"""The bot on a Discord: a broken plugin is alone in its trouble, settled commands are told of, a stop is clean."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands

from plugins.ping.plugin import PingPlugin
from townhall_bot.bot import Townhall
from townhall_bot.lifecycle import serve_until_stopped
from townhall_bot.loopback import CommandRefused, LoopbackDiscord, Person
from townhall_bot.plugins import Health, Plugin, PluginContext
from townhall_bot.plugins.registry import FAILURE_KEY, UNWELL_KEY
from townhall_bot.settings import Settings
from townhall_bot.store import Store, StoreError
from townhall_bot.testkit import StartTownhall

PluginDoing = Callable[..., type[Plugin]]


async def nothing(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("Nothing happened.")


class Fine(Plugin):
    name = "broken"

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        return (app_commands.Command(name="broken", description="Is it?", callback=nothing),)


class FailsToConstruct(Fine):
    def __init__(self, context: PluginContext) -> None:
        raise RuntimeError("at construction")


class FailsToTellCommands(Fine):
    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        raise RuntimeError("at commands")


class TellsNoCommands(Fine):
    def commands(self) -> Any:
        return ["/broken"]


class FailsToStart(Fine):
    async def start(self) -> None:
        raise RuntimeError("at start")


class FailsWithItsButtons(Fine):
    def dynamic_items(self) -> Sequence[type[discord.ui.DynamicItem[Any]]]:
        raise RuntimeError("at buttons")


class HasACommandDiscordRefuses(Fine):
    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        return (app_commands.Command(name="broken", description="", callback=nothing),)


BROKEN = [
    FailsToConstruct,
    FailsToTellCommands,
    TellsNoCommands,
    FailsToStart,
    FailsWithItsButtons,
    HasACommandDiscordRefuses,
]


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_broken_plugin_leaves_the_others_working(
    broken: type[Plugin], start_townhall: StartTownhall, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start_townhall(broken, PingPlugin)
    assert not running.bot.plugins["broken"].running
    turn = await ada.type("/ping")
    assert await running.settled(turn) is None
    assert "Pong" in turn.text
    assert "plugin broken failed at" in caplog.text
    kept = await running.bot.store.get_value(FAILURE_KEY + "broken")
    assert kept == running.bot.plugins["broken"].failure


async def test_a_running_plugin_that_is_not_well_is_told_of_until_it_is(
    start_townhall: StartTownhall, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    class Moody(Fine):
        mood: Health | None = Health(True, "fine")

        async def health(self) -> Health:
            if self.mood is None:
                raise RuntimeError("do not ask")
            return self.mood

    caplog.set_level("INFO", "townhall")
    bot = (await start_townhall(Moody)).bot
    loaded = bot.plugins["broken"]
    assert isinstance(loaded.plugin, Moody)
    for mood, kept in [
        (Health(False, "tired"), "tired"),
        (None, "health() failed: RuntimeError: do not ask"),
        (Health(True, "fine"), None),
    ]:
        loaded.plugin.mood = mood
        await bot.plugins.look_after(loaded)
        assert await bot.store.get_value(UNWELL_KEY + "broken") == kept
    assert "plugin broken is not well: tired" in caplog.text
    assert "plugin broken is well again" in caplog.text
    turn = await ada.type("/broken")
    await turn.until(lambda turn: turn.text == "Nothing happened.", 5)


async def test_the_commands_of_a_plugin_that_does_not_run_are_not_offered(
    start_townhall: StartTownhall, ada: Person
) -> None:
    await start_townhall(FailsToStart, PingPlugin)
    with pytest.raises(CommandRefused, match="no command /broken"):
        await ada.type("/broken")


async def test_a_plugin_that_was_repaired_is_well_at_the_next_start(start_townhall: StartTownhall, ada: Person) -> None:
    await (await start_townhall(FailsToStart)).stop()
    running = await start_townhall(Fine)
    assert await running.bot.store.get_value(FAILURE_KEY + "broken") is None
    turn = await ada.type("/broken")
    await running.settled(turn)
    assert turn.text == "Nothing happened."


async def test_a_failing_command_is_answered_and_the_next_one_works(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, ada: Person
) -> None:
    async def fail(interaction: discord.Interaction) -> None:
        raise RuntimeError("inside")

    running = await start_townhall(plugin_doing(fail), PingPlugin)
    failed = await ada.type("/act")
    assert isinstance(await running.settled(failed), RuntimeError)
    assert "Something went wrong" in failed.text
    assert await running.settled(await ada.type("/ping")) is None


async def test_nothing_the_bot_sends_mentions_anyone(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, ada: Person, ben: Person
) -> None:
    async def shout(interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"@everyone <@{ben.id}>")
        await interaction.edit_original_response(content=f"@here <@{ben.id}>")
        await interaction.followup.send(f"@everyone <@{ben.id}>")
        assert isinstance(interaction.channel, discord.abc.Messageable)
        await interaction.channel.send(f"@everyone <@{ben.id}>")

    running = await start_townhall(plugin_doing(shout))
    turn = await ada.type("/act")
    assert await running.settled(turn) is None
    assert len(turn.channel.messages) == 3
    for message in turn.channel.messages:
        assert not message.pings_everyone
        assert message.pings == []


@pytest.mark.parametrize("hears", [True, False])
async def test_it_asks_for_nothing_that_is_privileged(start_townhall: StartTownhall, hears: bool) -> None:
    intents = (await start_townhall(settings={"TOWNHALL_HEAR_MESSAGES": str(hears)})).bot.intents
    asked_for = {name for name, wanted in intents if wanted}
    assert asked_for == ({"guilds", "guild_messages", "dm_messages"} if hears else {"guilds"})


class Echo(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=r"echo:(?P<word>\w+)"):
    def __init__(self, word: str) -> None:
        super().__init__(discord.ui.Button(label="Echo", custom_id=f"echo:{word}"))
        self.word = word

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: Any, match: Any, /) -> "Echo":
        return cls(match["word"])

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"{self.word}!")


async def test_a_button_works_after_a_restart(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, ada: Person
) -> None:
    async def offer(interaction: discord.Interaction) -> None:
        view = discord.ui.View(timeout=None)
        view.add_item(Echo("hello"))
        await interaction.response.send_message("Press.", view=view)

    class WithButton(plugin_doing(offer)):  # type: ignore[misc] # a class made by a function
        def dynamic_items(self) -> Sequence[type[discord.ui.DynamicItem[Any]]]:
            return (Echo,)

    running = await start_townhall(WithButton)
    turn = await ada.type("/act")
    await running.settled(turn)
    await running.stop()
    await start_townhall(WithButton)
    pressed = await ada.press(turn.message, "Echo")
    await pressed.acknowledged()
    assert pressed.text == "hello!"


async def test_a_stop_stops_plugins_while_discord_still_listens_and_closes_the_store(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, ada: Person
) -> None:
    begun = asyncio.Event()
    told: list[str] = []

    async def wait(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("Working.")
        begun.set()

    class Polite(plugin_doing(wait)):  # type: ignore[misc] # a class made by a function
        async def stop(self) -> None:
            channel = next(iter(self.context.client.guilds[0].text_channels))
            await channel.send("Good night.")
            told.append("stopped")

    running = await start_townhall(Polite)
    turn = await ada.type("/act")
    await begun.wait()
    await running.stop()
    assert told == ["stopped"]
    assert turn.channel.messages[-1].content == "Good night."
    with pytest.raises(StoreError):
        await running.bot.store.get_value("anything")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_the_bot_cleanly(
    number: signal.Signals, discord_server: LoopbackDiscord, tmp_path: Path
) -> None:
    store = Store.open(tmp_path / "townhall.db")
    bot = Townhall(Settings(data_dir=tmp_path), store, [PingPlugin], guild_ready_timeout=0.02)
    running = asyncio.create_task(serve_until_stopped(bot, discord_server.token))
    await bot.started.wait()
    os.kill(os.getpid(), number)
    await running
    assert bot.is_closed()
    assert not bot.plugins["ping"].running


async def test_a_wrong_token_is_told_and_everything_is_let_go(discord_server: LoopbackDiscord, tmp_path: Path) -> None:
    bot = Townhall(Settings(data_dir=tmp_path), Store.open(tmp_path / "townhall.db"), [PingPlugin])
    with pytest.raises(discord.LoginFailure):
        await serve_until_stopped(bot, "not the token")
    assert bot.is_closed()
    await Store.open(tmp_path / "townhall.db").close()


async def test_after_a_lost_gateway_session_commands_still_work_and_nothing_starts_twice(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    running = await start_townhall(PingPlugin)
    resumed = asyncio.create_task(running.bot.wait_for("resumed", timeout=20))
    await discord_server.faults.ask_to_reconnect()
    await resumed
    turn = await ada.type("/ping")
    assert await running.settled(turn) is None
    assert sum(request.method == "PUT" for request in discord_server.requests) == 1
