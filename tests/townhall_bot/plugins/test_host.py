"""What one plugin does wrong while it starts, runs or stops is its own failure; two with one command are told apart."""

import asyncio
from collections.abc import Sequence
from typing import Any

import discord
import pytest
from discord import app_commands

from townhall_bot.plugins import Health, Plugin, host
from townhall_bot.plugins.host import LoadedPlugin


class Lamp(Plugin):
    name = "lamp"

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        return ()


def loaded(plugin: Plugin) -> LoadedPlugin:
    return LoadedPlugin(plugin.name, type(plugin), plugin=plugin)


class Moody(Lamp):
    def __init__(self) -> None:
        self.stopped = 0

    async def start(self) -> None:
        raise RuntimeError("not in the mood")

    async def stop(self) -> None:
        self.stopped += 1

    async def health(self) -> Health:
        raise RuntimeError("do not ask")


async def test_one_whose_start_fails_is_stopped_once(caplog: pytest.LogCaptureFixture) -> None:
    moody = Moody()
    it = loaded(moody)
    await host.start(it)
    await host.stop(it)
    assert it.failure == "failed at start(): RuntimeError: not in the mood"
    assert not it.running
    assert moody.stopped == 1
    assert "plugin lamp failed at start()" in caplog.text


async def test_one_whose_start_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(Moody):
        async def start(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(host, "START_TIMEOUT", 0.01)
    it = loaded(Endless())
    await host.start(it)
    assert "task of the plugin's own" in (it.failure or "")


async def test_a_plugins_own_timeout_is_told_as_what_it_is(caplog: pytest.LogCaptureFixture) -> None:
    class Impatient(Moody):
        async def start(self) -> None:
            raise TimeoutError("the lamp did not answer")

        health = drain = start  # type: ignore[assignment] # each fails alike

    it = loaded(Impatient())
    assert await host.health(it) == Health(False, "health() failed: TimeoutError: the lamp did not answer")
    it.started = True
    await host.drain(it, 30)
    assert "plugin lamp failed at drain()" in caplog.text
    await host.start(it)
    assert it.failure == "failed at start(): TimeoutError: the lamp did not answer"


async def test_one_that_cannot_say_how_it_is_is_not_well_and_runs_on(caplog: pytest.LogCaptureFixture) -> None:
    class Shy(Moody):
        async def start(self) -> None:
            pass

    it = loaded(Shy())
    await host.start(it)
    assert await host.health(it) == Health(False, "health() failed: RuntimeError: do not ask")
    assert it.running
    assert "plugin lamp failed at health()" in caplog.text


async def test_one_that_takes_too_long_to_say_so_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Moody):
        async def health(self) -> Health:
            await asyncio.Event().wait()
            return Health(True, "")

    monkeypatch.setattr(host, "HEALTH_TIMEOUT", 0.01)
    assert not (await host.health(loaded(Slow()))).ok


def commanding(name: str, *commands: Any) -> LoadedPlugin:
    return LoadedPlugin(name, commands=commands)


async def nothing(interaction: discord.Interaction) -> None:
    """Do nothing."""


async def on_message(interaction: discord.Interaction, message: discord.Message) -> None:
    """Do nothing."""


async def on_user(interaction: discord.Interaction, user: discord.Member) -> None:
    """Do nothing."""


def chat(name: str) -> app_commands.Command[Any, ..., Any]:
    return app_commands.Command(name=name, description="Do nothing.", callback=nothing)


def test_two_plugins_with_one_command_are_refused_naming_both() -> None:
    first, second, third = commanding("a", chat("ask")), commanding("b", chat("ask")), commanding("c", chat("other"))
    host.refuse_clashes([first, second, third])
    assert (first.failure, third.failure) == (None, None)
    assert "/ask is already a command of the plugin a" in (second.failure or "")
    assert "TOWNHALL_PLUGINS=-b" in (second.failure or "")


def test_a_menu_entry_and_a_command_may_share_a_name() -> None:
    on_messages = app_commands.ContextMenu(name="ask", callback=on_message)
    on_users = app_commands.ContextMenu(name="ask", callback=on_user)
    plugins = [commanding("a", chat("ask")), commanding("b", on_messages), commanding("c", on_users)]
    host.refuse_clashes(plugins)
    assert [plugin.failure for plugin in plugins] == [None, None, None]


def test_a_plugin_that_failed_holds_no_names() -> None:
    failed, good = commanding("a", chat("ask")), commanding("b", chat("ask"))
    failed.failure = "failed at start()"
    host.refuse_clashes([failed, good])
    assert good.failure is None
