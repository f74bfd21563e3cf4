"""A mention, a reply and a direct message are answered where that is allowed, and nothing else is heard."""

from __future__ import annotations

import json

from tests.plugins.gpt2.conversation.said import answers_to, mention, say
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import FINISHED, answered, begin, labels
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import LoopbackDiscord, Person, TownhallWorld
from townhall_bot.replies import Refusal
from townhall_bot.testkit import RunningTownhall, StartTownhall


async def talking(start_townhall: StartTownhall, admin: Person, source: FakeSource | None = None) -> RunningTownhall:
    """Start the bot, on a server whose admin lets people talk to it."""
    townhall = await begin(start_townhall, source, DEFAULT_COUNT="8")
    await answered(townhall, admin, "/gpt2-config mentions:True")
    return townhall


async def test_a_mention_with_words_continues_them(start_townhall: StartTownhall, admin: Person, ada: Person) -> None:
    townhall = await talking(start_townhall, admin)
    answer = await say(townhall, ada, "@bot Hello")
    assert answer.content == f"**Hello**{greedy_text('Hello', 8)}"
    assert labels(answer) == FINISHED
    assert answer.pings == []


async def test_a_reply_to_a_text_goes_on_from_it_with_the_words_of_the_reply(
    start_townhall: StartTownhall, admin: Person, ada: Person, ben: Person
) -> None:
    townhall = await talking(start_townhall, admin)
    first = await answered(townhall, ada, "/gpt2 prompt:Hello count:8")
    answer = await say(townhall, ben, "@bot But then", reply_to=first.message)
    so_far = f"Hello{greedy_text('Hello', 8)}\nBut then"
    assert answer.content == f"↪ **But then**{greedy_text(so_far, 8)}"
    again = await say(townhall, ada, "And", reply_to=answer)
    so_far = f"{so_far}{greedy_text(so_far, 8)}\nAnd"
    assert again.content == f"↪ **And**{greedy_text(so_far, 8)}"


async def test_a_reply_to_a_commands_answer_is_told_to_mention_where_that_would_help(
    start_townhall: StartTownhall, world: TownhallWorld, admin: Person, ada: Person
) -> None:
    """Discord counts it as no mention, and gives its words to nobody (discord-api-docs issue 5395)."""
    townhall = await talking(start_townhall, admin)
    first = await answered(townhall, ada, "/gpt2 prompt:Hello count:8")
    told = await say(townhall, ada, "But then", reply_to=first.message)
    assert "Mention me in it, or press Continue" in told.content
    await answered(townhall, admin, "/gpt2-config mentions:False")
    other = await ada.type("/gpt2 prompt:Hello count:8", world.channels["gpt2"])
    assert await townhall.settled(other) is None
    said = await ada.say("But then", world.channels["gpt2"], reply_to=other.message)
    assert await townhall.settled(said) is None
    assert answers_to(said) == []


async def test_a_chain_of_replies_outlives_a_restart(start_townhall: StartTownhall, admin: Person, ada: Person) -> None:
    townhall = await talking(start_townhall, admin)
    first = await say(townhall, ada, "@bot Hello")
    second = await say(townhall, ada, "But", reply_to=first)
    await townhall.stop()
    townhall = await begin(start_townhall, DEFAULT_COUNT="8")
    third = await say(townhall, ada, "And", reply_to=second)
    so_far = f"Hello{greedy_text('Hello', 8)}\nBut"
    so_far = f"{so_far}{greedy_text(so_far, 8)}\nAnd"
    assert third.content == f"↪ **And**{greedy_text(so_far, 8)}"


async def test_buttons_below_a_reply_know_what_was_said_before(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    townhall = await talking(start_townhall, admin)
    first = await say(townhall, ada, "@bot Hello")
    second = await say(townhall, ada, "But", reply_to=first)
    turn = await ada.press(second, "Continue")
    assert await townhall.settled(turn) is None
    so_far = f"Hello{greedy_text('Hello', 8)}\nBut"
    so_far += greedy_text(so_far, 8)
    assert turn.text.endswith(greedy_text(so_far, 8))


async def test_a_direct_message_is_a_prompt(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall, DEFAULT_COUNT="8")
    answer = await say(townhall, ada, "Hello", ada.direct_messages)
    assert answer.content == f"**Hello**{greedy_text('Hello', 8)}"


async def test_where_it_is_off_a_channel_is_told_once_an_hour(
    start_townhall: StartTownhall, world: TownhallWorld, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall)
    answer = await say(townhall, ada, "@bot Hello")
    assert "/gpt2-config mentions:" in answer.content
    for person in (ada, ben):
        said = await person.say(f"{mention(townhall)} Hello?")
        assert await townhall.settled(said) is None
        assert answers_to(said) == []
    elsewhere = await say(townhall, ada, "@bot Hello", world.channels["gpt2"])
    assert "only" in elsewhere.content


async def test_the_host_may_leave_direct_messages_off(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall, DIRECT_MESSAGES="false")
    answer = await say(townhall, ada, "Hello", ada.direct_messages)
    assert "answer to commands only" in answer.content


async def test_the_host_may_have_it_hear_nothing(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, world: TownhallWorld, ada: Person
) -> None:
    settings = {"TOWNHALL_HEAR_MESSAGES": "false"}
    townhall = await start_townhall(settings=settings)
    await ada.say(f"{mention(townhall)} Hello")
    await ada.say("Hello", ada.direct_messages)
    assert not [event for event in discord_server.gateway.events if '"MESSAGE_CREATE"' in event.text]


async def test_what_is_said_to_others_is_not_given_out_by_discord_and_not_read_by_the_bot(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, admin: Person, ada: Person, ben: Person
) -> None:
    townhall = await talking(start_townhall, admin)
    other = await ada.say("The secret is 42")
    said = await ben.say(f"{mention(townhall)} Hello", reply_to=other)
    assert await townhall.settled(said) is None
    frames = [json.loads(event.text) for event in discord_server.gateway.events]
    heard = [frame["d"]["content"] for frame in frames if frame["t"] == "MESSAGE_CREATE"]
    assert heard[:2] == ["", f"{mention(townhall)} Hello"]
    assert not any("secret" in event.text for event in discord_server.gateway.events)


async def test_a_mention_without_words_is_told_how_to_ask(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    townhall = await talking(start_townhall, admin)
    answer = await say(townhall, ada, "@bot")
    assert "how a text begins" in answer.content


async def test_rules_and_limits_hold(
    start_townhall: StartTownhall, world: TownhallWorld, admin: Person, ada: Person
) -> None:
    townhall = await talking(start_townhall, admin)
    await answered(townhall, admin, "/gpt2-config allow_channel:#gpt2")
    refused = await say(townhall, ada, "@bot Hello", world.channels["general"], raises=Refusal)
    assert "may not be used in this channel" in refused.content


async def test_a_change_of_the_words_while_it_writes_is_followed(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    gate = Gate(after=3)
    townhall = await talking(start_townhall, admin, FakeSource(before_step=gate))
    said = await ada.say(f"{mention(townhall)} Hello")
    await admin.guild.world.until(lambda: answers_to(said) and "Writing" in answers_to(said)[0].content, 10)
    first = answers_to(said)[0]
    await ada.edit(said, f"{mention(townhall)} Goodbye")
    gate.open()
    text = f"**Goodbye**{greedy_text('Goodbye', 8)}"
    await admin.guild.world.until(lambda: [each.content for each in answers_to(said)] == [text], 10)
    assert answers_to(said) == [first]  # one answer, changed


async def test_a_change_of_the_last_words_writes_anew_and_of_older_ones_does_not(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    townhall = await talking(start_townhall, admin)
    first = await ada.say(f"{mention(townhall)} Hello")
    await townhall.settled(first)
    before = answers_to(first)[0].content
    second = await ada.say(f"{mention(townhall)} One")
    await townhall.settled(second)
    await ada.edit(first, f"{mention(townhall)} Goodbye")
    await ada.edit(second, f"{mention(townhall)} Two")
    text = f"**Two**{greedy_text('Two', 8)}"
    await admin.guild.world.until(lambda: [each.content for each in answers_to(second)] == [text], 10)
    assert answers_to(first)[0].content == before


async def test_a_deleted_message_takes_its_answer_with_it(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    townhall = await talking(start_townhall, admin)
    said = await ada.say(f"{mention(townhall)} Hello")
    await townhall.settled(said)
    assert answers_to(said)
    await ada.delete(said)
    await admin.guild.world.until(lambda: not answers_to(said), 10)


async def test_a_message_deleted_while_it_is_answered_stops_the_text(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    gate = Gate(after=3)
    townhall = await talking(start_townhall, admin, FakeSource(before_step=gate))
    said = await ada.say(f"{mention(townhall)} Hello")
    await admin.guild.world.until(lambda: answers_to(said) and "Writing" in answers_to(said)[0].content, 10)
    answer = answers_to(said)[0]
    await ada.delete(said)
    gate.open()
    await admin.guild.world.until(lambda: not answers_to(said), 10)
    assert answer.deleted


async def test_where_the_bot_may_not_write_the_asker_is_told_directly(
    start_townhall: StartTownhall, world: TownhallWorld, discord_server: LoopbackDiscord, admin: Person, ada: Person
) -> None:
    import discord

    townhall = await talking(start_townhall, admin)
    guild = world.guild
    guild.overwrite(
        world.channels["general"],
        guild.members[discord_server.world.bot.id],
        deny=discord.Permissions(send_messages=True),
    )
    said = await ada.say(f"{mention(townhall)} Hello")
    await townhall.settled(said)
    [told] = ada.direct_messages.messages
    assert "Send Messages" in told.content


async def test_a_long_answer_is_one_with_all_its_messages(start_townhall: StartTownhall, ada: Person) -> None:
    source = FakeSource(script="**** ", context=6000)
    townhall = await begin(start_townhall, source, MAX_COUNT="1024", DEFAULT_COUNT="1024")
    said = await ada.say("Hi, " * 300, ada.direct_messages)
    assert await townhall.settled(said) is None
    pages = answers_to(said)
    assert [labels(page) for page in pages] == [[], FINISHED]
    turn = await ada.press(pages[-1], "Again")
    assert await townhall.settled(turn) is None
    assert "Hi, Hi, " in turn.text
    await ada.edit(said, "Hi " * 300)
    await ada.guild.world.until(lambda: pages[1].deleted and len(answers_to(said)) == 2, 5)
    await ada.delete(said)
    await ada.guild.world.until(lambda: not answers_to(said), 5)


async def test_admins_turn_it_on_and_off_in_the_panel_and_the_trail_has_it(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall, DEFAULT_COUNT="8")
    panel = await answered(townhall, admin, "/gpt2-config")
    assert "Answers to mentions and replies: off" in panel.text
    await townhall.settled(await admin.press(panel.message, "Answer mentions"))
    assert "Answers to mentions and replies: off → on" in panel.text
    assert (await say(townhall, ada, "@bot Hello")).content == f"**Hello**{greedy_text('Hello', 8)}"
    await townhall.settled(await admin.press(panel.message, "Answer commands only"))
    assert "commands only" in (await say(townhall, ada, "@bot Hello")).content
    trail = await answered(townhall, admin, "/gpt2-config audit:True")
    assert trail.text.count("Answers to mentions and replies") == 2


async def test_privacy_says_what_is_heard(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    told = (await (await ada.type("/privacy")).until(lambda turn: turn.messages)).text
    assert "without what they say, and it drops that unread" in told
    assert "A direct message to it is a prompt" in told
    await townhall.stop()
    await begin(start_townhall, DIRECT_MESSAGES="false")
    told = (await (await ada.type("/privacy")).until(lambda turn: turn.messages)).text
    assert "a direct message is none here" in told


async def test_in_direct_messages_it_answers_in_the_language_of_the_last_press(
    start_townhall: StartTownhall, ada: Person
) -> None:
    townhall = await begin(start_townhall, DEFAULT_COUNT="8")
    ada.user.locale = "de"
    answer = await say(townhall, ada, "Hello", ada.direct_messages)
    assert labels(answer) == FINISHED
    assert await townhall.settled(await ada.press(answer, "Again")) is None
    german = await say(townhall, ada, "Hello", ada.direct_messages)
    assert labels(german) == ["Noch einmal", "Fortsetzen", "Ändern …", "Löschen"]


async def test_a_reply_to_what_is_no_text_is_a_prompt_of_its_own(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    townhall = await talking(start_townhall, admin)
    hint = await say(townhall, ada, "@bot")
    answer = await say(townhall, ada, "Hello", reply_to=hint)
    assert answer.content == f"**Hello**{greedy_text('Hello', 8)}"


async def test_who_asks_too_much_is_told_once_a_minute_not_each_time(
    start_townhall: StartTownhall, admin: Person, ada: Person, ben: Person
) -> None:
    gate = Gate(after=3)
    townhall = await begin(start_townhall, FakeSource(before_step=gate), MEMBER_LIMIT="1")
    await answered(townhall, admin, "/gpt2-config mentions:True")
    first = await ada.say(f"{mention(townhall)} Hello")
    await admin.guild.world.until(lambda: answers_to(first), 5)
    told = [await ada.say(f"{mention(townhall)} More") for _ in range(3)]
    for said in told:
        assert isinstance(await townhall.settled(said), Refusal)
    assert [len(answers_to(said)) for said in told] == [1, 0, 0]
    assert "1 text on the way" in answers_to(told[0])[0].content
    gate.open()
    assert await townhall.settled(first) is None
