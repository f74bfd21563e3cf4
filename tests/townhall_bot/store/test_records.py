from __future__ import annotations

from pathlib import Path

from townhall_bot.store import Store

ADA = 1


async def test_a_plugin_deletes_a_members_records_of_its_own_only(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "townhall.db")
    gpt2, dice = store.records("gpt2"), store.records("dice")
    for records in (gpt2, dice):
        await records.add("used", {"times": 1}, user_id=ADA)
    assert await gpt2.delete_member(ADA) == 1
    assert await gpt2.of_member(ADA) == 0
    assert await dice.of_member(ADA) == 1
    await store.close()
