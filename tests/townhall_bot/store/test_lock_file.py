"""What the lock's file says of its holder, and that a bot which has stopped holds nothing in this process either."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from townhall_bot.store import lock


def test_a_longer_note_of_an_earlier_holder_does_not_garble_the_new_one(tmp_path: Path) -> None:
    (tmp_path / lock.FILE).write_text(
        '{"pid": 4194304, "since": "2026-01-01T00:00:00+00:00", "more": "' + 99 * "x" + '"}'
    )
    with lock.held(tmp_path, 0):
        assert f"process {os.getpid()}, running since" in (lock.holder(tmp_path) or "")


def test_a_bot_that_has_stopped_or_failed_lets_go_at_once(tmp_path: Path) -> None:
    with lock.held(tmp_path, 0), pytest.raises(lock.Held), lock.held(tmp_path, 0):
        pytest.fail("two at once")
    with pytest.raises(RuntimeError, match="failed"), lock.held(tmp_path, 0):
        raise RuntimeError("failed")
    with lock.held(tmp_path, 0):
        assert lock.holder(tmp_path) is not None
    assert lock.holder(tmp_path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another user")
def test_root_leaves_the_lock_to_whom_the_folder_belongs(tmp_path: Path) -> None:
    os.chown(tmp_path, 4321, 4321)
    with lock.held(tmp_path, 0):
        pass
    assert (tmp_path / lock.FILE).stat().st_uid == 4321
