from __future__ import annotations

from typing import Any

import pytest

from bench.bars import Bar, Result, bars_of, bars_table


def compared(model: str, **peers: dict[str, Any]) -> Result:
    return {"kind": "compare", "model": model, "medians": {name.replace("__", "-"): it for name, it in peers.items()}}


def bar_of(results: list[Result], beginning: str) -> Bar:
    return next(bar for bar in bars_of(results) if bar.work.startswith(beginning))


@pytest.mark.parametrize(
    ("value", "at_most", "verdict"),
    [
        (1.8, False, "aim"),
        (1.79, False, "bar"),
        (1.2, False, "missed"),
        (None, False, "not measured"),
        (1.3, True, "aim"),
        (1.81, True, "missed"),
    ],
)
def test_a_verdict_names_what_was_reached(value: float | None, at_most: bool, verdict: str) -> None:
    assert Bar("work", "×", 1.8 if at_most else 1.3, 1.3 if at_most else 1.8, value, at_most).verdict == verdict


def test_nothing_measured_reaches_nothing() -> None:
    assert {bar.verdict for bar in bars_of([])} == {"not measured"}


def test_a_ratio_is_how_many_times_less_time_we_take() -> None:
    result = compared("gpt2", townhall__int8={"decode_ms": {"1": 5.0}}, **{"llama-cpp-q8_0": {"decode_ms": {"1": 7.5}}})
    assert bar_of([result], "gpt2, 1 stream, 8-bit").value == 1.5


def test_eight_streams_are_held_against_the_better_peer_and_never_against_one_alone() -> None:
    ours = {"decode_ms": {"8": 10.0}}
    llama, ct2 = {"decode_ms": {"8": 20.0}}, {"decode_ms": {"8": 12.0}}
    both = compared("gpt2", townhall__int8=ours, ctranslate2__int8=ct2, **{"llama-cpp-q8_0": llama})
    assert bar_of([both], "gpt2, 8 streams").value == 1.2
    one = compared("gpt2", townhall__int8=ours, **{"llama-cpp-q8_0": llama})
    assert bar_of([one], "gpt2, 8 streams").value is None


def test_the_better_of_llama_cpps_two_ways_counts() -> None:
    peers = {"llama-cpp-q4_0": {"decode_ms": {"1": 12.0}}, "llama-cpp-q4_0-repacked": {"decode_ms": {"1": 9.0}}}
    ours = {"townhall-int4": {"decode_ms": {"1": 6.0}}, "townhall-int8": {"decode_ms": {"1": 10.5}}}
    result = compared("gpt2-large", **peers, **ours)
    assert bar_of([result], "gpt2-large, 1 stream, 4-bit, × llama").value == 1.5
    assert bar_of([result], "gpt2-large, 1 stream, 4-bit, × our").value == 1.75


def test_a_twin_with_outliers_has_a_bar_of_its_own() -> None:
    results: list[Result] = [
        {"kind": "quality", "model": "townhall-mini", "weights": "int8", "mean_kl": 0.0002},
        {"kind": "quality", "model": "townhall-mini", "weights": "int4", "mean_kl": 0.008},
        {"kind": "quality", "model": "twin", "weights": "int8", "mean_kl": 0.0007},
    ]
    assert [bar.value for bar in bars_of(results) if "KL" in bar.work or "twin" in bar.work] == [0.0002, 0.0007]


def test_the_memory_bar_grows_with_the_weights() -> None:
    bar = bar_of(
        [compared("gpt2-medium", townhall__int8={"weight_bytes": 400_000_000, "peak_bytes": 640_000_000})],
        "gpt2-medium, 8-bit, peak memory",
    )
    assert bar.bar == pytest.approx(820.0)
    assert bar.aim == pytest.approx(640.0)
    assert bar.verdict == "aim"


def test_a_later_result_replaces_an_earlier_one() -> None:
    lags: list[Result] = [{"kind": "event_loop_lag", "p99_ms": 30.0}, {"kind": "event_loop_lag", "p99_ms": 4.0}]
    assert bar_of(lags, "event-loop lag").verdict == "aim"


def test_the_table_shows_the_direction_and_dashes_for_what_is_not_known() -> None:
    shown = bars_table([Bar("speed", "×", 1.3, 1.8, 1.5), Bar("lag", " ms", 20, None, None, at_most=True, digits=0)])
    assert [cell.strip() for cell in shown.splitlines()[2].split("|")[1:-1]] == [
        "speed", "≥ 1.30×", "≥ 1.80×", "1.50×", "bar",
    ]  # fmt: skip  # one row of the table is one line
    assert [cell.strip() for cell in shown.splitlines()[3].split("|")[1:-1]] == [
        "lag", "≤ 20 ms", "–", "–", "not measured",
    ]  # fmt: skip  # one row of the table is one line
