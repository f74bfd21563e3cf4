"""What people see where Discord does not take the end of a text, a further page, or a message of the bot's own."""

from __future__ import annotations

import discord
import pytest

from tests.townhall_bot.answers.stage import Stage, check
from tests.townhall_bot.answers.table import Case, cases
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.replies import LiveReply

pytestmark = pytest.mark.asyncio(loop_scope="module")

EDIT = ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original")
FOLLOW_UP = ("POST", "/webhooks/{webhook_id}/{webhook_token}")
OWN_EDIT = ("PATCH", "/channels/{channel_id}/messages/{message_id}")
OWN_MESSAGE = ("POST", "/channels/{channel_id}/messages")
PAGES = "page one " + "words " * 400 + "the text"


def view(label: str) -> discord.ui.View:
    buttons = discord.ui.View()
    buttons.add_item(discord.ui.Button(label=label, custom_id=label.lower()))
    return buttons


async def growing(stage: Stage, interaction: discord.Interaction) -> LiveReply:
    """Return an answer of which the channel sees "so far", with a Stop."""
    await interaction.response.defer(thinking=True)
    reply = LiveReply(interaction, interval=0.001, view=view("Stop"))
    reply.show("so far", note="writing")
    await stage.server.world.until(lambda: stage.shows(interaction, "so far"), 5)
    return reply


def expire_tokens(server: LoopbackDiscord) -> None:
    """Let 15 minutes have passed, for what goes by the token."""
    server.faults.answer("PATCH", "/webhooks/*", 401, code=50027, times=10_000)
    server.faults.answer("POST", "/webhooks/*", 401, code=50027, times=10_000)


@pytest.mark.parametrize("case", cases("The end of a text"), ids=str)
async def test_the_end_of_a_text(case: Case, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def act(interaction: discord.Interaction) -> None:
        reply = await growing(stage, interaction)
        case.answer.befall(stage.server, *EDIT, always=case.row.always)
        await reply.finish("the text", note="done", view=view("Again"))

    played = await stage.play(case, act, *EDIT, caplog)
    check(case, played)
    if not case.row.always:
        assert played.buttons() == ["Again"]


@pytest.mark.parametrize("case", cases("Another edit of a command"), ids=str)
async def test_another_edit_of_a_command(case: Case, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        case.answer.befall(stage.server, *EDIT, always=case.row.always)
        await interaction.edit_original_response(content="the text")

    check(case, await stage.play(case, act, *EDIT, caplog))


@pytest.mark.parametrize("case", cases("A further page"), ids=str)
async def test_a_further_page(case: Case, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        case.answer.befall(stage.server, *FOLLOW_UP, always=case.row.always)
        await LiveReply(interaction, interval=0.001).finish(PAGES, view=view("Again"))

    played = await stage.play(case, act, *FOLLOW_UP, caplog)
    check(case, played)
    if "the buttons" in case.row.cells["who asked sees"]:
        assert played.buttons() == ["Again"]


@pytest.mark.parametrize("case", cases("An edit by the bot's own right"), ids=str)
async def test_an_edit_by_the_bots_own_right(case: Case, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def act(interaction: discord.Interaction) -> None:
        reply = await growing(stage, interaction)
        expire_tokens(stage.server)
        case.answer.befall(stage.server, *OWN_EDIT, always=case.row.always)
        await reply.finish("the text", view=view("Again"))

    check(case, await stage.play(case, act, *OWN_EDIT, caplog))


@pytest.mark.parametrize("case", cases("A message by the bot's own right"), ids=str)
async def test_a_message_by_the_bots_own_right(case: Case, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        expire_tokens(stage.server)
        case.answer.befall(stage.server, *OWN_MESSAGE, always=case.row.always)
        await LiveReply(interaction, interval=0.001).finish("the text", view=view("Again"))

    check(case, await stage.play(case, act, *OWN_MESSAGE, caplog), late=True)
