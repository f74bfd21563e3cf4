"""People who talk to the bot in a test, and what it answers."""

from __future__ import annotations

from townhall_bot.loopback import Channel, Message, Person
from townhall_bot.testkit import RunningTownhall

BOT = "<@{id}>"


def answers_to(message: Message) -> list[Message]:
    """Return what the bot wrote as replies to a message, and what still stands of it."""
    return [each for each in message.channel.messages if each.reference is message and each.author.bot]


async def say(
    townhall: RunningTownhall,
    person: Person,
    text: str,
    channel: Channel | None = None,
    reply_to: Message | None = None,
    raises: type[Exception] | None = None,
) -> Message:
    """Say something to the bot, ``@`` in front of it for a mention; return the answer."""
    said = await person.say(text.replace("@bot", mention(townhall)), channel, reply_to=reply_to)
    error = await townhall.settled(said)
    assert raises is None if error is None else raises is not None and isinstance(error, raises), error
    [answer] = answers_to(said)
    return answer


def mention(townhall: RunningTownhall) -> str:
    """Return what mentions the bot."""
    assert townhall.bot.user is not None
    return townhall.bot.user.mention
