"""What a person is told when a command was not carried out."""

from collections.abc import Awaitable, Callable

import discord
import pytest
from discord import app_commands

from townhall_bot.i18n.core_texts import TEXTS
from townhall_bot.loopback import LoopbackDiscord, Person, Turn
from townhall_bot.plugins import Plugin
from townhall_bot.replies import Refusal
from townhall_bot.replies.refusal import told
from townhall_bot.testkit import StartTownhall

Act = Callable[[discord.Interaction], Awaitable[None]]
Fail = Callable[[Act], Awaitable[tuple[Turn, Exception | None]]]


@pytest.fixture
def fail(start_townhall: StartTownhall, plugin_doing: Callable[..., type[Plugin]], ada: Person) -> Fail:
    async def typed(act: Act) -> tuple[Turn, Exception | None]:
        running = await start_townhall(plugin_doing(act))
        turn = await ada.type("/act")
        return turn, await running.settled(turn)

    return typed


async def test_a_refusal_is_shown_to_the_asker_alone(fail: Fail) -> None:
    async def act(interaction: discord.Interaction) -> None:
        raise Refusal("Not today.")

    turn, error = await fail(act)
    assert turn.text == "Not today."
    assert turn.message.ephemeral
    assert isinstance(error, Refusal)


async def test_after_thinking_it_takes_the_place_of_the_dots(fail: Fail) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        raise Refusal("Not today.")

    turn, _ = await fail(act)
    assert len(turn.messages) == 1
    assert turn.text == "Not today."
    assert not turn.message.thinking


async def test_after_an_answer_it_follows_and_leaves_the_answer_alone(fail: Fail) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("So far.")
        raise Refusal("No further.")

    turn, _ = await fail(act)
    assert [message.content for message in turn.messages] == ["So far.", "No further."]
    assert turn.messages[1].ephemeral


async def test_one_that_was_shown_is_not_shown_again(fail: Fail) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("I told you so.")
        raise Refusal("I told you so.", shown=True)

    turn, error = await fail(act)
    assert turn.text == "I told you so."
    assert isinstance(error, Refusal)


async def test_a_surprise_is_an_apology_with_a_number_that_the_log_has_too(
    fail: Fail, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        raise ZeroDivisionError("internal detail")

    turn, error = await fail(act)
    assert str(turn.interaction_id) in turn.text
    assert "internal detail" not in turn.text
    assert turn.message.ephemeral
    assert f"request {turn.interaction_id} failed in act" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert isinstance(error, ZeroDivisionError)


async def test_an_asker_who_cannot_be_reached_is_noted_and_nothing_more(
    fail: Fail, discord_server: LoopbackDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        discord_server.faults.cut("POST", "/interactions/*", times=50)
        raise Refusal("Nobody hears this.")

    _, error = await fail(act)
    assert isinstance(error, Refusal)
    assert "could not be told" in caplog.text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (app_commands.MissingPermissions(["manage_guild"]), "permission Manage Server"),
        (app_commands.NoPrivateMessage(), "in a server only"),
        (app_commands.CommandOnCooldown(app_commands.Cooldown(1, 9), 4.2), "Try again in 4 s"),
        (app_commands.CommandNotFound("gone", []), "Reload Discord"),
        (app_commands.CheckFailure(), "may not use"),
    ],
)
def test_what_discord_py_refuses_is_told_in_plain_words(error: Exception, words: str) -> None:
    assert words in (told(error) or "")


def test_a_permission_is_called_what_the_readers_discord_calls_it() -> None:
    error = app_commands.MissingPermissions(["manage_guild", "moderate_members"])
    german = "Dafür brauchst du die Berechtigung Server verwalten, Mitglieder im Timeout."
    assert told(error, TEXTS.of("de")) == german
    assert told(error) == "You need the permission Manage Server, Timeout Members for this."
    rare = app_commands.MissingPermissions(["view_guild_insights"])
    assert told(rare) == "You need the permission View Server Insights for this."
