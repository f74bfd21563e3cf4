"""What one plugin registers wrongly costs that plugin: the others' commands stay what and where they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import discord
import pytest
from discord import app_commands

from plugins.ping.plugin import PingPlugin
from townhall_bot.discordpy import registration
from townhall_bot.discordpy.registration import Payload
from townhall_bot.i18n import Texts
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.plugins import LastingForm, Plugin
from townhall_bot.testkit import StartTownhall

PluginDoing = Callable[..., type[Plugin]]


async def nothing(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("Nothing happened.")


def ids(server: LoopbackDiscord) -> dict[str, int]:
    return {command.name: command.id for command in server.commands}


def puts(server: LoopbackDiscord) -> list[list[str]]:
    return [[command["name"] for command in request.body] for request in server.requests if request.method == "PUT"]


async def test_nobodys_commands_are_gone_for_a_moment_because_anothers_are_refused(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, plugin_doing: PluginDoing, ada: Person
) -> None:
    good = [plugin_doing(nothing, plugin=name, command=name) for name in ("good", "late")]
    await (await start_townhall(*good, PingPlugin)).stop()
    before = ids(discord_server)
    bad = [plugin_doing(nothing, plugin=name, command=name, description="") for name in ("bad", "worse")]
    for _ in range(2):  # at the next start, too
        running = await start_townhall(good[0], bad[0], good[1], bad[1], PingPlugin)
        assert ids(discord_server) == before  # under the same ids: what admins set for them holds
        assert await running.settled(await ada.type("/late")) is None
        assert "Discord refuses its commands" in (running.bot.plugins["bad"].failure or "")
        await running.stop()
    everything = ["privacy", "good", "bad", "late", "worse", "ping"]
    kept = ["privacy", "good", "late", "ping"]
    assert puts(discord_server)[1:] == [everything, kept] * 2


@pytest.mark.parametrize("refused", [("bad",), ("bad", "worse")])
async def test_where_discord_does_not_say_whose_they_are_it_is_found_out(
    start_townhall: StartTownhall,
    discord_server: LoopbackDiscord,
    plugin_doing: PluginDoing,
    monkeypatch: pytest.MonkeyPatch,
    refused: tuple[str, ...],
) -> None:
    register = registration.register

    async def takes_not_all(client: discord.Client, payload: Payload, guild: int | None) -> Payload:
        if not {command["name"] for command in payload}.isdisjoint(refused):
            discord_server.faults.answer("PUT", "/applications/*", 400, times=1)
        return await register(client, payload, guild)

    monkeypatch.setattr(registration, "register", takes_not_all)
    names = ("good", "bad", "late", "worse")
    running = await start_townhall(*(plugin_doing(nothing, plugin=name, command=name) for name in names))
    assert {name for name in names if running.bot.plugins[name].failure} == set(refused)
    assert set(ids(discord_server)) == {"privacy", *names} - set(refused)


class Press(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=r"press:\d+"):
    def __init__(self) -> None:
        super().__init__(discord.ui.Button(label="Press", custom_id="press:1"))

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: Any, match: Any, /) -> Press:
        return cls()

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message("Pressed.")


class SamePress(Press, template=r"press:\d+"):
    async def callback(self, interaction: discord.Interaction) -> None:
        raise RuntimeError("the other plugin's")


def bringing(called: str, *items: Any, plugin_doing: PluginDoing) -> type[Plugin]:
    async def offer(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("Press.", view=discord.ui.View(timeout=None).add_item(Press()))

    class Bringing(plugin_doing(offer, plugin=called, command=called)):  # type: ignore[misc] # made by a function
        def dynamic_items(self) -> Sequence[Any]:
            return items

    return Bringing


async def test_what_is_no_component_costs_its_own_plugin(
    start_townhall: StartTownhall, ada: Person, plugin_doing: PluginDoing
) -> None:
    running = await start_townhall(bringing("bad", discord.ui.Button, plugin_doing=plugin_doing), PingPlugin)
    assert "dynamic_items() must return subclasses of discord.ui.DynamicItem" in (
        running.bot.plugins["bad"].failure or ""
    )
    assert await running.settled(await ada.type("/ping")) is None


async def test_a_component_that_an_earlier_plugin_brought_stays_that_ones(
    start_townhall: StartTownhall, ada: Person, plugin_doing: PluginDoing
) -> None:
    first, second = (
        bringing(name, item, plugin_doing=plugin_doing) for name, item in (("first", Press), ("second", SamePress))
    )
    running = await start_townhall(first, second)
    assert "is already a component of the plugin first" in (running.bot.plugins["second"].failure or "")
    turn = await ada.type("/first")
    await running.settled(turn)
    pressed = await ada.press(turn.message, "Press")
    await pressed.acknowledged()
    assert pressed.text == "Pressed."


class Say(LastingForm):
    template = re.compile(r"say:\d+")

    async def submitted(self, interaction: Any, match: re.Match[str], typed: Mapping[str, str]) -> None:
        await interaction.response.send_message("Said.")


class SayAnything(Say):
    template: Any = "say"


class Shout(Say):
    template = re.compile(r"shout")


async def test_what_is_no_form_costs_its_own_plugin_and_so_does_another_ones(
    start_townhall: StartTownhall, plugin_doing: PluginDoing
) -> None:
    def with_forms(called: str, *brought: Any) -> type[Plugin]:
        class WithForms(plugin_doing(nothing, plugin=called, command=called)):  # type: ignore[misc] # as above
            def forms(self) -> Sequence[Any]:
                return brought

        return WithForms

    bad, first, second = with_forms("bad", Say), with_forms("first", Say()), with_forms("second", Say())
    bare, twice = with_forms("bare", SayAnything()), with_forms("twice", Shout(), Shout())
    plugins = (await start_townhall(bad, bare, first, second, twice)).bot.plugins
    assert "forms() must return instances of LastingForm" in (plugins["bad"].failure or "")
    assert "needs a template, a compiled pattern of its ids" in (plugins["bare"].failure or "")
    assert "two of its forms have the ids shout" in (plugins["twice"].failure or "")
    assert plugins["first"].failure is None
    assert "what has the id say:\\d+ is already a form of the plugin first" in (plugins["second"].failure or "")


async def test_a_plugins_texts_translate_its_own_commands_alone(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    def speaking(called: str, german: str) -> type[Plugin]:
        class Speaking(Plugin):
            name = called
            texts = Texts({"en": {"does": "Does something."}, "de": {"does": german}})

            def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
                does = app_commands.locale_str("Does something.")
                return (app_commands.Command(name=called, description=does, callback=nothing),)

        return Speaking

    await start_townhall(speaking("first", "Macht etwas."), speaking("second", "Tut etwas."))
    told = {command.name: command.definition for command in discord_server.commands}
    assert told["first"]["description_localizations"]["de"] == "Macht etwas."
    assert told["second"]["description_localizations"]["de"] == "Tut etwas."
