"""SIGTERM: what runs may finish, what is new is refused with a reason, and all of it within bounds."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import discord
import pytest

from plugins.ping.plugin import PingPlugin
from townhall_bot.bot import Townhall
from townhall_bot.lifecycle import serve_until_stopped
from townhall_bot.loopback import LoopbackDiscord, Person, Turn
from townhall_bot.plugins import Plugin
from townhall_bot.settings import Settings
from townhall_bot.store import Store

PluginDoing = Callable[..., type[Plugin]]


class Stage:
    """A bot as `townhall run` runs it, whose /act takes as long as the test wants."""

    def __init__(
        self, server: LoopbackDiscord, folder: Path, plugin_doing: PluginDoing, drain_s: float, guilds_s: float = 0.05
    ) -> None:
        self.begun, self.go_on, self.told = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.finished = asyncio.Event()
        self.notes: list[str] = []
        stage = self

        async def act(interaction: discord.Interaction) -> None:
            await interaction.response.send_message("Working…")
            stage.begun.set()
            await stage.go_on.wait()
            await interaction.edit_original_response(content="Finished.")
            stage.notes.append("finished")
            stage.finished.set()

        class Working(plugin_doing(act)):  # type: ignore[misc] # a class made by a function
            async def drain(self, seconds: float) -> None:
                stage.notes.append(f"asked to drain within {seconds:g} s")
                stage.told.set()
                await stage.finished.wait()

            async def stop(self) -> None:
                stage.notes.append("stopped")

        store = Store.open(folder / "townhall.db")
        settings = Settings(data_dir=folder, drain_s=drain_s)
        self.bot = Townhall(settings, store, [Working, PingPlugin], guild_ready_timeout=guilds_s)
        self.running = asyncio.create_task(serve_until_stopped(self.bot, server.token))

    async def told_to_stop_while_answering(self, person: Person, number: int = signal.SIGTERM) -> Turn:
        """Have a person ask, and send a signal when the answer is being worked on."""
        await self.bot.started.wait()
        turn = await person.type("/act")
        await self.begun.wait()
        os.kill(os.getpid(), number)
        return turn


async def test_a_running_answer_finishes_before_the_bot_stops(
    discord_server: LoopbackDiscord, ada: Person, tmp_path: Path, plugin_doing: PluginDoing
) -> None:
    stage = Stage(discord_server, tmp_path, plugin_doing, drain_s=30)
    turn = await stage.told_to_stop_while_answering(ada)
    await stage.told.wait()
    stage.go_on.set()
    await stage.running
    assert turn.text == "Finished."
    assert stage.notes == ["asked to drain within 30 s", "finished", "stopped"]
    assert stage.bot.is_closed()


@pytest.fixture
def as_at_a_terminal() -> Iterator[None]:
    """The tests themselves may run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("as_at_a_terminal")
async def test_a_terminal_that_closes_is_a_stop_like_any_other(
    discord_server: LoopbackDiscord, ada: Person, tmp_path: Path, plugin_doing: PluginDoing
) -> None:
    stage = Stage(discord_server, tmp_path, plugin_doing, drain_s=30)
    turn = await stage.told_to_stop_while_answering(ada, signal.SIGHUP)
    await stage.told.wait()
    stage.go_on.set()
    await stage.running
    assert turn.text == "Finished."
    assert stage.notes == ["asked to drain within 30 s", "finished", "stopped"]


async def test_under_nohup_a_terminal_that_closes_is_nothing(
    discord_server: LoopbackDiscord, ada: Person, tmp_path: Path, plugin_doing: PluginDoing
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stage = Stage(discord_server, tmp_path, plugin_doing, drain_s=30)
        turn = await stage.told_to_stop_while_answering(ada, signal.SIGHUP)
        stage.go_on.set()
        await turn.until(lambda turn: turn.text == "Finished.", 10)
        assert not stage.told.is_set()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        os.kill(os.getpid(), signal.SIGTERM)
        await stage.running
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_meanwhile_nothing_new_is_taken_and_each_is_told_in_their_language(
    discord_server: LoopbackDiscord, ada: Person, ben: Person, tmp_path: Path, plugin_doing: PluginDoing
) -> None:
    ben.user.locale = "de"
    stage = Stage(discord_server, tmp_path, plugin_doing, drain_s=30)
    await stage.told_to_stop_while_answering(ada)
    await stage.told.wait()
    refused = await ada.type("/ping")
    await refused.until(lambda turn: "takes nothing new" in turn.text, 5)
    assert refused.message.ephemeral
    refused = await ben.type("/ping")
    await refused.until(lambda turn: "nimmt nichts mehr an" in turn.text, 5)
    stage.go_on.set()
    await stage.running


async def test_an_answer_that_takes_too_long_does_not_hold_the_stop_up(
    discord_server: LoopbackDiscord,
    ada: Person,
    tmp_path: Path,
    plugin_doing: PluginDoing,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(discord_server, tmp_path, plugin_doing, drain_s=0.05)
    await stage.told_to_stop_while_answering(ada)
    await stage.running
    assert stage.notes == ["asked to drain within 0.05 s", "stopped"]
    assert "plugin stage was still busy" in caplog.text
    stage.go_on.set()


async def test_a_second_signal_ends_the_draining(
    discord_server: LoopbackDiscord, ada: Person, tmp_path: Path, plugin_doing: PluginDoing
) -> None:
    stage = Stage(discord_server, tmp_path, plugin_doing, drain_s=600)
    await stage.told_to_stop_while_answering(ada)
    await stage.told.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    await stage.running
    assert stage.notes == ["asked to drain within 600 s", "stopped"]
    stage.go_on.set()


async def test_a_plugin_that_fails_to_drain_is_stopped_with_the_others(
    discord_server: LoopbackDiscord, tmp_path: Path, plugin_doing: PluginDoing, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(discord_server, tmp_path, plugin_doing, drain_s=600)
    await stage.bot.started.wait()
    loaded = stage.bot.plugins["ping"]

    async def fail(seconds: float) -> None:
        raise RuntimeError("no plug")

    loaded.plugin.drain = fail  # type: ignore[union-attr, method-assign] # one that breaks while it runs
    stage.finished.set()
    os.kill(os.getpid(), signal.SIGTERM)
    await stage.running
    assert "plugin ping failed at drain()" in caplog.text
    assert stage.notes[-1] == "stopped"


async def test_who_is_served_before_discord_has_sent_every_server_may_finish_too(
    discord_server: LoopbackDiscord, ada: Person, tmp_path: Path, plugin_doing: PluginDoing
) -> None:
    connected = asyncio.Event()
    end = discord_server.world.subscribe(lambda change: connected.set() if change.kind == "bot_connected" else None)
    stage = Stage(discord_server, tmp_path, plugin_doing, drain_s=30, guilds_s=600)
    await connected.wait()
    turn = await ada.type("/act")
    await stage.begun.wait()
    assert not stage.bot.started.is_set()
    os.kill(os.getpid(), signal.SIGTERM)
    await stage.told.wait()
    stage.go_on.set()
    await stage.running
    end()
    assert turn.text == "Finished."
