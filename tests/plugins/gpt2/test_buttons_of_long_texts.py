"""Buttons in the thick of it: pages with others' words between them, a Stop that comes late, a moderator's Stop."""

from __future__ import annotations

import asyncio

from plugins.gpt2.plugin import GPT2Plugin
from plugins.gpt2.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import LoopbackDiscord, Message, Person, Turn
from townhall_bot.testkit import RunningTownhall, StartTownhall

HOST = {
    "TOWNHALL_GPT2_MODEL": "fake",
    "TOWNHALL_GPT2_ALLOWED_MODELS": "fake",
    "TOWNHALL_GPT2_TEMPERATURE": "0",
    "TOWNHALL_GPT2_REPETITION_PENALTY": "1",
    "TOWNHALL_GPT2_MAX_COUNT": "1024",
}
FINISHED = ["Again", "Continue", "Edit…", "Delete"]


async def begin(start_townhall: StartTownhall, source: FakeSource) -> RunningTownhall:
    class WithFakeModels(GPT2Plugin):
        def make_service(self, settings: GPT2Settings) -> GPT2Service:
            return GPT2Service(settings, source, available_memory=lambda: None)

    return await start_townhall(WithFakeModels, settings=HOST)


def labels(message: Message) -> list[str]:
    return [str(button["label"]) for button in message.buttons]


async def finished(turn: Turn) -> Turn:
    return await turn.until(lambda turn: turn.messages and labels(turn.messages[-1]) == FINISHED)


async def test_what_others_say_between_the_pages_of_a_text_is_neither_continued_nor_deleted(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall, FakeSource(context=4000, script="_*" * 40 + " "))
    last_page = discord_server.weather.hold("POST", "/webhooks/*/*")
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
    gate = Gate(after=6)
    townhall = await begin(start_townhall, FakeSource(before_step=gate))
    turn = await ada.type("/gpt2 prompt:Hello count:30")
    await turn.until(lambda turn: "Writing" in turn.text)
    last_words = discord_server.weather.hold("PATCH", "/webhooks/*/messages/@original")
    gate.open()
    await last_words.arrived.wait()
    press = await ada.press(turn.message, "Stop")
    await press.acknowledged()
    last_words.release()
    assert await townhall.settled(turn) is None
    assert not any("restarted" in version for version in turn.message.versions)


async def test_after_a_moderators_stop_of_an_interrupted_text_its_buttons_are_still_the_askers(
    start_townhall: StartTownhall, ada: Person, admin: Person
) -> None:
    gate = Gate(after=6)
    townhall = await begin(start_townhall, FakeSource(before_step=gate))
    turn = await ada.type("/gpt2 prompt:Hello count:30")
    await turn.until(lambda turn: "Writing" in turn.text)
    before = turn.message.content, list(turn.message.components)
    stopping = asyncio.create_task(townhall.stop())
    await turn.until(lambda turn: "stopping" in turn.text)
    gate.open()
    await stopping
    turn.message.content, turn.message.components = before  # as a process that was killed leaves it
    await begin(start_townhall, FakeSource())
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
    townhall = await begin(start_townhall, FakeSource())
    turn = await ada.type("/gpt2 prompt:Hello count:5")
    assert await townhall.settled(turn) is None
    for count in ("0", "1025"):
        form = await ada.press(turn.message, "Edit…")
        await form.until(lambda turn: turn.modal)
        answer = await ada.submit(form, prompt="Hello", count=count)
        await answer.until(lambda turn: turn.messages)
        assert f"must be a number from 1 to 1024, not “{count}”" in answer.text
        assert answer.message.ephemeral
