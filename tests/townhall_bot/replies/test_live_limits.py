"""A growing text at the limits: of pace, of attempts, of a page; and in what it must never show."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import discord
import pytest

from tests.townhall_bot.replies.growing import ANSWER, Perform, PluginDoing, an_edit, the_answer
from townhall_bot.discordpy import backoff
from townhall_bot.loopback import LoopbackDiscord, Person, TownhallWorld
from townhall_bot.replies import LiveReply, Refusal, sanitize
from townhall_bot.replies.paging import MESSAGE_LIMIT, split
from townhall_bot.testkit import StartTownhall


def text_of(pages: int) -> str:
    """Return words that fill so many messages."""
    texts = (" ".join(f"word{number}" for number in range(count)) for count in range(100, 3000, 20))
    return next(text for text in texts if len(split(text)) == pages)


async def test_a_second_edit_waits_for_its_time_whatever_else_arrives_meanwhile(
    perform: Perform, discord_server: LoopbackDiscord
) -> None:
    edits = []

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        reply = LiveReply(interaction, interval=60)
        reply.show("first")
        await an_edit(discord_server)
        for number in range(3):
            reply.show(f"more {number}")
            await interaction.followup.send("something else")  # there and back: time enough for an edit
        edits.append(the_answer(discord_server).edits)
        await reply.finish("whole")

    turn = await perform(act)
    assert edits == [1]
    assert turn.text.startswith("whole")


async def test_the_end_is_tried_again_at_growing_distances_where_discord_is_away_for_long(
    perform: Perform, discord_server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    mine: list[asyncio.Task[Any] | None] = []
    sleep = asyncio.sleep

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        discord_server.faults.cut("PATCH", ANSWER, times=6)
        mine.append(asyncio.current_task())
        with monkeypatch.context() as quick:
            quick.setattr(backoff, "uniform", lambda low, high: high)
            quick.setattr(asyncio, "sleep", note)
            assert await LiveReply(interaction).finish("still here")

    async def note(seconds: float, result: None = None) -> None:
        if asyncio.current_task() not in mine:  # the bot's own watch, say
            await sleep(seconds, result)
            return
        waited.append(seconds)
        await sleep(0, result)

    assert (await perform(act)).text == "still here"
    growing = [0.5, 1.0, 2.0, 4.0, 8.0, 10.0]
    assert [seconds for seconds in waited if seconds in growing] == growing  # others sleep meanwhile, too


@pytest.mark.parametrize(("pages", "messages", "files"), [(3, 3, 0), (4, 1, 1)])
async def test_from_the_fourth_page_on_a_text_is_a_file(
    perform: Perform, pages: int, messages: int, files: int
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        assert await LiveReply(interaction).finish(text_of(pages))

    turn = await perform(act)
    assert len(turn.messages) == messages
    assert len(turn.messages[-1].attachments) == files


async def test_the_file_holds_the_text_without_the_escapes_of_a_chat(perform: Perform) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        text = text_of(5)
        assert await LiveReply(interaction).finish(text.replace("word", r"\_word"), plain=text.replace("word", "_word"))

    (file,) = (await perform(act)).message.attachments
    assert file.text == text_of(5).replace("word", "_word")


@pytest.mark.parametrize("note", ["n" * 60, "very long " * 500])
async def test_small_print_has_its_place_below_a_full_page(perform: Perform, note: str) -> None:
    text = ("word " * MESSAGE_LIMIT)[: MESSAGE_LIMIT - 10]

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        assert await LiveReply(interaction).finish(text, note=note)

    turn = await perform(act)
    shown = "\n".join(message.content for message in turn.messages)
    assert shown.partition("\n-# ")[0].split() == text.split()
    assert f"-# {note[:60]}" in shown


async def test_what_grows_is_as_harmless_as_what_has_grown(perform: Perform, discord_server: LoopbackDiscord) -> None:
    tricky = "[a prize](https://example.com/trap) discord.gg/abc \u202eevil"

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        reply = LiveReply(interaction, interval=0.001)
        reply.show(tricky)
        await an_edit(discord_server)
        await reply.finish("done")

    turn = await perform(act)
    assert turn.message.versions[-2] == sanitize(tricky) != tricky


async def test_all_pages_of_an_answer_for_the_asker_alone_are_for_the_asker_alone(perform: Perform) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True, ephemeral=True)
        assert await LiveReply(interaction, ephemeral=True).finish(text_of(3))

    turn = await perform(act)
    assert [message.ephemeral for message in turn.messages] == [True] * 3
    assert turn.channel.messages == []


@pytest.mark.parametrize("invite", ["https://dsc.gg/abc", "discord.me/abc", "DISCORD.GG/abc", "discordapp.com /invite"])
def test_every_kind_of_invitation_is_no_longer_one(invite: str) -> None:
    assert sanitize(invite) != invite


async def test_a_refusal_in_place_of_a_growing_text_takes_its_buttons_away(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord, ada: Person
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        view = discord.ui.View(timeout=None)
        view.add_item(discord.ui.Button(label="Stop", custom_id="stop"))
        async with LiveReply(interaction, interval=0.001, view=view) as reply:
            reply.show("waiting")
            await an_edit(discord_server)
            raise Refusal("There is nothing to wait for.")

    running = await start_townhall(plugin_doing(act))
    turn = await ada.type("/act")
    assert isinstance(await running.settled(turn), Refusal)
    assert turn.text == "There is nothing to wait for."
    assert turn.message.buttons == []


async def test_an_answer_that_comes_too_late_is_no_surprise_worth_a_traceback(
    start_townhall: StartTownhall,
    plugin_doing: PluginDoing,
    discord_server: LoopbackDiscord,
    ada: Person,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        discord_server.world.clock = lambda: time.time() + 4
        await interaction.response.send_message("sorry for the wait")

    running = await start_townhall(plugin_doing(act))
    turn = await ada.type("/act")
    assert isinstance(await running.settled(turn), discord.NotFound)
    assert "could not be answered in time" in caplog.text
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_where_no_file_may_be_attached_a_long_text_comes_in_pages_and_says_that_it_goes_on(
    perform: Perform, discord_server: LoopbackDiscord, world: TownhallWorld
) -> None:
    bot, files = discord_server.world.bot, discord.Permissions(attach_files=True)
    world.guild.overwrite(world.channels["general"], bot, deny=files)

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        assert await LiveReply(interaction).finish(text_of(9))

    turn = await perform(act)
    assert [len(message.attachments) for message in turn.messages] == [0, 0, 0]
    assert max(len(message.content) for message in turn.messages) <= MESSAGE_LIMIT
    assert "needs the permission Attach Files" in turn.messages[-1].content
