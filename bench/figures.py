"""From single runs to the figures that are shown: medians over the repeats, and the tables made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from bench.job import Outcome

Figures = dict[str, Any]
"""The medians of one peer, under the names of :class:`bench.job.Outcome`."""


def medians(runs: Sequence[Outcome]) -> Figures:
    """Return the median of every number over ``runs``. Raises ValueError where there are none."""
    if not runs:
        raise ValueError("no run to take a median of")
    rows = [asdict(run) for run in runs]
    return {name: _median([row[name] for row in rows]) for name in rows[0]}


def _median(values: Sequence[Any]) -> Any:
    if isinstance(values[0], str):
        return values[0]
    if isinstance(values[0], Mapping):
        return {key: median(value[key] for value in values) for key in values[0]}
    return median(values)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns line up; all but the first are figures, to the right."""
    widths = [max(len(row[column]) for row in [headers, *rows]) for column in range(len(headers))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [headers, rule, *rows]
    return "\n".join(
        "| "
        + " | ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in lines
    )


def tables(peers: Mapping[str, Figures]) -> dict[str, str]:
    """Return title → table for all that was measured; a part that nobody did is left out."""
    made = {
        "Decode: ms a step, and tokens/s over all streams": _decode(peers),
        "Prefill of one prompt: ms, and tokens/s": _keyed(peers, "prefill_ms", "{} tokens", _prefill_cell),
        "Decode of one stream by position: ms a step": _keyed(peers, "context_ms", "at {}", lambda _, ms: f"{ms:.2f}"),
        "Start and memory": _start(peers),
    }
    return {title: text for title, text in made.items() if text}


def _decode(peers: Mapping[str, Figures]) -> str:
    return _keyed(peers, "decode_ms", "{} at once", lambda key, ms: f"{ms:.2f} ({int(key) * 1000 / ms:.0f})")


def _prefill_cell(key: str, ms: float) -> str:
    return f"{ms:.0f} ({int(key) * 1000 / ms:.0f})"


def _keyed(peers: Mapping[str, Figures], name: str, header: str, cell: Any) -> str:
    measured = {peer: figures[name] for peer, figures in peers.items() if figures[name]}
    keys = list(dict.fromkeys(key for values in measured.values() for key in values))
    rows = [
        [peer, *(cell(key, values[key]) if key in values else "–" for key in keys)] for peer, values in measured.items()
    ]
    return table(["", *(header.format(key) for key in keys)], rows) if rows else ""


def _start(peers: Mapping[str, Figures]) -> str:
    headers = ["", "load, s", "start to first token, s", "peak at start, MB", "peak in all, MB", "weights, MB", "GB/s"]
    rows = [
        [
            peer,
            f"{figures['load_ms'] / 1000:.2f}",
            f"{figures['first_token_ms'] / 1000:.2f}",
            f"{figures['start_peak_bytes'] / 1e6:.0f}",
            f"{figures['peak_bytes'] / 1e6:.0f}",
            f"{figures['weight_bytes'] / 1e6:.0f}",
            _rate(figures),
        ]
        for peer, figures in peers.items()
    ]
    return table(headers, rows)


def _rate(figures: Figures) -> str:
    """Return the GB of weights that one stream's decoding reads in a second."""
    ms = figures["decode_ms"].get("1")
    return "–" if ms is None else f"{figures['weight_bytes'] / ms / 1e6:.1f}"


def busy_table(medians: Mapping[str, Mapping[str, float]]) -> str:
    """Return ms a step, quiet and busy, and how many times longer the latter is."""
    rows = []
    for name, found in medians.items():
        cells = [name]
        for streams in ("1", "8"):
            quiet, busy = found[f"quiet_{streams}"], found[f"busy_{streams}"]
            cells += [f"{quiet:.2f}", f"{busy:.2f}", f"{busy / quiet:.1f}×"]
        rows.append(cells)
    headers = ["ms a step", "1 stream, quiet", "busy", "longer", "8 streams, quiet", "busy", "longer"]
    return table(headers, rows)
