"""Prompts and texts are kept only where the host turned it on; /privacy says so, and who asked has them deleted."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plugins.gpt2.chat.transcripts import KIND, Transcripts
from plugins.gpt2.cli import transcripts
from tests.plugins.gpt2.fake_model import request
from tests.plugins.gpt2.fake_plugin import answered, begin
from townhall_bot.loopback import Person
from townhall_bot.loopback.world.clock import DISCORD_EPOCH_MS
from townhall_bot.store import Entry, Store
from townhall_bot.testkit import StartTownhall


def printed(capsys: pytest.CaptureFixture[str], **chosen: int) -> list[dict[str, object]]:
    """Run ``townhall texts`` in this folder; return what it prints."""
    assert transcripts.run(argparse.Namespace(**{"server": None, "member": None} | chosen)) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_by_default_nothing_is_kept(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    await answered(townhall, ada, "/gpt2 prompt:Hush count:5")
    assert await townhall.bot.store.entries("gpt2").of(KIND) == []
    turn = await answered(townhall, ada, "/privacy")
    assert "Keeps no prompts and no texts" in turn.text


async def test_where_the_host_keeps_texts_members_are_told_and_can_delete_theirs(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall, KEEP_TEXTS_DAYS="30")
    await answered(townhall, ada, "/gpt2 prompt:Adasprompt count:5")
    await answered(townhall, ben, "/gpt2 prompt:Bensprompt count:5")
    first, second = await townhall.bot.store.entries("gpt2").of(KIND)
    assert (first.user_id, first.guild_id, first.values["prompt"]) == (ada.id, ada.guild.id, "Adasprompt")
    assert (second.user_id, second.values["model"]) == (ben.id, "fake")
    assert len(str(first.values["text"])) == 5
    turn = await answered(townhall, ada, "/privacy")
    assert "keeps prompts and texts, with who asked for them, for 30 days" in turn.text
    pressed = await ada.press(turn.message, "Delete my data")
    await pressed.until(lambda pressed: "1 record about you was deleted" in pressed.text, 5)
    database = townhall.bot.store.path
    await townhall.stop()
    kept = database.read_bytes()
    assert b"Adasprompt" not in kept
    assert b"Bensprompt" in kept


async def test_the_host_reads_them_while_the_bot_runs(
    start_townhall: StartTownhall,
    ada: Person,
    ben: Person,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    townhall = await begin(start_townhall, KEEP_TEXTS_DAYS="1")
    await answered(townhall, ada, "/gpt2 prompt:Hello count:5")
    await answered(townhall, ben, "/gpt2 prompt:Grüße count:5")
    monkeypatch.setenv("TOWNHALL_DATA_DIR", str(townhall.bot.store.path.parent))
    everything = await asyncio.to_thread(printed, capsys)
    assert [line["prompt"] for line in everything] == ["Hello", "Grüße"]
    bens = await asyncio.to_thread(printed, capsys, member=ben.id)
    assert [(line["member"], line["prompt"]) for line in bens] == [(ben.id, "Grüße")]
    assert await asyncio.to_thread(printed, capsys, server=1) == []


def test_where_nothing_is_kept_the_host_is_told_what_turns_it_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOWNHALL_DATA_DIR", str(tmp_path))
    assert transcripts.run(argparse.Namespace(server=None, member=None)) == 0
    assert "TOWNHALL_GPT2_KEEP_TEXTS_DAYS" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


async def test_what_was_kept_for_long_enough_goes_and_all_of_it_once_the_host_turns_it_off(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "townhall.db")
    entries = store.entries("gpt2")
    for days in (3, 1):
        values = {"prompt": f"{days} days ago"}
        await entries.add(KIND, values, guild_id=1, user_id=2, at=time.time() - days * 86_400)
    await Transcripts(entries, 2).keep(request("now", user=2), "…")
    assert [entry.values["prompt"] for entry in await entries.of(KIND)] == ["1 days ago", "now"]
    await Transcripts(entries, 0).forget_old()
    assert await entries.of(KIND) == []
    await store.close()


async def test_a_text_that_cannot_be_kept_still_reaches_the_member(
    start_townhall: StartTownhall, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    townhall = await begin(start_townhall, KEEP_TEXTS_DAYS="1")
    await townhall.bot.store._db.write(lambda db: db.execute("DROP TABLE entry"))
    turn = await answered(townhall, ada, "/gpt2 prompt:Hello count:5 timing:True")
    assert turn.text.startswith("**Hello**")
    assert "a text could not be kept" in caplog.text
    assert "Hello" not in caplog.text


async def test_where_nothing_is_kept_nothing_is_written_even_for_a_moment(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "townhall.db")
    kept = Transcripts(store.entries("gpt2"), 0)
    before = await store._db.write(lambda db: db.execute("SELECT total_changes()").fetchone())
    await kept.keep(request("Hush", user=2), "…")
    assert await store._db.write(lambda db: db.execute("SELECT total_changes()").fetchone()) == before
    await store.close()


async def test_a_prompt_is_found_among_the_texts_of_its_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path / "townhall.db")
    entries = store.entries("gpt2")
    kept, asked, looked_at = Transcripts(entries, 30), int(time.time() * 1000) - DISCORD_EPOCH_MS << 22, []
    for number in range(20):
        values = {"prompt": "another day's", "request": number}
        await entries.add(KIND, values, guild_id=1, user_id=2, at=time.time() - (20 - number) * 86_400)
    await kept.keep(replace(request("today's", user=2), request_id=asked), "…")
    of = entries.of

    async def counted(kind: str, **chosen: Any) -> list[Entry]:
        looked_at.extend(found := await of(kind, **chosen))
        return found

    monkeypatch.setattr(entries, "of", counted)
    assert await kept.prompt_of(2, asked) == "today's"
    assert len(looked_at) < 3
    assert await kept.prompt_of(3, asked) is None
    await store.close()
