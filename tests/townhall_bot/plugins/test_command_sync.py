"""Commands are registered when they changed, in one place, and only then."""

from collections.abc import Callable
from pathlib import Path

import aiohttp
import discord
import pytest

from plugins.ping.plugin import PingPlugin
from townhall_bot.loopback import Guild, LoopbackDiscord
from townhall_bot.plugins import Plugin
from townhall_bot.plugins.command_sync import KEY
from townhall_bot.store import Store
from townhall_bot.store.backup import back_up
from townhall_bot.store.restore import restore
from townhall_bot.testkit import StartTownhall

PluginDoing = Callable[..., type[Plugin]]


async def nothing(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("Nothing happened.")


def registrations(server: LoopbackDiscord) -> list[str]:
    return [request.path.partition("/commands")[0] for request in server.requests if request.method == "PUT"]


def names(server: LoopbackDiscord) -> list[str]:
    return sorted(command.name for command in server.commands)


def described(server: LoopbackDiscord, name: str) -> str:
    return next(str(command.definition["description"]) for command in server.commands if command.name == name)


async def restart(start: StartTownhall, *plugins: type[Plugin], guild: int | None = None) -> None:
    running = await start(*plugins, settings={"TOWNHALL_GUILD": str(guild or "")})
    await running.stop()


async def test_unchanged_commands_are_registered_once(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    for _ in range(3):
        await restart(start_townhall, PingPlugin)
    assert len(registrations(discord_server)) == 1
    assert names(discord_server) == ["ping", "privacy"]


async def test_what_somebody_else_changed_at_discord_is_put_right(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    await restart(start_townhall, PingPlugin)
    application = discord_server.world.application.id
    ping = next(command for command in discord_server.commands if command.name == "ping")
    mine = ping.definition["description"]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bot {discord_server.token}"}) as somebody:
        place = f"{discord_server.api_url}/applications/{application}/commands/{ping.id}"
        async with somebody.patch(place, json={"description": "Another's words."}) as answer:
            assert answer.status == 200
        await restart(start_townhall, PingPlugin)
        assert described(discord_server, "ping") == mine
        async with somebody.delete(place) as answer:
            assert answer.status == 204
    await restart(start_townhall, PingPlugin)
    assert names(discord_server) == ["ping", "privacy"]
    await restart(start_townhall, PingPlugin)
    assert len(registrations(discord_server)) == 3  # where nothing was changed, nothing is sent


async def test_a_backup_from_before_the_commands_changed_does_not_hide_what_discord_has(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, plugin_doing: PluginDoing, tmp_path: Path
) -> None:
    before = await start_townhall(plugin_doing(nothing, description="Old words."))
    await before.stop()
    back_up(before.bot.store.path, tmp_path / "backup.db")
    await restart(start_townhall, plugin_doing(nothing, description="New words."))
    restore(tmp_path / "backup.db", before.bot.store.path)
    await restart(start_townhall, plugin_doing(nothing, description="Old words."))
    assert described(discord_server, "act") == "Old words."


async def test_the_note_of_an_older_townhall_costs_one_registration(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, tmp_path: Path
) -> None:
    first = await start_townhall(PingPlugin)
    await first.stop()
    store = Store.open(first.bot.store.path)
    for key, note in (await store.values(KEY)).items():
        await store.set_value(key, note["sent"])  # it kept a hash alone
    await store.close()
    for _ in range(2):
        await restart(start_townhall, PingPlugin)
    assert len(registrations(discord_server)) == 2


async def test_where_discord_does_not_say_what_it_has_the_bot_runs_on(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    await restart(start_townhall, PingPlugin)
    discord_server.faults.answer("GET", "/applications/*/commands", 403, times=1)
    running = await start_townhall(PingPlugin)
    assert running.bot.plugins["ping"].running
    assert "could not be registered" in caplog.text or "does not let" in caplog.text


async def test_a_changed_description_is_registered_again(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, plugin_doing: PluginDoing
) -> None:
    await restart(start_townhall, plugin_doing(nothing, description="Old words."))
    await restart(start_townhall, plugin_doing(nothing, description="New words."))
    assert len(registrations(discord_server)) == 2
    assert described(discord_server, "act") == "New words."


async def test_the_commands_of_a_plugin_that_left_are_removed(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, plugin_doing: PluginDoing
) -> None:
    await restart(start_townhall, PingPlugin, plugin_doing(nothing))
    await restart(start_townhall, PingPlugin)
    assert names(discord_server) == ["ping", "privacy"]


async def test_one_server_or_everywhere_but_never_twice(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, guild: Guild
) -> None:
    await restart(start_townhall, PingPlugin)
    await restart(start_townhall, PingPlugin, guild=guild.id)
    assert [command.guild_id for command in discord_server.commands] == [guild.id] * 2
    await restart(start_townhall, PingPlugin)
    assert [command.guild_id for command in discord_server.commands] == [None] * 2


async def test_a_server_that_the_bot_is_not_in_is_named_and_the_bot_runs_on(
    start_townhall: StartTownhall, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start_townhall(PingPlugin, settings={"TOWNHALL_GUILD": "424242"})
    assert running.bot.plugins["ping"].running
    assert "could not be registered" in caplog.text or "does not let" in caplog.text
    assert "424242" in caplog.text


async def test_what_discord_did_not_take_is_tried_again_at_the_next_start(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    discord_server.faults.answer("PUT", "/applications/*", 403, times=1)
    await restart(start_townhall, PingPlugin)
    assert discord_server.commands == []
    await restart(start_townhall, PingPlugin)
    assert names(discord_server) == ["ping", "privacy"]


async def test_plugins_whose_commands_discord_refuses_are_found_and_the_others_registered(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, plugin_doing: PluginDoing
) -> None:
    bad = [plugin_doing(nothing, plugin=name, command=name, description="") for name in ("bad", "worse")]
    good = plugin_doing(nothing, plugin="good", command="good")
    running = await start_townhall(bad[0], good, bad[1], PingPlugin)
    assert {name: loaded.running for name, loaded in running.bot.plugins.items()} == {
        "bad": False,
        "good": True,
        "worse": False,
        "ping": True,
        "privacy": True,
    }
    assert names(discord_server) == ["good", "ping", "privacy"]
