"""Buttons of long texts, where Discord does not give out what they need: as docs/reliability.md says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from plugins.gpt2.chat import buttons
from tests.plugins.gpt2.fake_plugin import host_settings, plugin_with
from tests.plugins.gpt2.fake_source import FakeSource
from tests.townhall_bot.answers.stage import RATE_SCALE, check_log, discord_py_does_not_pause, worth_reading
from tests.townhall_bot.answers.table import MANY, Case, cases
from townhall_bot import testkit
from townhall_bot.discordpy import backoff
from townhall_bot.loopback import LoopbackDiscord, Message, Person
from townhall_bot.replies import final_pages
from townhall_bot.testkit import RunningTownhall

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIRST_PAGE = "/channels/{channel_id}/messages/{message_id}"
OTHER_PAGES = "/channels/{channel_id}/messages"
FILE = "/attachments/{channel_id}/{attachment_id}/{filename}"
MARKS = "*_|~ |*_ ~"
"""Doubled by the escapes that show them: a text of them is two messages."""
LONG = "/gpt2 prompt:" + "Tell me *more* of it. " * 27 + " count:1024"


@dataclass
class Texts:
    """A member's texts: one of two messages, one in a file."""

    server: LoopbackDiscord
    townhall: RunningTownhall
    ada: Person
    pages: Message
    file: Message


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def texts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Texts]:
    """The two texts, for all tests of this file."""
    with pytest.MonkeyPatch.context() as patch:

        def clean(settings: object) -> None:
            for name, value in host_settings(MAX_COUNT="1024").items():
                patch.setenv(name, value)

        folder, source = tmp_path_factory.mktemp("texts"), FakeSource(script=MARKS, context=9000)
        async with testkit.local_discord(RATE_SCALE) as server, testkit.starting(server, folder, clean) as start:
            townhall, ada = await start(plugin_with(source)), server.townhall().people["ada"]
            shown = []
            for pages in (final_pages.MAX_PAGES, 1):
                patch.setattr(final_pages, "MAX_PAGES", pages)
                turn = await ada.type(LONG)
                assert await townhall.settled(turn) is None
                shown.append(turn.messages[-1])
            assert shown[1].attachments
            yield Texts(server, townhall, ada, *shown)


async def check_continue(case: Case, texts: Texts, below: Message, path: str, caplog: pytest.LogCaptureFixture) -> None:
    """Press *Continue* and compare what comes of it with the row."""
    before = len(texts.server.requests)
    case.answer.befall(texts.server, "GET", path, always=case.row.always)
    pressed = await texts.ada.press(below, "Continue")
    await texts.townhall.settled(pressed)
    texts.server.faults.clear()
    wanted = case.row.quoted("who asked sees")
    assert [words for words in wanted if words not in pressed.text] == []
    assert wanted or pressed.text.count("\\*") > 5
    check_log(case, worth_reading(caplog))
    if case.row.always and path != FILE:
        asked = sum(request.route == path for request in texts.server.requests[before:])
        assert (asked >= MANY) == case.row.again, asked


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every attempt be made at once."""
    monkeypatch.setattr(backoff, "uniform", lambda low, high: low)
    discord_py_does_not_pause(monkeypatch)


@pytest.mark.parametrize("path", [FIRST_PAGE, OTHER_PAGES], ids=["first", "others"])
@pytest.mark.parametrize("case", cases("Reading what a button needs"), ids=str)
async def test_reading_what_a_button_needs(
    case: Case, path: str, texts: Texts, caplog: pytest.LogCaptureFixture
) -> None:
    await check_continue(case, texts, texts.pages, path, caplog)


@pytest.mark.parametrize("case", cases("Reading a file"), ids=str)
async def test_reading_a_file(case: Case, texts: Texts, caplog: pytest.LogCaptureFixture) -> None:
    await check_continue(case, texts, texts.file, FILE, caplog)


@pytest.mark.parametrize("path", [FIRST_PAGE, OTHER_PAGES], ids=["first", "others"])
async def test_who_presses_is_answered_in_time_while_discord_does_not(
    path: str, texts: Texts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was waited for, beyond the 3 seconds that Discord gives; the button failed without a word."""
    monkeypatch.setattr(buttons, "READ_S", 0.01)
    texts.server.faults.hold("GET", path)
    pressed = await texts.ada.press(texts.pages, "Continue")
    await texts.townhall.settled(pressed)
    assert "at the moment" in pressed.text
    texts.server.faults.clear()
