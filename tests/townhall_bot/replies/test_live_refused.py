"""An answer that Discord will not have, or that somebody deleted: what stands is usable, and who asked knows why."""

import asyncio
from typing import Any

import discord
import pytest

from tests.townhall_bot.replies.growing import ANSWER, Perform, an_edit, the_answer
from townhall_bot.loopback import LoopbackDiscord, Message, Turn
from townhall_bot.replies import LiveReply

FOLLOW_UP = "/webhooks/*/*"
AUTOMOD, HARMFUL_LINK, MISSING_ACCESS, MISSING_PERMISSIONS, OTHER = 200000, 240000, 50001, 50013, 50035


def again() -> discord.ui.View:
    view = discord.ui.View()
    view.add_item(discord.ui.Button(label="Again", custom_id="again"))
    return view


def labels(message: Message) -> list[str]:
    return [str(button["label"]) for button in message.buttons]


def told(turn: Turn) -> list[str]:
    """Return what the asker alone reads."""
    return [message.content for message in turn.messages if message.ephemeral]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (AUTOMOD, "this server's AutoMod blocks it"),
        (HARMFUL_LINK, "counts a link in it among harmful ones"),
        (MISSING_ACCESS, "the bot may not write here"),
        (MISSING_PERMISSIONS, "the bot may not write here"),
        (OTHER, "Refused with code 50035"),
    ],
)
async def test_a_final_text_that_is_refused_for_good_leaves_what_stood_with_buttons_and_a_reason(
    perform: Perform, discord_server: LoopbackDiscord, code: int, why: str
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        stop = discord.ui.View()
        stop.add_item(discord.ui.Button(label="Stop", custom_id="stop"))
        reply = LiveReply(interaction, interval=0.001, view=stop)
        reply.show("My fellow", note="writing")
        await an_edit(discord_server)
        discord_server.faults.answer("PATCH", ANSWER, 400, code=code)
        assert not await reply.finish("My fellow and forbidden", note="done", view=again())

    turn = await perform(act)
    shown = the_answer(discord_server)
    assert shown.content.startswith("My fellow\n-# Discord did not take this: ")
    assert "writing" not in shown.content
    assert why in shown.content
    assert labels(shown) == ["Again"]
    assert len(told(turn)) == 1
    assert why in told(turn)[0]


async def test_where_nothing_stood_yet_the_reason_takes_its_place(
    perform: Perform, discord_server: LoopbackDiscord
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        reply = LiveReply(interaction, interval=0.001)
        reply.show("Looking for a model", placeholder=True)
        await an_edit(discord_server)
        discord_server.faults.answer("PATCH", ANSWER, 400, code=AUTOMOD)
        assert not await reply.finish("Forbidden", view=again())

    await perform(act)
    shown = the_answer(discord_server)
    assert shown.content.startswith("-# Discord did not take this")
    assert labels(shown) == ["Again"]


async def test_where_no_edit_is_taken_at_all_the_asker_is_told_alone(
    perform: Perform, discord_server: LoopbackDiscord
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        discord_server.faults.answer("PATCH", ANSWER, 403, times=99, code=MISSING_PERMISSIONS)
        assert not await LiveReply(interaction, interval=0.001).finish("A text", view=again())

    turn = await perform(act)
    assert "the bot may not write here" in turn.text  # a first follow-up takes the place of "thinking…"


async def test_a_second_page_that_is_refused_leaves_the_buttons_on_the_first(
    perform: Perform, discord_server: LoopbackDiscord
) -> None:
    text = " ".join(f"word{number}" for number in range(400))

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        discord_server.faults.answer("POST", FOLLOW_UP, 400, code=AUTOMOD)
        assert not await LiveReply(interaction, interval=0.001).finish(text, view=again())

    turn = await perform(act)
    first, *others = turn.messages
    assert text.startswith(first.content[:500])
    assert labels(first) == ["Again"]
    assert all(message.ephemeral for message in others)
    assert len(told(turn)) == 1


@pytest.mark.parametrize(
    "answer", [{"status": 400, "code": AUTOMOD}, {"status": 429, "retry_after": 3600}, {"status": 429, "body": "1015"}]
)
async def test_a_growing_text_that_is_refused_is_not_sent_again_and_again(
    perform: Perform, discord_server: LoopbackDiscord, answer: dict[str, Any]
) -> None:
    """Each refused edit is an alert in the server's AutoMod channel, or makes a ban of this machine longer."""

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        reply = LiveReply(interaction, interval=0)
        blocked = discord_server.faults.answer("PATCH", ANSWER, times=99, **answer)
        reply.show("forbidden")
        await blocked.arrived.wait()
        for number in range(10):
            reply.show(f"forbidden {number}")
            await interaction.original_response()  # a request takes as long as an edit would
        assert refused(discord_server) == 1
        discord_server.faults.clear()
        assert await reply.finish("harmless")

    assert (await perform(act)).text == "harmless"


def refused(server: LoopbackDiscord) -> int:
    return sum(record.method == "PATCH" and record.status >= 400 for record in server.requests)


async def test_who_deletes_a_growing_answer_has_ended_it(perform: Perform, discord_server: LoopbackDiscord) -> None:
    gone = asyncio.Event()

    async def on_gone() -> None:
        gone.set()

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        reply = LiveReply(interaction, interval=0.001, on_gone=on_gone)
        reply.show("My fellow")
        await an_edit(discord_server)
        discord_server.world.delete(the_answer(discord_server))
        reply.show("My fellow citizens")
        await asyncio.wait_for(gone.wait(), 5)
        assert reply.gone
        assert await reply.finish(" ".join(f"word{number}" for number in range(900)), view=again())

    await perform(act)
    assert list(discord_server.townhall().channels["general"].messages) == []


async def test_of_an_answer_deleted_between_its_pages_no_more_pages_come(
    perform: Perform, discord_server: LoopbackDiscord
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        discord_server.faults.answer("PATCH", ANSWER, 404, code=10008)
        assert await LiveReply(interaction).finish(" ".join(f"word{number}" for number in range(900)))

    turn = await perform(act)
    assert len(turn.messages) <= 1


async def test_a_channel_that_is_gone_is_no_fault_of_the_bot(
    perform: Perform, discord_server: LoopbackDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        discord_server.faults.answer("PATCH", ANSWER, 404, code=10003)
        assert await LiveReply(interaction).finish("Nobody reads this.")

    await perform(act)
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []
