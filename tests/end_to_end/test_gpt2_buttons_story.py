"""A day on a server with the real bot and townhall-mini: stop, again, continue, edit, statistics, a restart, delete."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from plugins.gpt2.language_model import Logits
from plugins.gpt2.model.gpt2 import GPT2
from plugins.gpt2.plugin import GPT2Plugin
from townhall_bot.loopback import Guild, Person, Turn
from townhall_bot.testkit import StartTownhall

PROMPT = "My fellow citizens"
FINISHED = ["Again", "Continue", "Edit…", "Delete"]
HOST = {"TOWNHALL_GPT2_MEMBER_LIMIT": "4", "TOWNHALL_GPT2_TEMPERATURE": "0", "TOWNHALL_GPT2_ENDING": "exact"}


@pytest.fixture
def pen(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The model writes while it is set; so nobody has to be quick to stop a text."""
    decode, down = GPT2.decode, threading.Event()

    def held(model: GPT2, *given: Any) -> Logits:
        down.wait(30)
        return decode(model, *given)

    monkeypatch.setattr(GPT2, "decode", held)
    return down


async def finished(turn: Turn) -> Turn:
    return await turn.until(lambda turn: turn.messages and labels(turn) == FINISHED, timeout=60)


def labels(turn: Turn) -> list[str]:
    return [str(button["label"]) for button in turn.messages[-1].buttons]


def words(turn: Turn) -> str:
    """What is read: without asterisks, escapes and small print."""
    lines = [line for line in turn.text.split("\n") if not line.startswith("-#")]
    return "\n".join(lines).replace("**", "").replace("\\", "")


def goes_on(longer: Turn, shorter: Turn) -> bool:
    """Whether it is the same text and more of it, which ends because the count is reached."""
    more = words(longer).removeprefix(words(shorter))
    return len(more) > 20 and more != words(longer) and "The model ended its text here." not in longer.text


async def test_a_day_with_buttons(
    start_townhall: StartTownhall, guild: Guild, ada: Person, ben: Person, admin: Person, pen: threading.Event
) -> None:
    townhall = await start_townhall(GPT2Plugin, settings=HOST)

    # Ada asks for a long text while the model still loads, and thinks better of it.
    long = await ada.type(f"/gpt2 prompt:{PROMPT} count:300 timing:True")
    await long.until(lambda turn: turn.messages and labels(turn) == ["Stop"], timeout=60)
    await (await ada.press(long.message, "Stop")).acknowledged()
    pen.set()
    assert await townhall.settled(long, seconds=60) is None
    assert "-# Stopped." in long.text
    assert labels(long) == FINISHED

    # Another one, and on from there: the longer text begins with the shorter one.
    first = await finished(await ada.type(f"/gpt2 prompt:{PROMPT} count:20"))
    again = await finished(await ada.press(first.message, "Again"))
    assert again.text == first.text  # the host's temperature is 0
    more = await finished(await ada.press(first.message, "Continue"))
    assert goes_on(more, first)

    # Ben may not press Ada's buttons, but may go on from what she has.
    refused = await ben.press(first.message, "Continue")
    await refused.until(lambda turn: turn.messages)
    assert refused.message.ephemeral
    his = await finished(await ben.use_menu("Continue with GPT-2", first.message))
    assert goes_on(his, first)

    # The admin lets GPT-2 into one channel only; buttons obey like commands.
    allow = await admin.type("/gpt2-config allow_channel:#gpt2 max_count:50")
    assert await townhall.settled(allow) is None
    refused = await ada.press(first.message, "Again")
    await refused.until(lambda turn: "may not be used in this channel" in turn.text)
    open_again = await admin.type("/gpt2-config reset:True")
    assert await townhall.settled(open_again) is None

    # After a restart all of it goes on: the buttons, the trail, the numbers.
    await townhall.stop()
    townhall = await start_townhall(GPT2Plugin, settings=HOST)
    after = await finished(await ada.press(more.message, "Continue"))
    assert goes_on(after, more)
    form = await ada.press(first.message, "Edit…")
    await form.until(lambda turn: turn.modal)
    edited = await finished(await ada.submit(form, prompt="Once upon a time", count="10"))
    assert edited.text.startswith("**Once upon a time**")
    trail = await admin.type("/gpt2-config audit:True")
    assert await townhall.settled(trail) is None
    assert "Maximum count: the host's default → 50" in trail.text
    for _ in range(20):  # a text is counted once it stands there: for a moment it is seen and not yet counted
        numbers = await ben.type("/gpt2-stats")
        assert await townhall.settled(numbers, seconds=60) is None
        if "Texts: 7 on" in numbers.text:
            break
    assert "Texts: 7 on this server, 7 in all" in numbers.text
    assert numbers.message.attachments[0].data.startswith(b"\x89PNG")

    # And what Ada does not want to stay, goes.
    message = first.message
    await ada.press(message, "Delete")
    await first.until(lambda turn: message.deleted)
