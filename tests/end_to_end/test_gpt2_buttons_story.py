"""A day on a server with the real bot and townhall-mini: stop, again, continue, edit, statistics, a restart, delete."""

from __future__ import annotations

from plugins.gpt2.plugin import GPT2Plugin
from townhall_bot.loopback import Guild, Person, Turn
from townhall_bot.testkit import StartTownhall

PROMPT = "My fellow citizens"
FINISHED = ["Again", "Continue", "Edit…", "Delete"]


async def finished(turn: Turn) -> Turn:
    return await turn.until(lambda turn: turn.messages and labels(turn) == FINISHED, timeout=60)


def labels(turn: Turn) -> list[str]:
    return [str(button["label"]) for button in turn.messages[-1].buttons]


def words(turn: Turn) -> str:
    """What is read: without asterisks, escapes and small print."""
    lines = [line for line in turn.text.split("\n") if not line.startswith("-#")]
    return "\n".join(lines).replace("**", "").replace("\\", "")


def goes_on(longer: Turn, shorter: Turn) -> bool:
    """Whether there is more; a trained model may also end its text at any token, and then the answer says so."""
    return len(words(longer)) > len(words(shorter)) + 20 or "The model ended its text here." in longer.text


async def test_a_day_with_buttons(
    start_townhall: StartTownhall, guild: Guild, ada: Person, ben: Person, admin: Person
) -> None:
    townhall = await start_townhall(GPT2Plugin, settings={"TOWNHALL_GPT2_MEMBER_LIMIT": "4"})

    # Ada asks for a long text while the model still loads, and thinks better of it.
    long = await ada.type(f"/gpt2 prompt:{PROMPT} count:300 timing:True")
    await long.until(lambda turn: turn.messages and labels(turn) == ["Stop"], timeout=60)
    await (await ada.press(long.message, "Stop")).acknowledged()
    assert await townhall.settled(long, seconds=60) is None
    assert "-# Stopped." in long.text
    assert labels(long) == FINISHED

    # Another one, and on from there: the longer text begins with the shorter one.
    first = await finished(await ada.type(f"/gpt2 prompt:{PROMPT} count:20"))
    again = await finished(await ada.press(first.message, "Again"))
    assert again.text.startswith(f"**{PROMPT}**")
    more = await finished(await ada.press(first.message, "Continue"))
    assert words(more).startswith(words(first))
    assert goes_on(more, first)

    # Ben may not press Ada's buttons, but may go on from what she has.
    refused = await ben.press(first.message, "Continue")
    await refused.until(lambda turn: turn.messages)
    assert refused.message.ephemeral
    his = await finished(await ben.use_menu("Continue with GPT-2", first.message))
    assert words(his).startswith(words(first))

    # The admin lets GPT-2 into one channel only; buttons obey like commands.
    allow = await admin.type("/gpt2-config allow_channel:#gpt2 max_count:50")
    assert await townhall.settled(allow) is None
    refused = await ada.press(first.message, "Again")
    await refused.until(lambda turn: "may not be used in this channel" in turn.text)
    open_again = await admin.type("/gpt2-config reset:True")
    assert await townhall.settled(open_again) is None

    # After a restart all of it goes on: the buttons, the trail, the numbers.
    await townhall.stop()
    townhall = await start_townhall(GPT2Plugin)
    after = await finished(await ada.press(more.message, "Continue"))
    assert goes_on(after, more)
    form = await ada.press(first.message, "Edit…")
    await form.until(lambda turn: turn.modal)
    edited = await finished(await ada.submit(form, prompt="Once upon a time", count="10"))
    assert edited.text.startswith("**Once upon a time**")
    trail = await admin.type("/gpt2-config audit:True")
    assert await townhall.settled(trail) is None
    assert "Maximum count: the host's default → 50" in trail.text
    numbers = await ben.type("/gpt2-stats")
    assert await townhall.settled(numbers, seconds=60) is None
    assert "Texts: 7 on this server, 7 in all" in numbers.text
    assert numbers.message.attachments[0].data.startswith(b"\x89PNG")

    # And what Ada does not want to stay, goes.
    message = first.message
    await ada.press(message, "Delete")
    await first.until(lambda turn: message.deleted)
