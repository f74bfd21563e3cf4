"""What is said to the bot reaches the plugins, one after the other, and what goes wrong is told to who said it."""

from __future__ import annotations

import asyncio

import pytest

from townhall_bot.loopback import Message, Person
from townhall_bot.plugins import Plugin
from townhall_bot.plugins.hearing import Heard
from townhall_bot.replies import Refusal
from townhall_bot.testkit import RunningTownhall, StartTownhall


class Parrot(Plugin):
    """Takes anything."""

    name = "aparrot"
    hears_anything = True

    def commands(self):  # type: ignore[no-untyped-def]  # none
        return []

    async def hear(self, heard: Heard) -> bool:
        await heard.ask.response.send_message(f"{heard.words}! @everyone")
        return True


class Dice(Plugin):
    """Takes one word."""

    name = "dice"
    deleted: asyncio.Queue[int]

    def commands(self):  # type: ignore[no-untyped-def]  # none
        return []

    async def start(self) -> None:
        self.deleted = asyncio.Queue()

    async def hear(self, heard: Heard) -> bool:
        match heard.words:
            case "roll":
                await heard.ask.response.send_message("4")
            case "cheat":
                raise Refusal("Not with these dice.")
            case "break":
                raise ZeroDivisionError
            case _:
                return False
        return True

    async def hear_edit(self, heard: Heard) -> bool:
        await heard.ask.response.send_message(f"changed to {heard.words}")
        return True

    async def hear_deletion(self, message_ids: set[int]) -> None:
        for message_id in message_ids:
            self.deleted.put_nowait(message_id)


@pytest.fixture
def townhall_plugins() -> list[type[Plugin]]:
    return [Parrot, Dice]


async def heard(townhall: RunningTownhall, person: Person, words: str) -> str:
    said = await person.say(f"<@{townhall.bot.application_id}> {words}")
    await townhall.settled(said)
    return "\n".join(answers_to(said))


def answers_to(said: Message) -> list[str]:
    return [message.content for message in said.channel.messages if message.reference is said]


async def test_the_plugin_that_takes_anything_is_asked_last(townhall: RunningTownhall, ada: Person) -> None:
    assert await heard(townhall, ada, "roll") == "4"
    assert await heard(townhall, ada, "sing") == "sing! @everyone"


async def test_nothing_that_is_answered_mentions_anyone(townhall: RunningTownhall, ada: Person) -> None:
    await heard(townhall, ada, f"<@{ada.id}>")
    [*_, answer] = ada.guild.channels[0].messages
    assert answer.content == "@ada! @everyone"
    assert answer.pings == []
    assert not answer.pings_everyone


async def test_refusals_and_surprises_are_told(
    townhall: RunningTownhall, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    assert await heard(townhall, ada, "cheat") == "Not with these dice."
    assert "it was not your fault" in await heard(townhall, ada, "break")
    assert "ZeroDivisionError" in caplog.text
    assert "break" not in [record.getMessage() for record in caplog.records]


async def test_edits_and_deletions_are_followed(townhall: RunningTownhall, ada: Person) -> None:
    said = await ada.say(f"<@{townhall.bot.application_id}> roll")
    await townhall.settled(said)
    await ada.edit(said, f"<@{townhall.bot.application_id}> again")
    await ada.guild.world.until(lambda: "changed to again" in answers_to(said), 5)
    await ada.delete(said)
    assert await asyncio.wait_for(townhall.plugin(Dice).deleted.get(), 5) == said.id


async def test_bots_are_not_answered_and_nobody_else_without_a_mention(townhall: RunningTownhall, ada: Person) -> None:
    world = ada.guild.world
    other = ada.guild.add_member("another bot")
    other.user.bot = True
    await Person(other).say(f"<@{townhall.bot.application_id}> sing")
    await ada.say("sing")
    assert await heard(townhall, ada, "roll") == "4"
    assert [m.content for m in ada.guild.channels[0].messages if m.author is world.bot] == ["4"]


async def test_a_bot_that_stops_says_so(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await start_townhall(Parrot)
    townhall.bot.draining = True
    said = await ada.say(f"<@{townhall.bot.application_id}> sing")
    await ada.guild.world.until(lambda: answers_to(said), 5)
    assert "about to restart" in answers_to(said)[0]
