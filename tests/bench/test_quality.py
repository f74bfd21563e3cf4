from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.event_loop_lag import percentile
from bench.formats.gguf_file import read_tensors
from bench.outliers import write_twin
from bench.quality import PASSAGE, Sums, held_out_text, log_softmax, windows
from tests.plugins.gpt2.model.numpy_gpt2 import logits_of
from tools.random_checkpoint import RECIPES, write_checkpoint


def test_equal_logits_cost_nothing() -> None:
    logits = np.array([[1.0, 2.0, 3.0], [0.0, 5.0, 0.0]], np.float32)
    sums = Sums()
    sums.add(logits, logits.copy(), np.array([2, 1]))
    result = sums.result()
    assert (result["positions"], result["mean_kl"], result["same_top_percent"]) == (2, 0.0, 100.0)


def test_divergence_is_the_textbook_one() -> None:
    sums = Sums()
    sums.add(np.log([[0.5, 0.5]]).astype(np.float32), np.log([[0.25, 0.75]]).astype(np.float32), np.array([0]))
    result = sums.result()
    assert result["mean_kl"] == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3), abs=1e-6)
    assert result["nats_a_token"] == pytest.approx(np.log(4), abs=1e-6)
    assert result["same_top_percent"] == 0.0


def test_large_logits_do_not_overflow() -> None:
    assert np.exp(log_softmax(np.array([[1e4, 1e4]], np.float32))).sum() == pytest.approx(1.0)


def test_windows_are_spread_over_a_long_text() -> None:
    pieces = windows(range(1000), length=10, limit=30)
    assert pieces[:, 0].tolist() == [0, 490, 990]


def test_a_text_shorter_than_a_window_is_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match="9 tokens; one window needs 10"):
        windows(range(9), length=10, limit=30)


def test_the_text_that_is_given_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("Grüße", encoding="utf-8")
    assert held_out_text(tmp_path / "mine.txt") == ("Grüße", "mine.txt")
    assert len(PASSAGE.read_text(encoding="utf-8")) > 10_000


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentiles_of_one_to_a_hundred(share: float, expected: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == expected


def test_of_nothing_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_a_twin_with_outliers_is_the_same_function(tmp_path: Path) -> None:
    config = RECIPES["three-heads"].config
    folder = write_checkpoint(tmp_path / "plain", config, 3)
    write_twin(folder, tmp_path / "twin")
    plain, twin = (dict(read_tensors(place / "model.safetensors")) for place in (folder, tmp_path / "twin"))
    grown = [name for name in plain if np.abs(twin[name]).max() > 20 * np.abs(plain[name]).max()]
    assert {name.split(".")[-2] for name in grown} == {"ln_1", "ln_2"}
    tokens = [5, 200, 17, 3]
    np.testing.assert_allclose(logits_of(twin, config, tokens), logits_of(plain, config, tokens), rtol=1e-3, atol=1e-3)
