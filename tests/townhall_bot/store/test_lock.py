"""One bot per data folder: the second waits, or says who is there; a killed one holds nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from townhall_bot.store import StoreError, lock

HOLDER = """
import sys, time
from pathlib import Path
from townhall_bot.store import lock
with lock.held(Path(sys.argv[1]), 0):
    print("held", flush=True)
    sys.stdin.read()
"""


def start_holder(folder: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_bot_says_which_process_is_there(tmp_path: Path) -> None:
    with start_holder(tmp_path) as first:
        with (
            pytest.raises(lock.Held, match=rf"process {first.pid}, running since .*TOWNHALL_DATA_DIR"),
            lock.held(tmp_path, 0),
        ):
            pytest.fail("two at once")
        assert f"process {first.pid}" in (lock.holder(tmp_path) or "")
        first.communicate("")
    assert lock.holder(tmp_path) is None


def test_a_second_bot_waits_for_the_first_to_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with start_holder(tmp_path) as first:
        times = iter(range(100))

        def sleep(seconds: float) -> None:
            first.communicate("")  # it stops while the second one sleeps

        with lock.held(tmp_path, 40, clock=lambda: next(times), sleep=sleep):
            assert f"process {os.getpid()}" in (lock.holder(tmp_path) or "")
    assert f"waiting up to 40 s for another Townhall to stop: process {first.pid}" in caplog.text


def test_a_bot_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    with start_holder(tmp_path) as first:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        with lock.held(tmp_path, 0):
            assert f"process {os.getpid()}" in (lock.holder(tmp_path) or "")


def test_a_folder_where_no_bot_ever_was_has_no_holder(tmp_path: Path) -> None:
    assert lock.holder(tmp_path / "nowhere") is None


def test_a_note_that_cannot_be_read_is_no_trouble(tmp_path: Path) -> None:
    with lock.held(tmp_path, 0):
        (tmp_path / lock.FILE).write_text("?")
        assert lock.holder(tmp_path) == "a process that has just started"


def test_a_data_folder_that_cannot_be_made_is_said_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StoreError, match=r"file cannot be used: File exists\. .*TOWNHALL_DATA_DIR"),
        lock.held(tmp_path / "file", 0),
    ):
        pytest.fail("a file as a folder")
