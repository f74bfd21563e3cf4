"""A run from its beginning to its end, and what is left of one that was stopped, killed or had no room."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.training import run as run_module
from plugins.gpt2.training.batches import Batches
from plugins.gpt2.training.learner import LOWEST
from plugins.gpt2.training.run import PATIENCE, Diverged, Seen
from plugins.gpt2.training.run_files import STATE, RunFiles
from tests.plugins.gpt2.training.unigram import CONTEXT, ROWS, begin, texts


def never() -> bool:
    return False


def nobody(seen: Seen) -> None:
    pass


class Killed(BaseException):
    pass


def at_step(number: int) -> Callable[[Seen], None]:
    def on_step(seen: Seen) -> None:
        if seen.step == number:
            raise Killed

    return on_step


def test_a_run_learns_measures_itself_and_keeps_what_was_best(tmp_path: Path) -> None:
    run, learner = begin(tmp_path, 300, rate=0.05)
    seen: list[Seen] = []
    assert run.train(stopped=never, on_step=seen.append) == "time"
    progress = run.progress
    assert progress.before == pytest.approx(np.log(50), abs=1e-3)
    assert progress.best is not None
    assert progress.before == pytest.approx(np.log(50), abs=1e-3)
    assert progress.best is not None
    assert progress.best < 3.3
    assert [loss for _, _, loss in progress.held_out][-1] == pytest.approx(progress.best, abs=0.05)
    assert 10 < len(progress.held_out) <= 42
    assert seen[-1].step == progress.step == learner.steps
    assert seen[-1].held_out is not None
    best = RunFiles(tmp_path).load_best()
    assert best is not None
    assert run.best is not None
    assert best.loss == run.best.loss == progress.best
    assert np.array_equal(best.weights["logits"], run.best.weights["logits"])


def test_a_killed_run_goes_on_as_if_nothing_had_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "SAVE_EVERY_S", 7.0)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole, whole_learner = begin(tmp_path / "whole", 120)
    whole.train(stopped=never, on_step=nobody)
    for step in (9, 30, 31):
        run, _ = begin(tmp_path / "killed", 120)
        assert run.resume() is (step > 9)
        with pytest.raises(Killed):
            run.train(stopped=never, on_step=at_step(step))
    run, learner = begin(tmp_path / "killed", 120)
    run.resume()
    assert 9 < run.progress.step < 31
    run.train(stopped=never, on_step=nobody)
    assert run.progress.best == pytest.approx(whole.progress.best, abs=0.02)
    assert np.allclose(learner.logits, whole_learner.logits, atol=0.1)
    assert run.progress.before == whole.progress.before


def test_killed_in_the_middle_of_writing_again_and_again_it_goes_on(tmp_path: Path) -> None:
    """SIGKILL, at moments nobody chose: what is on the disk is always a whole state, and never an older one."""
    reached = [0]
    for moment in range(5):
        command = [sys.executable, "-m", "tests.plugins.gpt2.training.unigram", str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[4]) as process:
            try:
                assert process.stdout is not None
                reached.append(int(process.stdout.readline().removeprefix("from ")))
                before = (tmp_path / STATE).stat().st_mtime_ns if moment else 0
                deadline = time.monotonic() + 20
                while time.monotonic() < deadline and not is_writing(tmp_path, moment << 20, before):
                    pass  # it writes nearly always; each time it is killed a little later in it
            finally:
                process.kill()
    assert reached == sorted(reached)
    assert reached[-1] > 0
    assert len(list(tmp_path.glob(".*"))) > 0, "some kills left a half of a file"
    assert RunFiles(tmp_path).load() is not None
    assert list(tmp_path.glob(".*")) == [], "which do not stay"


def is_writing(folder: Path, at_least: int, before: int) -> bool:
    """Tell whether a state was kept since and a file of so many bytes is being written now."""
    try:
        kept = (folder / STATE).stat().st_mtime_ns > before
        return kept and any(path.stat().st_size > at_least for path in folder.glob(f".{STATE}*"))
    except FileNotFoundError:
        return False


def test_stopping_keeps_what_there_is(tmp_path: Path) -> None:
    run, learner = begin(tmp_path, 1000)
    assert run.train(stopped=lambda: learner.steps >= 50, on_step=nobody) == "stopped"
    again, same = begin(tmp_path, 1000)
    assert again.resume()
    assert (again.progress.step, same.steps) == (50, 50)
    assert np.array_equal(same.logits, learner.logits)
    assert again.best is not None


def test_little_text_settles_the_rate_before_the_time_is_over_and_the_run_goes_on(tmp_path: Path) -> None:
    run, learner = begin(tmp_path, 300, settled_at=60)
    rates: list[float] = []
    run.train(stopped=never, on_step=lambda seen: rates.append(learner.pace.rate(seen.step)))
    assert rates[30] == pytest.approx(0.3 * 0.55, rel=0.1), "half of the way"
    assert rates[59:] == pytest.approx([0.3 * LOWEST] * len(rates[59:]), rel=0.01)
    assert len(rates) > 60


def test_a_run_ends_where_nothing_gets_better(tmp_path: Path) -> None:
    run, _ = begin(tmp_path, 10_000, rate=1e-9)
    assert run.train(stopped=never, on_step=nobody) == "no better"
    assert run.best is None, "nothing was better than what it began with"
    assert run.progress.worse == PATIENCE


def test_a_loss_that_is_no_number_is_told_and_what_was_best_is_kept(tmp_path: Path) -> None:
    run, learner = begin(tmp_path, 1000)

    def on_step(seen: Seen) -> None:
        learner.broken = seen.step == 60

    with pytest.raises(Diverged, match="step 61 is not a number: the learning rate is too high"):
        run.train(stopped=never, on_step=on_step)
    assert RunFiles(tmp_path).load_best() is not None


def test_without_room_on_the_disk_it_trains_on_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    run, _ = begin(tmp_path, 200, rate=0.05)
    monkeypatch.setattr(RunFiles, "_write", full)
    seen: list[Seen] = []
    assert run.train(stopped=never, on_step=seen.append) == "time"
    notes = {each.note for each in seen if each.note}
    assert "the state could not be kept (No space left on device); the one before is" in notes
    assert run.best is not None


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    run, _ = begin(tmp_path, 50)
    run.train(stopped=never, on_step=nobody)
    path = tmp_path / STATE
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CheckpointError, match="Begin this training anew"):
        begin(tmp_path, 50)[0].resume()


def test_what_is_measured_is_the_same_each_time_and_covers_the_held_out_texts() -> None:
    train, held_out = texts()
    batches = Batches(train, held_out, ROWS, CONTEXT, seed=1)
    measured = batches.measured()
    assert all(np.array_equal(a, b) for a, b in zip(measured, batches.measured(), strict=True))
    assert {batch.shape for batch in measured} == {(ROWS, CONTEXT + 1)}
    rows = {tuple(row) for batch in measured for row in batch.tolist()}
    assert len(rows) == (len(held_out) - 1) // CONTEXT
    few = Batches(train, held_out[: CONTEXT + 1], 4, CONTEXT, seed=1).measured()
    assert [batch.shape for batch in few] == [(4, CONTEXT + 1)]
    assert np.array_equal(batches.of_step(7), Batches(train, held_out, ROWS, CONTEXT, seed=1).of_step(7))
    assert not np.array_equal(batches.of_step(7), batches.of_step(8))


def test_a_pass_reads_each_stretch_once_in_another_order_than_the_next() -> None:
    train = np.arange(10 * CONTEXT + 1, dtype=np.uint16)
    batches = Batches(train, train, ROWS, CONTEXT, seed=1)
    first, second = (
        [int(start) for step in steps for start in batches.of_step(step)[:, 0]] for steps in (range(5), range(5, 10))
    )
    for starts in (first, second):
        assert len({start // CONTEXT for start in starts}) >= 9  # the ring's seam may cut one twice
        assert len(set(starts)) == 10
    assert first != second
    again = Batches(train, train, ROWS, CONTEXT, seed=1)
    assert np.array_equal(again.of_step(7), batches.of_step(7))


def test_a_text_of_one_stretch_is_read_again_and_again() -> None:
    train = np.arange(CONTEXT + 1, dtype=np.uint16)
    assert Batches(train, train, ROWS, CONTEXT, seed=1).of_step(3)[:, 0].tolist() == [0] * ROWS
