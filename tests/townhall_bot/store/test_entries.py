"""What members give a plugin to keep: found again by server and member, apart from other plugins', and deletable."""

from __future__ import annotations

import pytest

from tests.townhall_bot.store.conftest import OpenStore
from townhall_bot.store import Entries, Entry, Store

ADA, BEN, HALL, PUB = 1, 2, 10, 20


def texts(entries: list[Entry]) -> list[object]:
    return [entry.values["text"] for entry in entries]


async def keep(entries: Entries) -> None:
    await entries.add("quote", {"text": "second"}, guild_id=HALL, user_id=BEN, at=200)
    await entries.add("quote", {"text": "first"}, guild_id=HALL, user_id=ADA, at=100)
    await entries.add("quote", {"text": "elsewhere"}, guild_id=PUB, user_id=ADA, at=300)
    await entries.add("wish", {"text": "rain"}, guild_id=None, user_id=ADA, at=400)


async def test_entries_are_found_by_kind_server_and_member_oldest_first(store: Store) -> None:
    entries = store.entries("quotes")
    await keep(entries)
    assert texts(await entries.of("quote", guild_id=HALL)) == ["first", "second"]
    assert texts(await entries.of("quote", user_id=ADA)) == ["first", "elsewhere"]
    assert texts(await entries.of("quote", guild_id=HALL, user_id=BEN)) == ["second"]
    assert texts(await entries.of("quote", since=200)) == ["second", "elsewhere"]
    assert texts(await entries.of("quote", user_id=ADA, since=100.0, until=299.5)) == ["first"]
    (wish,) = await entries.of("wish")
    assert (wish.guild_id, wish.user_id, wish.at.timestamp()) == (None, ADA, 400)


async def test_an_entry_outlives_the_bot_and_goes_by_its_number(open_store: OpenStore) -> None:
    store = open_store()
    number = await store.entries("quotes").add("quote", {"text": "“Ähem” 🙂"}, guild_id=HALL, user_id=ADA)
    await store.close()
    store = open_store()
    entries = store.entries("quotes")
    assert texts(await entries.of("quote")) == ["“Ähem” 🙂"]
    assert await entries.remove(number)
    assert not await entries.remove(number)
    assert await entries.of("quote") == []
    await store.close()


async def test_a_member_takes_everything_along_but_only_of_this_plugin(store: Store) -> None:
    quotes, diary = store.entries("quotes"), store.entries("diary")
    await keep(quotes)
    number = await diary.add("quote", {"text": "dear diary"}, guild_id=HALL, user_id=ADA)
    assert not await quotes.remove(number)
    assert await quotes.delete_member(ADA) == 3
    assert texts(await quotes.of("quote")) == ["second"]
    assert await quotes.of("wish") == []
    assert texts(await diary.of("quote")) == ["dear diary"]


async def test_what_is_too_old_goes_by_its_kind(store: Store) -> None:
    entries = store.entries("quotes")
    await keep(entries)
    assert await entries.remove_before("quote", 300) == 2
    assert texts(await entries.of("quote")) == ["elsewhere"]
    assert texts(await entries.of("wish")) == ["rain"]


async def test_what_is_no_json_is_refused_and_nothing_is_kept(store: Store) -> None:
    entries = store.entries("quotes")
    with pytest.raises(TypeError):
        await entries.add("quote", {"text": object()}, guild_id=HALL, user_id=ADA)
    assert await entries.of("quote") == []
