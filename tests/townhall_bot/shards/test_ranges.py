"""What a host may write for TOWNHALL_SHARDS."""

from __future__ import annotations

import pytest

from townhall_bot.settings import Settings, SettingsError, load_settings
from townhall_bot.shard_range import ShardRange


def test_a_range_a_single_shard_and_auto() -> None:
    assert ShardRange.parse("0-19/100") == ShardRange(0, 19, 100)
    assert ShardRange.parse(" 7/16 ") == ShardRange(7, 7, 16)
    assert ShardRange.parse("Auto") is None
    assert ShardRange(2, 4, 8).ids == (2, 3, 4)
    assert [str(ShardRange(2, 4, 8)), str(ShardRange(2, 2, 8))] == ["2-4/8", "2/8"]


@pytest.mark.parametrize("text", ["", "x", "1", "0-3", "3-1/8", "8/8", "0-8/8", "-1/4", "0-1/0", "1,2/4", "0x1/4"])
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="0-19/100"):
        ShardRange.parse(text)


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_SHARDS", "5-9/8")
    with pytest.raises(SettingsError, match=r"TOWNHALL_SHARDS.*'5-9/8'.*counted from 0 to 7"):
        load_settings(Settings, env_file=None)
