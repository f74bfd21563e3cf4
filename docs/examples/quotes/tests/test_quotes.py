"""What members, admins and the host see."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from townhall_quotes.plugin import QuotesPlugin, export

from townhall_bot.loopback import CommandRefused, Guild, Person, Turn
from townhall_bot.testkit import RunningTownhall, StartTownhall


async def done(townhall: RunningTownhall, turn: Turn) -> str:
    """Wait for a turn's end; return what it shows."""
    await townhall.settled(turn)
    return turn.text


async def test_a_member_saves_what_another_said(townhall: RunningTownhall, ada: Person, ben: Person) -> None:
    saved = await ada.use_menu("Save as quote", await ben.say("To be or not to be"))
    assert await done(townhall, saved) == "Saved."
    shown = await ada.type("/quote")
    assert (await done(townhall, shown)).startswith("To be or not to be")
    assert await done(townhall, await ben.press(shown.message, "Another")) == shown.text


async def test_a_member_writes_one_in_a_form_and_takes_it_back(
    townhall: RunningTownhall, ada: Person, ben: Person
) -> None:
    asked = await ada.type("/quote-me")
    await townhall.settled(asked)
    assert await done(townhall, await ada.submit(asked, text="I came")) == "Saved."
    assert (await townhall.plugin(QuotesPlugin).health()).summary == "quotes kept: 1"

    privacy = await ada.type("/privacy")
    assert "for 365 days" in await done(townhall, privacy)
    await townhall.settled(await ada.press(privacy.message, "Delete my data"))
    assert (await done(townhall, await ben.type("/quote"))).startswith("There are no quotes here yet.")


async def test_a_form_that_was_open_is_taken_after_a_restart(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await start_townhall(QuotesPlugin)
    asked = await ada.type("/quote-me")
    await townhall.settled(asked)
    await townhall.stop()
    townhall = await start_townhall(QuotesPlugin)
    assert await done(townhall, await ada.submit(asked, text="I came")) == "Saved."


async def test_germans_are_answered_in_german(
    townhall: RunningTownhall, guild: Guild, ada: Person, ben: Person
) -> None:
    guild.locale = ada.user.locale = "de"
    saved = await ada.use_menu("Save as quote", await ben.say("Ich bin ein Berliner"))
    assert await done(townhall, saved) == "Gespeichert."
    shown = await ada.type("/quote")
    await townhall.settled(shown)
    assert [button["label"] for button in shown.message.buttons] == ["Noch eins"]


async def test_admins_choose_the_channel(townhall: RunningTownhall, admin: Person, ada: Person) -> None:
    assert "only" in await done(townhall, await admin.type("/quotes-config channel:#gpt2"))
    refused = await ada.type("/quote")
    assert (await done(townhall, refused)).startswith("Quotes are shown in")
    assert refused.message.ephemeral
    with pytest.raises(CommandRefused, match="Manage Server"):
        await ada.type("/quotes-config")


async def test_a_server_keeps_no_more_than_the_host_allows(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await start_townhall(QuotesPlugin, settings={"TOWNHALL_QUOTES_MOST": "1"})
    first, second = [await ada.use_menu("Save as quote", await ada.say(text)) for text in ("One", "Two")]
    told = {await done(townhall, first), await done(townhall, second)}
    assert told == {"Saved.", "This server keeps 1 quotes, and no more fit."}


async def test_quotes_and_the_button_outlive_a_restart(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await start_townhall(QuotesPlugin)
    await townhall.settled(await ada.use_menu("Save as quote", await ada.say("I came")))
    shown = await ada.type("/quote")
    await townhall.settled(shown)
    await townhall.stop()
    townhall = await start_townhall(QuotesPlugin)
    assert (await done(townhall, await ada.press(shown.message, "Another"))).startswith("I came")


async def test_saved_quotes_are_counted(townhall: RunningTownhall, ada: Person) -> None:
    await townhall.settled(await ada.use_menu("Save as quote", await ada.say("I saw")))
    assert b"townhall_quotes_saved_total 1.0" in townhall.bot.metrics.page()


async def test_old_quotes_go(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await start_townhall(QuotesPlugin)
    entries = townhall.plugin(QuotesPlugin).context.entries
    for text, age in (("Old", 3 * 86_400), ("New", 0)):
        await entries.add("quote", {"text": text}, guild_id=1, user_id=ada.id, at=time.time() - age)
    await townhall.stop()
    townhall = await start_townhall(QuotesPlugin, settings={"TOWNHALL_QUOTES_KEEP_DAYS": "2"})
    kept = await townhall.plugin(QuotesPlugin).context.entries.of("quote")
    assert [quote.values["text"] for quote in kept] == ["New"]


async def test_the_host_reads_them_in_a_shell(
    townhall: RunningTownhall,
    guild: Guild,
    ada: Person,
    tmp_path: Path,
    clean_settings: Callable[[Mapping[str, str]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    await townhall.settled(await ada.use_menu("Save as quote", await ada.say("I conquered")))
    clean_settings({"TOWNHALL_DATA_DIR": str(tmp_path)})  # the folder that the fixtures give to the bot
    assert await asyncio.to_thread(export, argparse.Namespace(server=guild.id)) == 0
    assert capsys.readouterr().out == "I conquered\n"
