"""The real client against the local Discord: the stories that everything else is built on."""

from __future__ import annotations

from tests.townhall_bot.loopback.example_bot import ExampleBot
from townhall_bot.loopback import LoopbackDiscord, ResponseType, TownhallWorld


async def test_a_client_logs_in_and_finds_the_server(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    assert bot.user is not None
    assert bot.user.id == server.world.bot.id
    assert [guild.name for guild in bot.guilds] == ["Townhall"]
    assert [channel.name for channel in bot.guilds[0].text_channels] == ["general", "gpt2"]


async def test_an_answer_grows_by_edits_and_ends_with_a_file(bot: ExampleBot, world: TownhallWorld) -> None:
    turn = await world.people["ada"].type("/grow words:3 unit:see")
    assert await turn.acknowledged() is ResponseType.DEFERRED_MESSAGE
    await turn.until(lambda turn: len(turn.messages) == 2)
    answer, followup = turn.messages
    assert answer.versions == ["", "see", "see see", "see see see"]
    assert followup.content == "that was it"
    assert followup.attachments[0].text == "all of it"
    assert turn.text == "see see see\nthat was it\n[file answer.txt, 9 bytes]"
