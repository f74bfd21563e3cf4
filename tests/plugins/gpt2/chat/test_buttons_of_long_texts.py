"""Buttons in the thick of it: pages with others' words between them, a Stop that comes late, a moderator's Stop."""

from __future__ import annotations

import asyncio

import pytest

from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import answered, begin, finished, half_written, interrupted
from tests.plugins.gpt2.fake_source import FakeSource
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.testkit import StartTownhall


async def test_what_others_say_between_the_pages_of_a_text_is_neither_continued_nor_deleted(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall, FakeSource(context=4000, script="_*" * 40 + " "), MAX_COUNT="1024")
    last_page = discord_server.faults.hold("POST", "/webhooks/*/*")
    turn = await ada.type("/gpt2 prompt:Once count:1024")
    async with asyncio.timeout(8):
        await last_page.arrived.wait()
    said = await ben.say("ZEBRA between the pages")
    other = await ben.type("/gpt2 prompt:ZEBRA count:5")
    assert await townhall.settled(other) is None
    last_page.release()
    assert await townhall.settled(turn) is None
    assert len(turn.messages) == 2

    more = await finished(await ada.press(turn.messages[-1], "Continue"))
    assert "ZEBRA" not in " ".join(message.content for message in more.messages)
    pages = turn.messages
    await ada.press(pages[-1], "Delete")
    await turn.until(lambda turn: all(page.deleted for page in pages))
    assert not said.deleted
    assert not other.message.deleted


async def test_a_stop_that_comes_while_the_last_words_are_sent_changes_nothing(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    townhall, turn, gate = await half_written(start_townhall, ada)
    last_words = discord_server.faults.hold("PATCH", "/webhooks/*/messages/@original")
    gate.open()
    await last_words.arrived.wait()
    press = await ada.press(turn.message, "Stop")
    await press.acknowledged()
    last_words.release()
    assert await townhall.settled(turn) is None
    assert not any("restarted" in version for version in turn.message.versions)


@pytest.mark.usefixtures("lively")
async def test_after_a_moderators_stop_of_an_interrupted_text_its_buttons_are_still_the_askers(
    start_townhall: StartTownhall, ada: Person, admin: Person
) -> None:
    turn = await interrupted(start_townhall, ada)
    await admin.press(turn.message, "Stop")
    await finished(turn)
    refused = await admin.press(turn.message, "Again")
    await refused.until(lambda turn: turn.messages)
    assert f"These buttons are <@{ada.id}>'s." in refused.text
    again = await finished(await ada.press(turn.message, "Again"))
    assert again.text == f"**Hello**{greedy_text('Hello', 30)}"


async def test_the_form_takes_no_count_that_the_command_would_not_take(
    start_townhall: StartTownhall, ada: Person
) -> None:
    townhall = await begin(start_townhall, MAX_COUNT="1024")
    turn = await answered(townhall, ada)
    for count in ("0", "1025"):
        form = await ada.press(turn.message, "Edit…")
        await form.until(lambda turn: turn.modal)
        answer = await ada.submit(form, prompt="Hello", count=count)
        await answer.until(lambda turn: turn.messages)
        assert f"must be a number from 1 to 1024, not “{count}”" in answer.text
        assert answer.message.ephemeral
