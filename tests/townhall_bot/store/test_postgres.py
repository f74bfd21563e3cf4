"""PostgreSQL's own: what is said when it is away or not to be used, and the way there from SQLite."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.townhall_bot.store.conftest import Server
from townhall_bot.i18n.core_texts import TEXTS
from townhall_bot.replies.refusal import told
from townhall_bot.store import Store, StoreError, postgres
from townhall_bot.store.copying import copy


async def test_a_server_that_is_away_for_a_while_loses_nothing(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.connect(postgres_server.database())
    settings, counts = store.guild_settings("gpt2"), store.records("gpt2")
    await settings.change(7, "model", "kept", actor_id=1)
    postgres_server.stop()  # as a kill does
    try:
        monkeypatch.setattr(postgres, "WRITE_PATIENCE_S", 0.3)
        monkeypatch.setattr(postgres, "READ_PATIENCE_S", 0.3)
        with pytest.raises(StoreError, match="is away") as told:
            await settings.change(7, "model", "not confirmed", actor_id=1)
        assert told.value.kind == "away"
        assert "hushhush" not in str(told.value)
        with pytest.raises(StoreError, match="is away"):
            await settings.all(7)
        with pytest.raises(StoreError, match="is away"):
            await counts.add("request", {"tokens": 1})
        assert store.failure is not None
        monkeypatch.setattr(postgres, "WRITE_PATIENCE_S", 30)
        waiting = asyncio.create_task(settings.change(7, "count", 5, actor_id=1))
    finally:
        await asyncio.to_thread(postgres_server.start)
    assert await waiting is None  # what was asked for while it was away is done when it is back
    await store.try_again()
    assert store.failure is None
    assert await settings.all(7) == {"count": 5, "model": "kept"}
    assert len(await settings.audit(7)) == 2
    await counts.add("request", {"tokens": 1})
    assert len(await counts.since("request", 60)) == 2  # what could not be counted then is counted now
    await store.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("townhall-store")]


async def test_servers_that_were_served_before_are_served_by_what_was_read_last(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.connect(postgres_server.database())
    settings = store.guild_settings("gpt2")
    await settings.change(7, "channels", [1], actor_id=1)
    assert await settings.known(7) == {"channels": [1]}
    monkeypatch.setattr(postgres, "READ_PATIENCE_S", 0.3)
    postgres_server.stop()
    try:
        assert await settings.known(7) == {"channels": [1]}
        with pytest.raises(StoreError, match="is away"):
            await settings.known(8)
        with pytest.raises(StoreError, match="is away"):
            await settings.all(7)  # whoever changes something wants to know what there is
    finally:
        await asyncio.to_thread(postgres_server.start)
    assert await settings.known(8) == {}
    await store.close()


async def test_in_a_long_outage_nobody_stands_in_line_behind_others_who_wait(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.connect(postgres_server.database())
    settings = store.guild_settings("gpt2")
    monkeypatch.setattr(postgres, "READ_PATIENCE_S", 0.5)
    monkeypatch.setattr(postgres, "WRITE_PATIENCE_S", 0.5)
    postgres_server.stop()
    try:
        began = time.monotonic()
        asked = [settings.all(guild) for guild in range(40)]
        changed = [settings.change(guild, "count", 5, actor_id=1) for guild in range(40)]
        told = await asyncio.gather(*asked, *changed, return_exceptions=True)
        assert time.monotonic() - began < 3, "one after the other, four at a time, they would take 10 seconds"
        assert {getattr(error, "kind", None) for error in told} == {"away"}
    finally:
        await asyncio.to_thread(postgres_server.start)
    await settings.change(7, "count", 6, actor_id=1)
    assert store.failure is None
    await store.close()


async def test_a_change_whose_confirmation_is_lost_is_not_made_twice_and_who_made_it_is_told_to_look(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.connect(postgres_server.database())
    settings = store.guild_settings("gpt2")
    execute = postgres.Session.execute

    def lose_the_answer(session: postgres.Session, statement: str, values: Sequence[Any] = (), /) -> postgres.Result:
        done = execute(session, statement, values)
        if statement == "COMMIT":
            raise ConnectionResetError("connection reset by peer")
        return done

    with monkeypatch.context() as patched:
        patched.setattr(postgres.Session, "execute", lose_the_answer)
        with pytest.raises(StoreError, match="in the moment a change was kept") as lost:
            await settings.change(7, "count", 5, actor_id=1)
    assert "hushhush" not in str(lost.value)
    assert told(lost.value) == (
        "This may have been kept, or not: the bot's database went away in just that moment. "
        "Look before you do it again."
    )
    assert "Sieh nach" in (told(lost.value, TEXTS.of("de")) or "")
    assert [entry.new for entry in await settings.audit(7)] == [5]
    await store.close()


def test_a_server_that_is_not_there_is_told_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("asyncpg")
    monkeypatch.setattr(postgres, "WRITE_PATIENCE_S", 0.1)
    with pytest.raises(StoreError) as told:
        Store.connect("postgresql://town:hushhush@127.0.0.1:1/town")
    assert str(told.value).startswith("the database postgresql://127.0.0.1:1 is away: ")
    assert "hushhush" not in str(told.value)


async def test_all_of_sqlites_file_is_copied_once(tmp_path: Path, postgres_server: Server) -> None:
    file = tmp_path / "townhall.db"
    old = Store.open(file)
    await old.guild_settings("gpt2").change(7, "model", "gpt2", actor_id=2**62)
    await old.set_value("key", [1])
    await old.records("gpt2").add("request", {"tokens": 4.0}, guild_id=7, label="m")
    number = await old.entries("quotes").add("quote", {"text": "ä"}, guild_id=None, user_id=3)
    url = postgres_server.database()
    copied = await asyncio.to_thread(copy, file, url)
    assert copied["guild_setting"] == copied["audit"] == copied["record"] == copied["entry"] == 1
    with pytest.raises(StoreError, match="is not empty"):
        await asyncio.to_thread(copy, file, url)
    new = Store.connect(url)
    assert await new.guild_settings("gpt2").audit(7) == await old.guild_settings("gpt2").audit(7)
    assert await new.entries("quotes").of("quote") == await old.entries("quotes").of("quote")
    assert await new.records("gpt2").sums("request", 86_400) == await old.records("gpt2").sums("request", 86_400)
    assert await new.entries("quotes").add("quote", {}, guild_id=None, user_id=3) > number
    await old.close()
    await new.close()


def test_nobody_without_the_setting_imports_the_driver() -> None:
    code = "import sys, townhall_bot.bot, plugins.gpt2.plugin; sys.exit('asyncpg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
