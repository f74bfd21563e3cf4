"""A database that cannot be written: who changes something reads why and what helps, and texts are written on."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import answered, begin, menu, refused
from townhall_bot.loopback import Person
from townhall_bot.loopback.world.enums import ResponseType
from townhall_bot.ops.health import HealthPage
from townhall_bot.replies import Refusal
from townhall_bot.store import StoreError, connections
from townhall_bot.testkit import RunningTownhall, StartTownhall


async def not_kept(townhall: RunningTownhall, person: Person, command: str) -> str:
    turn = await person.type(command)
    assert isinstance(await townhall.settled(turn), StoreError)
    return turn.text


@contextlib.contextmanager
def another_program(path: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


async def readiness(townhall: RunningTownhall) -> tuple[int, str]:
    page = HealthPage(townhall.bot, "127.0.0.1", 0)
    await page.start()
    async with aiohttp.ClientSession() as session, session.get(f"{page.url}/readyz") as response:
        found = response.status, (await response.json())["database"]["summary"]
    await page.stop()
    return found


async def test_texts_are_written_while_another_program_holds_the_database(
    start_townhall: StartTownhall, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WRITE_PATIENCE_S", 0.01)
    townhall = await begin(start_townhall, KEEP_TEXTS_DAYS="7")
    with another_program(townhall.bot.store.path):
        turn = await answered(townhall, ada, "/gpt2 prompt:Hello count:5")
    assert turn.text == f"**Hello**{greedy_text('Hello', 5)}"


async def test_texts_are_written_by_the_settings_read_last_while_the_database_is_away(
    start_townhall: StartTownhall, ada: Person, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    townhall = await begin(start_townhall)
    await answered(townhall, admin, "/gpt2-config max_count:7")
    await answered(townhall, ada, "/gpt2 prompt:Hello count:5")

    async def away(work: object) -> None:
        raise StoreError("the database is away", "Wait for it.", kind="away")

    with monkeypatch.context() as outage:
        outage.setattr(townhall.bot.store._db, "read", away)  # as PostgreSQL's does
        turn = await answered(townhall, ada, "/gpt2 prompt:Hello count:5")
        assert turn.text == f"**Hello**{greedy_text('Hello', 5)}"
        beyond = await refused(townhall, ada, "/gpt2 prompt:Hello count:8")
        assert "7" in beyond, "the server's own bounds hold"
        assert await not_kept(townhall, admin, "/gpt2-config") == (
            "That did not work, and nothing was changed: the bot's database cannot be reached just now. "
            "Try again in a minute."
        )


async def test_an_admin_whose_change_has_to_wait_is_answered_first_and_then_told(
    start_townhall: StartTownhall, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WRITE_PATIENCE_S", 0.05)
    townhall = await begin(start_townhall)
    panel = await answered(townhall, admin, "/gpt2-config")
    await admin.press(panel.message, "Reset")
    await panel.until(lambda turn: "You can undo it." in turn.text)
    with another_program(townhall.bot.store.path):
        said = await not_kept(townhall, admin, "/gpt2-config max_count:20")
        pressed = await admin.press(panel.message, "Reset everything")
        assert isinstance(await townhall.settled(pressed), StoreError)
        assert pressed.response is ResponseType.DEFERRED_UPDATE  # which cannot come too late
    assert "another program holds" in pressed.text
    assert "another program holds the bot's database" in said
    assert (await readiness(townhall))[0] == 503
    assert "At a time" in (await answered(townhall, admin, "/gpt2-config")).text
    await townhall.bot.store.try_again()
    assert await readiness(townhall) == (200, "in use")


async def test_on_a_full_disk_the_admin_reads_the_cure_and_nothing_is_changed(
    start_townhall: StartTownhall, admin: Person, caplog: pytest.LogCaptureFixture
) -> None:
    townhall = await begin(start_townhall)
    store = townhall.bot.store
    await store._db.write(lambda db: db.execute("PRAGMA max_page_count = 1"))  # SQLite takes the size it has
    await store._db.write(
        lambda db: db.execute(
            "CREATE TEMP TRIGGER grow AFTER INSERT ON main.audit BEGIN "
            "INSERT INTO core_value VALUES ('big', hex(randomblob(100000))); END"
        )
    )
    said = await not_kept(townhall, admin, "/gpt2-config max_count:20 default_count:5")
    assert said.startswith("Nothing was kept: the disk with the bot's data is full.")
    assert await store.guild_settings("gpt2").all(admin.guild.id) == {}
    status, summary = await readiness(townhall)
    assert (status, "Free space on that disk" in summary) == (503, True)
    assert "Free space on that disk" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_data_folder_that_is_removed_while_the_bot_runs_is_told(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    path = townhall.bot.store.path
    path.parent.rename(path.parent.with_name("elsewhere"))
    assert (await readiness(townhall))[0] == 503
    said = await not_kept(townhall, admin, "/gpt2-config model:other")
    assert "data folder was moved or removed" in said
    assert (await answered(townhall, ada, "/gpt2 prompt:Hello count:5")).text == f"**Hello**{greedy_text('Hello', 5)}"
    assert "GPT-2" in str((await answered(townhall, ada, "/gpt2-stats")).message.embeds)
    path.parent.with_name("elsewhere").rename(path.parent)


async def test_a_panel_does_not_go_on_loading_where_the_model_cannot_be_kept(
    start_townhall: StartTownhall, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WRITE_PATIENCE_S", 0.05)
    townhall = await begin(start_townhall)
    panel = (await answered(townhall, admin, "/gpt2-config")).message
    with another_program(townhall.bot.store.path):
        chosen = await admin.select(panel, "other", custom_id=menu(panel, 0))
        assert isinstance(await townhall.settled(chosen), Refusal)
        assert "another program holds" in panel.content
        assert "⏳" not in panel.content


async def test_a_change_that_was_made_is_told_so_though_it_cannot_be_read_again(
    start_townhall: StartTownhall, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    townhall = await begin(start_townhall)
    panel = await answered(townhall, admin, "/gpt2-config")
    database = townhall.bot.store._db
    read, write, written = database.read, database.write, asyncio.Event()

    async def reads(work: Any) -> Any:
        if written.is_set():
            raise StoreError("the database is away", "Wait for it.", kind="away")
        return await read(work)

    async def writes(work: Any) -> Any:
        done = await write(work)
        written.set()
        return done

    with monkeypatch.context() as outage:
        outage.setattr(database, "read", reads)
        outage.setattr(database, "write", writes)
        pressed = await admin.press(panel.message, "Answer mentions")
        assert await townhall.settled(pressed) is None
    assert "Answers to mentions and replies: off → on" in panel.text
    assert (await townhall.bot.store.guild_settings("gpt2").all(admin.guild.id))["mentions"] is True
