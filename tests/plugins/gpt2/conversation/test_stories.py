"""A story is a thread: written by steps, by whoever is there, taken back, given out, and never seen twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import discord
import pytest

from plugins.gpt2.chat.recent_ends import RecentEnds
from plugins.gpt2.conversation import story_text
from plugins.gpt2.conversation.story_text import Story
from plugins.gpt2.plugin import GPT2Plugin
from tests.plugins.gpt2.conversation.said import mention, say
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import answered, begin, labels, refused
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import Channel, LoopbackDiscord, Message, Person, TownhallWorld
from townhall_bot.loopback.world import threads
from townhall_bot.replies import Refusal
from townhall_bot.testkit import RunningTownhall, StartTownhall

MARK, BOOK = story_text.MARK, story_text.BEGINS
FIRST, LATER = ["Continue", "As a file"], ["Continue", "Back one step", "As a file"]


async def told(townhall: RunningTownhall, person: Person, command: str = "/gpt2-story prompt:Once count:8") -> Channel:
    """Begin a story; return its thread."""
    turn = await answered(townhall, person, command)
    return next(each for each in person.guild.channels if each.id == turn.message.id)


async def press(townhall: RunningTownhall, person: Person, message: Message, button: str) -> None:
    assert await townhall.settled(await person.press(message, button)) is None


async def test_it_opens_a_thread_and_whoever_is_there_goes_on(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall)
    thread = await told(townhall, ada)
    assert thread.name == "Once"
    [first] = thread.messages
    text = f"Once{greedy_text('Once', 8)}"
    assert first.content == f"{BOOK}**Once**{greedy_text('Once', 8)}"
    assert labels(first) == FIRST
    await press(townhall, ben, first, "Continue")
    second = thread.messages[-1]
    assert second.content == MARK * 2 + greedy_text(text, 8)
    assert labels(second) == LATER
    assert labels(first) == []


async def test_a_line_of_ones_own_is_part_of_it(start_townhall: StartTownhall, ada: Person, ben: Person) -> None:
    townhall = await begin(start_townhall)
    thread = await told(townhall, ada)
    text = f"Once{greedy_text('Once', 8)}\nBut then"
    turn = await ben.type("/gpt2-story add:But then count:8", thread)
    assert await townhall.settled(turn) is None
    assert thread.messages[-1].content == f"{MARK}**But then**{greedy_text(text, 8)}\n-# The line is ben's."
    assert turn.messages == []
    text += greedy_text(text, 8)
    await press(townhall, ada, thread.messages[-1], "Continue")
    assert thread.messages[-1].content == MARK * 2 + greedy_text(text, 8)


async def test_a_reply_is_a_line_where_the_bot_may_be_talked_to(
    start_townhall: StartTownhall, admin: Person, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall, DEFAULT_COUNT="8")
    await answered(townhall, admin, "/gpt2-config mentions:True")
    thread = await told(townhall, ada)
    text = f"Once{greedy_text('Once', 8)}\nBut then"
    answer = await say(townhall, ben, "But then", thread, reply_to=thread.messages[0])
    assert answer.content == f"{MARK}**But then**{greedy_text(text, 8)}"
    assert labels(answer) == LATER
    text += greedy_text(text, 8)
    said = await ben.say(f"{mention(townhall)} And", thread)
    await townhall.settled(said)
    text += "\nAnd"
    assert thread.messages[-1].content == f"{MARK}**And**{greedy_text(text, 8)}"
    await ben.delete(said)
    await admin.guild.world.until(lambda: len(thread.messages) == 3 and labels(thread.messages[-1]) == LATER, 5)
    assert thread.messages[-1] is answer


async def test_one_step_back_and_on_again(start_townhall: StartTownhall, ada: Person, ben: Person) -> None:
    townhall = await begin(start_townhall)
    thread = await told(townhall, ada)
    await press(townhall, ben, thread.messages[0], "Continue")
    second = thread.messages[-1].content
    await press(townhall, ada, thread.messages[-1], "Continue")
    await press(townhall, ben, thread.messages[-1], "Back one step")
    assert [message.content for message in thread.messages[1:]] == [second]
    assert labels(thread.messages[-1]) == LATER
    await press(townhall, ben, thread.messages[-1], "Back one step")
    assert labels(thread.messages[-1]) == FIRST
    await press(townhall, ben, thread.messages[-1], "Continue")
    assert thread.messages[-1].content == second


@pytest.mark.parametrize("count", [30, 29])  # in a word, and behind a space, which Discord would take away
async def test_a_step_that_was_cut_shows_it_and_the_story_does_not_hold_that(
    start_townhall: StartTownhall, ada: Person, count: int
) -> None:
    script = "Once it rained. The cat slept on the roof and did not see that the moon had come up over the town again. "
    townhall = await begin(start_townhall, FakeSource(script=script), ENDING="sentence")
    thread = await told(townhall, ada, f"/gpt2-story prompt:Once count:{count}")
    whole = script[: 4 + count]
    gap = MARK if whole[-1] == " " else ""
    assert bool(gap) == (count == 29)
    assert thread.messages[0].content == f"{BOOK}**Once**{whole[4:]}{gap}\u2060…"
    turn = await ada.type(f"/gpt2-story add:But then count:{count}", thread)
    assert await townhall.settled(turn) is None
    assert thread.messages[-1].content.split("\n-# ")[0].endswith("\u2060…")
    await press(townhall, ada, thread.messages[-1], "Continue")
    turn = await ada.press(thread.messages[-1], "As a file")
    assert await townhall.settled(turn) is None
    [file] = turn.message.attachments
    assert file.text.startswith(f"{whole}\nBut then")
    assert "…" not in file.text
    assert "\u2060" not in file.text


@pytest.mark.parametrize("way", ["button", "command"])
async def test_all_of_it_as_a_file_after_a_restart_too(start_townhall: StartTownhall, ada: Person, way: str) -> None:
    townhall = await begin(start_townhall)
    thread = await told(townhall, ada)
    await press(townhall, ada, thread.messages[-1], "Continue")
    await townhall.stop()
    townhall = await begin(start_townhall)
    await press(townhall, ada, thread.messages[-1], "Continue")
    newest = thread.messages[-1]
    turn = await (ada.press(newest, "As a file") if way == "button" else ada.type("/gpt2-story file:True", thread))
    assert await townhall.settled(turn) is None
    text = "Once"
    for _ in range(3):
        text += greedy_text(text, 8)
    [file] = turn.message.attachments
    assert (file.text, file.filename, turn.message.ephemeral) == (text, "Once.txt", True)


async def test_white_space_between_steps_is_kept(start_townhall: StartTownhall, ada: Person) -> None:
    script = " a\n\nb c "
    townhall = await begin(start_townhall, FakeSource(script=script, context=2000))
    thread = await told(townhall, ada, "/gpt2-story prompt:Once count:5")
    for _ in range(3):
        await press(townhall, ada, thread.messages[-1], "Continue")
    turn = await ada.press(thread.messages[-1], "As a file")
    await townhall.settled(turn)
    whole = turn.message.attachments[0].text
    assert whole == "Once" + (script * 9)[4:24]


async def test_two_at_once_write_one_step(start_townhall: StartTownhall, ada: Person, ben: Person) -> None:
    gate = Gate(after=12)
    townhall = await begin(start_townhall, FakeSource(before_step=gate))
    thread = await told(townhall, ada)
    writing = await ada.press(thread.messages[0], "Continue")
    await ada.guild.world.until(lambda: len(thread.messages) == 2, 5)
    late = await ben.type("/gpt2-story add:And", thread)
    assert isinstance(await townhall.settled(late), Refusal)
    assert "being written" in late.text
    gate.open()
    assert await townhall.settled(writing) is None
    assert len(thread.messages) == 2


async def test_a_step_is_stopped(start_townhall: StartTownhall, ada: Person) -> None:
    gate = Gate(after=12)
    townhall = await begin(start_townhall, FakeSource(before_step=gate))
    thread = await told(townhall, ada)
    writing = await ada.press(thread.messages[0], "Continue")
    await ada.guild.world.until(lambda: "Writing" in thread.messages[-1].content, 5)
    stop = await ada.press(thread.messages[-1], "Stop")
    assert await townhall.settled(stop) is None
    gate.open()
    assert await townhall.settled(writing) is None
    assert "Stopped." in thread.messages[-1].content
    assert labels(thread.messages[-1]) == LATER


async def test_a_step_that_fails_leaves_the_story_as_it_was(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    thread = await told(townhall, ada)
    await townhall.plugin(GPT2Plugin).service.drain()
    turn = await ada.press(thread.messages[0], "Continue")
    assert isinstance(await townhall.settled(turn), Refusal)
    assert "about to restart" in turn.text
    assert len(thread.messages) == 1
    assert labels(thread.messages[0]) == FIRST


async def test_where_there_can_be_none_it_says_so(
    start_townhall: StartTownhall, world: TownhallWorld, discord_server: LoopbackDiscord, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    assert "one of them" in await refused(townhall, ada, "/gpt2-story")
    assert "no story in this thread" in await refused(townhall, ada, "/gpt2-story add:And")
    guild, general = world.guild, world.channels["general"]
    guild.overwrite(general, guild.members[ada.id], deny=discord.Permissions(create_public_threads=True))
    assert "you need Create Public Threads" in await refused(townhall, ada, "/gpt2-story prompt:Once")
    bot = guild.members[discord_server.world.bot.id]
    for right, name in (
        ("create_public_threads", "Create Public"),
        ("send_messages_in_threads", "Messages in Threads"),
    ):
        guild.overwrite(general, bot, deny=discord.Permissions(**{right: True}))
        assert (
            f"I lack {'Create Public Threads' if 'create' in right else 'Send Messages in Threads'}"
            in await refused(townhall, admin, "/gpt2-story prompt:Once")
        ), name


async def test_the_rules_of_the_channel_hold_in_its_threads(
    start_townhall: StartTownhall, world: TownhallWorld, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    thread = await told(townhall, ada)
    await answered(townhall, admin, "/gpt2-config allow_channel:#gpt2")
    turn = await ada.press(thread.messages[0], "Continue")
    assert isinstance(await townhall.settled(turn), Refusal)
    assert "may not be used in this channel" in turn.text
    assert labels(thread.messages[0]) == FIRST


@pytest.mark.parametrize("text", [" a", "a", "\na", "  a", " ", "\n\n", "a ", " a\n", " *a* _b_", "", " a\n-# b"])
@pytest.mark.parametrize("words", ["", "A line."])
def test_a_step_reads_as_it_was_written(text: str, words: str) -> None:
    message = SimpleNamespace(content=story_text.shown(words, text).strip(" \n"))  # as Discord keeps it
    [piece] = {Story([cast(discord.Message, message)]).text}
    assert piece == (f"\n{words}" if words else "") + text


async def test_a_step_of_several_messages_is_read_whole(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall, FakeSource(script="**** ", context=4000), MAX_COUNT="300")
    prompt = "o_" * 500
    thread = await told(townhall, ada, f"/gpt2-story prompt:{prompt} count:300")
    for _ in range(3):
        await press(townhall, ada, thread.messages[-1], "Continue")
    turn = await ada.press(thread.messages[-1], "As a file")
    await townhall.settled(turn)
    assert len(thread.messages) == 5
    assert turn.message.attachments[0].text == prompt + "**** " * 240


async def test_a_locked_thread_and_missing_rights_are_told_before_anything_is_written(
    start_townhall: StartTownhall, world: TownhallWorld, discord_server: LoopbackDiscord, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    thread = await told(townhall, ada)
    threads.change(discord_server.world, thread, locked=True)
    turn = await ada.press(thread.messages[0], "Continue")
    assert isinstance(await townhall.settled(turn), Refusal)
    assert "This thread is locked" in turn.text
    threads.change(discord_server.world, thread, locked=False)
    bot = world.guild.members[discord_server.world.bot.id]
    deny = discord.Permissions(send_messages_in_threads=True)
    world.guild.overwrite(world.channels["general"], bot, deny=deny)
    turn = await ada.press(thread.messages[0], "Continue")
    assert isinstance(await townhall.settled(turn), Refusal)
    assert "I lack Send Messages in Threads" in turn.text
    assert labels(thread.messages[0]) == FIRST


async def test_an_archived_thread_is_opened_by_the_next_step(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    thread = await told(townhall, ada)
    threads.change(discord_server.world, thread, archived=True)
    await press(townhall, ada, thread.messages[0], "Continue")
    assert len(thread.messages) == 2
    assert thread.thread is not None
    assert not thread.thread.archived


async def test_a_thread_that_discord_refuses_leaves_no_title(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    route = "/channels/{channel_id}/messages/{message_id}/threads"
    discord_server.faults.answer("POST", route, 403, code=50013, times=1)
    turn = await ada.type("/gpt2-story prompt:Once count:8")
    assert await townhall.settled(turn) is not None
    assert "the bot may not write here" in turn.text
    assert turn.channel.messages == []
    await told(townhall, ada)


async def test_a_step_that_discord_refuses_is_told_to_who_pressed(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall)
    thread = await told(townhall, ada)
    discord_server.faults.answer("POST", "/channels/{channel_id}/messages", 400, code=200000, times=100)
    turn = await ben.press(thread.messages[0], "Continue")
    assert isinstance(await townhall.settled(turn), Refusal)
    assert "AutoMod" in turn.text or "did not take it" in turn.text
    assert labels(thread.messages[0]) == FIRST
    discord_server.faults.clear()
    await press(townhall, ben, thread.messages[0], "Continue")
    assert len(thread.messages) == 2


async def test_who_presses_stop_twice_does_not_go_on(
    start_townhall: StartTownhall, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """*Continue* stands where *Stop* stood."""
    assert RecentEnds.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(RecentEnds.__init__.__kwdefaults__, "moment_s", 60.0)
    townhall = await begin(start_townhall)
    thread = await told(townhall, ada)
    turn = await ada.press(thread.messages[0], "Continue")
    assert isinstance(await townhall.settled(turn), Refusal)
    assert "Press “Continue” once more" in turn.text
    assert len(thread.messages) == 1
