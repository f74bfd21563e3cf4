"""A growing text, as members see it: it grows, it keeps to the rate limit, it always ends complete."""

import asyncio
import time

import discord
import pytest

from tests.townhall_bot.replies.growing import ANSWER, Perform, an_edit, the_answer
from townhall_bot.loopback import Guild, LoopbackDiscord, Person
from townhall_bot.replies import LiveReply
from townhall_bot.replies.paging import MESSAGE_LIMIT


def words(count: int) -> str:
    return " ".join(f"word{number}" for number in range(count))


async def test_the_text_grows_and_ends_complete(perform: Perform, discord_server: LoopbackDiscord) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        reply = LiveReply(interaction, interval=0.001)
        reply.show("My fellow", note="writing")
        await an_edit(discord_server)
        assert await reply.finish("My fellow citizens", note="done in 1 s")

    turn = await perform(act)
    assert turn.message.versions[-2:] == ["My fellow\n-# writing", "My fellow citizens\n-# done in 1 s"]


async def test_however_often_text_is_shown_edits_keep_their_pace(perform: Perform) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        reply = LiveReply(interaction, interval=60)
        for count in range(1, 500):
            reply.show(words(count))
            if count % 50 == 0:
                await asyncio.sleep(0)
        await reply.finish(words(10))

    turn = await perform(act)
    assert turn.text == words(10)
    assert turn.message.edits <= 2


async def test_the_same_text_twice_is_one_edit(perform: Perform, discord_server: LoopbackDiscord) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        reply = LiveReply(interaction, interval=0)
        reply.show("steady")
        await an_edit(discord_server)
        for _ in range(20):
            reply.show("steady")
            await asyncio.sleep(0)
        await reply.finish("steady.")

    assert (await perform(act)).message.edits == 2


async def test_a_command_that_was_not_deferred_is_answered_at_once(perform: Perform) -> None:
    async def act(interaction: discord.Interaction) -> None:
        assert await LiveReply(interaction).finish("Quick.")

    turn = await perform(act)
    assert turn.text == "Quick."
    assert turn.response is not None
    assert turn.response.name == "MESSAGE"


async def test_a_long_text_goes_on_in_further_messages_without_cutting_words(perform: Perform) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        view = discord.ui.View()
        view.add_item(discord.ui.Button(label="Again", custom_id="again"))
        assert await LiveReply(interaction).finish(words(600), note="measured", view=view)

    turn = await perform(act)
    assert 1 < len(turn.messages) <= 3
    assert all(len(message.content) <= MESSAGE_LIMIT for message in turn.messages)
    assert " ".join(message.content for message in turn.messages).split("\n-#")[0].split() == words(600).split()
    assert turn.messages[-1].content.endswith("\n-# measured")
    assert [len(message.buttons) for message in turn.messages] == [0] * (len(turn.messages) - 1) + [1]


async def test_a_very_long_text_is_a_file_with_its_beginning_shown(perform: Perform) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        assert await LiveReply(interaction).finish(words(2000), note="measured")

    turn = await perform(act)
    (message,) = turn.messages
    (file,) = message.attachments
    assert file.text == words(2000)
    assert message.content.startswith("word0 word1 ")
    assert "in the file" in message.content
    assert message.content.endswith("-# measured")
    assert len(message.content) <= MESSAGE_LIMIT


async def test_while_it_grows_beyond_one_message_its_end_is_shown(
    perform: Perform, discord_server: LoopbackDiscord
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        reply = LiveReply(interaction, interval=0.001)
        reply.show(words(1000))
        await an_edit(discord_server)
        await reply.finish("short after all")

    turn = await perform(act)
    growing = turn.message.versions[-2]
    assert growing.startswith("… word")
    assert growing.endswith("word999")
    assert turn.text == "short after all"


async def test_nobody_is_mentioned_and_no_link_is_masked(perform: Perform) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        await LiveReply(interaction).finish(f"@everyone <@{interaction.user.id}> [bank](https://evil.example)")

    turn = await perform(act)
    assert "@everyone" in turn.text
    assert not turn.message.pings_everyone
    assert turn.message.pings == []
    assert "](" not in turn.text


async def test_an_empty_text_is_said_to_be_empty(perform: Perform) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        assert await LiveReply(interaction).finish("")

    assert (await perform(act)).text == "*(no text)*"


async def test_what_it_says_itself_is_in_the_readers_language(perform: Perform, guild: Guild, ada: Person) -> None:
    guild.locale = "de"

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        assert await LiveReply(interaction).finish("")
        await LiveReply(interaction).finish(words(2000))

    turn = await perform(act)
    assert turn.message.versions[-2] == "*(kein Text)*"
    assert turn.message.content.endswith("-# Der ganze Text steht in der Datei.")


async def test_what_one_person_alone_reads_is_in_that_persons_language(
    perform: Perform, guild: Guild, ada: Person
) -> None:
    guild.locale, ada.user.locale = "ja", "de"

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True, ephemeral=True)
        assert await LiveReply(interaction, ephemeral=True).finish("")

    assert (await perform(act)).text == "*(kein Text)*"


async def test_buttons_are_there_while_it_grows_and_gone_at_the_end(
    perform: Perform, discord_server: LoopbackDiscord
) -> None:
    seen: list[int] = []

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        view = discord.ui.View()
        view.add_item(discord.ui.Button(label="Stop", custom_id="stop"))
        reply = LiveReply(interaction, interval=0.001, view=view)
        reply.show("growing")
        await an_edit(discord_server)
        seen.append(len(the_answer(discord_server).buttons))
        await reply.finish("grown")

    turn = await perform(act)
    assert [*seen, len(turn.message.buttons)] == [1, 0]


async def test_the_final_text_arrives_over_a_connection_that_breaks(
    perform: Perform, discord_server: LoopbackDiscord
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        discord_server.faults.cut("PATCH", ANSWER, times=3)
        assert await LiveReply(interaction, interval=0.001).finish("still here")

    assert (await perform(act)).text == "still here"


async def test_the_final_text_waits_out_a_rate_limit(perform: Perform, discord_server: LoopbackDiscord) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        discord_server.faults.answer("PATCH", ANSWER, 429, times=2, retry_after=0.01)
        assert await LiveReply(interaction, interval=0.001).finish("patience")

    assert (await perform(act)).text == "patience"


async def test_an_edit_on_its_way_cannot_overwrite_the_final_text(
    perform: Perform, discord_server: LoopbackDiscord
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        slow = discord_server.faults.hold("PATCH", ANSWER)
        reply = LiveReply(interaction, interval=0.001)
        reply.show("half")
        await slow.arrived.wait()
        finishing = asyncio.create_task(reply.finish("whole"))
        await asyncio.sleep(0)
        slow.release()
        assert await finishing

    turn = await perform(act)
    assert turn.message.versions[-2:] == ["half", "whole"]


async def test_what_was_deleted_by_someone_is_not_brought_back(
    perform: Perform, discord_server: LoopbackDiscord
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        reply = LiveReply(interaction, interval=0.001)
        discord_server.world.delete(the_answer(discord_server))
        assert await reply.finish("unwanted")

    turn = await perform(act)
    assert turn.messages == []


def let_the_token_expire(server: LoopbackDiscord) -> None:
    server.world.clock = lambda: time.time() + 15 * 60 + 1


async def test_after_15_minutes_the_unfinished_answer_is_edited_by_the_bots_own_right(
    perform: Perform, discord_server: LoopbackDiscord
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        reply = LiveReply(interaction, interval=0.001)
        reply.show("half")
        await an_edit(discord_server)
        let_the_token_expire(discord_server)
        assert await reply.finish(words(600))

    turn = await perform(act)
    in_channel = turn.channel.messages
    assert in_channel[0] is turn.message
    assert " ".join(message.content for message in in_channel).split() == words(600).split()


async def test_after_15_minutes_without_an_answer_to_edit_it_becomes_a_message(
    perform: Perform, discord_server: LoopbackDiscord
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        let_the_token_expire(discord_server)
        assert await LiveReply(interaction, interval=0.001).finish("late, but here")

    turn = await perform(act)
    assert turn.channel.messages[-1].content == "late, but here"


async def test_an_answer_for_the_asker_alone_never_goes_to_the_channel(
    perform: Perform, discord_server: LoopbackDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True, ephemeral=True)
        let_the_token_expire(discord_server)
        assert not await LiveReply(interaction, interval=0.001, ephemeral=True).finish("a secret")

    turn = await perform(act)
    assert turn.channel.messages == []
    assert "did not arrive" in caplog.text
    assert "a secret" not in caplog.text


async def test_a_loss_is_told_and_logged(
    perform: Perform, discord_server: LoopbackDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        discord_server.faults.cut("PATCH", ANSWER, times=100)
        assert not await LiveReply(interaction, interval=0.001).finish("into the void")

    await perform(act)
    assert "did not arrive" in caplog.text
