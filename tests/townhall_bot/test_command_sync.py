"""Commands are registered when they changed, in one place, and only then."""

from collections.abc import Callable

import discord
import pytest

from plugins.ping.plugin import PingPlugin
from townhall_bot.loopback import Guild, LoopbackDiscord
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import StartTownhall

PluginDoing = Callable[..., type[Plugin]]


async def nothing(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("Nothing happened.")


def registrations(server: LoopbackDiscord) -> list[str]:
    return [request.path.partition("/commands")[0] for request in server.requests if request.method == "PUT"]


async def restart(start: StartTownhall, *plugins: type[Plugin], guild: int | None = None) -> None:
    running = await start(*plugins, settings={"TOWNHALL_GUILD": str(guild or "")})
    await running.stop()


async def test_unchanged_commands_are_registered_once(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    for _ in range(3):
        await restart(start_townhall, PingPlugin)
    assert len(registrations(discord_server)) == 1
    assert [command.name for command in discord_server.commands] == ["ping", "privacy"]


async def test_a_changed_description_is_registered_again(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, plugin_doing: PluginDoing
) -> None:
    await restart(start_townhall, plugin_doing(nothing, description="Old words."))
    await restart(start_townhall, plugin_doing(nothing, description="New words."))
    assert len(registrations(discord_server)) == 2
    assert discord_server.commands[0].definition["description"] == "New words."


async def test_the_commands_of_a_plugin_that_left_are_removed(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, plugin_doing: PluginDoing
) -> None:
    await restart(start_townhall, PingPlugin, plugin_doing(nothing))
    await restart(start_townhall, PingPlugin)
    assert [command.name for command in discord_server.commands] == ["ping", "privacy"]


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
    discord_server.weather.answer("PUT", "/applications/*", 403, times=1)
    await restart(start_townhall, PingPlugin)
    assert discord_server.commands == []
    await restart(start_townhall, PingPlugin)
    assert [command.name for command in discord_server.commands] == ["ping", "privacy"]


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
    assert [command.name for command in discord_server.commands] == ["good", "ping", "privacy"]
