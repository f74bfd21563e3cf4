"""The kit itself: what a plugin author's first test relies on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import discord
import pytest
from discord import app_commands
from pydantic_settings import SettingsConfigDict

from townhall_bot.loopback import CommandRefused, LoopbackDiscord, Person
from townhall_bot.loopback.wire.openapi import DESCRIPTION_VARIABLE, find_description
from townhall_bot.plugins import Plugin, PluginSettings
from townhall_bot.testkit import RunningTownhall, StartTownhall, undescribed


class GreeterSettings(PluginSettings):
    model_config = SettingsConfigDict(env_prefix="TOWNHALL_GREETER_")
    word: str = "Hello"


class Greeter(Plugin):
    name = "greeter"
    settings_model = GreeterSettings

    def commands(self) -> Sequence[app_commands.Command[Any, ..., None]]:
        @app_commands.command(description="Greets")
        async def greet(interaction: discord.Interaction, name: str) -> None:
            if name == "nobody":
                raise RuntimeError("nobody to greet")
            await interaction.response.send_message(f"{self.context.settings.word} {name}")

        @app_commands.command(description="Remembers a word for this server")
        @app_commands.default_permissions(manage_guild=True)
        async def remember(interaction: discord.Interaction, word: str) -> None:
            assert interaction.guild_id is not None  # typed in a server
            settings = self.context.guild_settings
            before = await settings.change(interaction.guild_id, "word", word, actor_id=interaction.user.id)
            await interaction.response.send_message(f"it was {before}")

        return [greet, remember]


@pytest.fixture
def townhall_plugins() -> Sequence[type[Plugin]]:
    return [Greeter]


@pytest.fixture
def townhall_settings() -> Mapping[str, str]:
    return {"TOWNHALL_GREETER_WORD": "Good day"}


async def test_a_member_types_and_the_channel_shows_the_answer(townhall: RunningTownhall, ada: Person) -> None:
    turn = await ada.type("/greet name:Ben")
    assert await townhall.settled(turn) is None
    assert turn.text == "Good day Ben"


async def test_two_members_at_once_get_their_own_answers(townhall: RunningTownhall, ada: Person, ben: Person) -> None:
    turns = [await ada.type("/greet name:A"), await ben.type("/greet name:B")]
    for turn in turns:
        await townhall.settled(turn)
    assert [turn.text for turn in turns] == ["Good day A", "Good day B"]


async def test_a_failing_command_settles_with_its_error(townhall: RunningTownhall, ada: Person) -> None:
    turn = await ada.type("/greet name:nobody")
    assert isinstance(await townhall.settled(turn), RuntimeError)
    assert turn.message.ephemeral


async def test_what_was_stored_is_there_after_a_restart(
    start_townhall: StartTownhall, admin: Person, discord_server: LoopbackDiscord
) -> None:
    first = await start_townhall(Greeter)
    await first.settled(await admin.type("/remember word:Servus"))
    await first.stop()
    second = await start_townhall(Greeter)
    turn = await admin.type("/remember word:Moin")
    await second.settled(turn)
    assert turn.text == "it was Servus"


async def test_those_who_may_not_are_refused_by_discord(
    townhall: RunningTownhall, ben: Person, stranger: Person
) -> None:
    with pytest.raises(CommandRefused, match="Manage Server"):
        await ben.type("/remember word:Moin")
    with pytest.raises(CommandRefused, match="Use Application Commands"):
        await stranger.type("/greet name:me")


async def test_a_host_s_own_environment_does_not_reach_the_tests(
    start_townhall: StartTownhall, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWNHALL_GREETER_WORD", "Leaked")
    bot = await start_townhall(Greeter)
    turn = await ada.type("/greet name:Ada")
    await bot.settled(turn)
    assert turn.text == "Hello Ada"


async def test_waiting_for_what_never_comes_says_what_there_was(townhall: RunningTownhall, ada: Person) -> None:
    turn = await ada.type("/greet name:Ada")
    await townhall.settled(turn)
    with pytest.raises(TimeoutError, match="Good day Ada"):
        await turn.until(lambda turn: "Bye" in turn.text, timeout=0.01)


async def test_a_request_that_discord_does_not_describe_is_told() -> None:
    if find_description() is None:
        pytest.skip(f"Discord's OpenAPI description is not here; {DESCRIPTION_VARIABLE} may name it")
    async with LoopbackDiscord() as server, aiohttp.ClientSession() as session:
        await session.post(f"{server.api_url}/interactions/1/x/callback", json={"type": "message"})
        assert undescribed(server)[0].startswith("POST /interactions/1/x/callback: ")


class Grumpy(Greeter):
    async def start(self) -> None:
        raise RuntimeError("not before coffee")


async def test_the_running_plugin_is_at_hand(townhall: RunningTownhall) -> None:
    assert townhall.plugin(Greeter).context.settings.word == "Good day"
    with pytest.raises(LookupError, match="plugin greeter is not running"):
        townhall.plugin(Grumpy)


async def test_one_that_does_not_run_is_told_with_its_failure(start_townhall: StartTownhall) -> None:
    running = await start_townhall(Grumpy)
    with pytest.raises(LookupError, match=r"plugin greeter failed at start\(\): RuntimeError: not before coffee"):
        running.plugin(Grumpy)


@pytest.mark.parametrize("townhall_plugins", [[Grumpy]])
def test_the_ready_bot_fails_a_test_whose_plugin_does_not_run(
    townhall_plugins: Sequence[type[Plugin]], request: pytest.FixtureRequest
) -> None:
    with pytest.raises(pytest.fail.Exception, match="not before coffee"):
        request.getfixturevalue("townhall")
