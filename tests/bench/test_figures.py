from __future__ import annotations

import pytest

from bench.figures import busy_table, medians, table, tables
from bench.job import Outcome


def outcome(step_ms: float, load_ms: float = 100.0) -> Outcome:
    return Outcome(
        version="engine 1",
        weight_bytes=200_000_000,
        load_ms=load_ms,
        first_token_ms=1500.0,
        start_peak_bytes=300_000_000,
        peak_bytes=400_000_000,
        decode_ms={"1": step_ms, "8": 2 * step_ms},
        prefill_ms={"256": 128.0},
    )


def test_one_slow_turn_does_not_move_the_median() -> None:
    figures = medians([outcome(10.0), outcome(900.0, load_ms=5000.0), outcome(12.0, load_ms=101.0)])
    assert figures["decode_ms"] == {"1": 12.0, "8": 24.0}
    assert figures["load_ms"] == 101.0
    assert figures["version"] == "engine 1"


def test_of_no_runs_there_is_no_median() -> None:
    with pytest.raises(ValueError, match="no run"):
        medians([])


def test_a_table_lines_up_and_is_markdown() -> None:
    assert table(["", "ms"], [["a long name", "1"], ["b", "23.5"]]).splitlines() == [
        "|             |   ms |",
        "| ----------- | ---: |",
        "| a long name |    1 |",
        "| b           | 23.5 |",
    ]


def test_rates_follow_from_times() -> None:
    shown = tables({"engine": medians([outcome(10.0)])})
    assert "10.00 (100)" in shown["Decode: ms a step, and tokens/s over all streams"]
    assert "20.00 (400)" in shown["Decode: ms a step, and tokens/s over all streams"]
    assert "128 (2000)" in shown["Prefill of one prompt: ms, and tokens/s"]
    weights_rate = shown["Start and memory"].splitlines()[-1].split("|")[-2]
    assert weights_rate.strip() == "20.0", "200 MB in 10 ms"


def test_a_part_that_nobody_measured_has_no_table() -> None:
    shown = tables({"engine": medians([outcome(10.0)])})
    assert "Decode of one stream by position: ms a step" not in shown


def test_a_figure_that_one_peer_lacks_is_a_dash() -> None:
    other = outcome(10.0)
    del other.decode_ms["8"]
    shown = tables({"engine": medians([outcome(10.0)]), "other": medians([other])})
    assert shown["Decode: ms a step, and tokens/s over all streams"].splitlines()[-1].endswith("– |")


def test_the_busy_table_tells_how_many_times_longer_a_step_takes() -> None:
    shown = busy_table({"engine": {"quiet_1": 4.0, "busy_1": 8.0, "quiet_8": 10.0, "busy_8": 25.0}})
    assert "2.0×" in shown
    assert "2.5×" in shown
