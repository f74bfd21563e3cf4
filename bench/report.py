"""Fills docs/performance.md from measured results: ``python -m bench.report docs/measured/*.json --plot``.

Each file holds the output of a measuring program; its last line is the JSON that counts. Everything between the two
marks in the page is replaced, so that no figure in it is ever typed. Needs matplotlib for ``--plot`` only.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.bars import Result, bars_of, bars_table
from bench.figures import Figures, busy_table, table, tables

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
PLOT_NAME = "performance.svg"
BEGIN, END = "<!-- measured: begin (written by bench/report.py) -->", "<!-- measured: end -->"


def read_results(paths: Sequence[Path]) -> list[Result]:
    """Return the last line of each file. Raises ValueError for a file without a result."""
    results = []
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines()
        try:
            result = json.loads(lines[-1])
            result["kind"]
        except (IndexError, ValueError, KeyError, TypeError):
            raise ValueError(
                f"{path}: the last line is not a result; keep a measuring program's output in it"
            ) from None
        results.append(result)
    return results


def fill(page: str, text: str) -> str:
    """Return ``page`` with ``text`` between the marks. Raises ValueError where they are not there."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks its marks: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}"


def report(results: Sequence[Result], *, plot: bool) -> str:
    """Return the measured part of the page."""
    parts = ["## Bar by bar", bars_table(bars_of(results)), "## Measured on", _machines(results)]
    if plot:
        parts += [f"![Time by position, speed by streams, time by size of the model]({PLOT_NAME})"]
    limit = _bandwidth(results)
    for result in _compared(results).values():
        weights = "random weights" if result["random_weights"] else "real weights"
        parts += [f"## {result['model']} ({weights})", _circumstances(result)]
        for title, text in tables(result["medians"]).items():
            parts += [f"**{title}**", text]
        parts += [f"Failed: {name}: {reason}" for name, reason in result["failed"].items()]
    if growth := _growth(results, limit):
        parts += ["## How cost grows with the model: decode of one stream", growth]
    for result in results:
        match result["kind"]:
            case "bandwidth":
                parts += ["## Memory bandwidth", _bandwidth_table(result)]
            case "event_loop_lag":
                parts += ["## Event-loop lag", _lag(result)]
            case "quality":
                parts += ["## What narrow weights cost", _quality(result)]
            case "reuse":
                parts += ["## Reading an opening once, and guessing ahead (townhall-mini)", _reuse(result)]
            case "busy":
                parts += [f"## {result['model']} with {result['processes']} busy processes beside it"]
                parts += [busy_table(result["step_ms"])]
    return "\n\n".join(parts)


def _reuse(result: Result) -> str:
    opening = result["opening"]
    rows = [
        [
            kind,
            f"{rate['without_tok_s']:.0f}",
            f"{rate['with_tok_s']:.0f}",
            f"{rate['with_tok_s'] / rate['without_tok_s']:.2f}×",
        ]
        for kind, rate in result["guesses"].items()
    ]
    return (
        f"First token behind an opening of about 300 tokens: {opening['first_ms']:.1f} ms when it is new, "
        f"{opening['again_ms']:.1f} ms when a row still knows it.\n\n"
        + table(["tokens/s of one stream", "one by one", "guessing ahead", "gain"], rows)
    )


def _compared(results: Sequence[Result]) -> dict[str, Result]:
    """Return the last comparison of each model, small models first."""
    found = {result["model"]: result for result in results if result["kind"] == "compare"}
    return dict(sorted(found.items(), key=lambda item: _most_bytes(item[1])))


def _most_bytes(result: Result) -> float:
    return max((figures["weight_bytes"] for figures in result["medians"].values()), default=0)


def _machines(results: Sequence[Result]) -> str:
    lines = []
    for result in results:
        there = result["machine"]
        lines.append(
            f"{there['cpu']} ({there['architecture']}), {there['cores']} cores, {there['l3_mb']} MB L3, "
            f"{there['memory_gb']} GB memory, {' '.join(there['features'])}; "
            f"{there['system']}, Python {there['python']}"
        )
    return "\n".join(f"- {line}" for line in dict.fromkeys(lines))


def _circumstances(result: Result) -> str:
    versions = dict.fromkeys(figures["version"] for figures in result["medians"].values())
    return (
        f"{result['began']}, {result['threads']} threads, medians of {result['repeats']} runs of each, "
        f"{result['steps']} decode steps; load of the machine {result['machine']['load_average']} before, "
        f"{result['load_average_after']} after. {'; '.join(versions)}."
    )


def _bandwidth(results: Sequence[Result]) -> float | None:
    """Return the GB/s at which all threads read what no cache holds."""
    for result in reversed(results):
        if result["kind"] == "bandwidth":
            largest = max(result["gb_per_s"], key=int)
            return float(result["gb_per_s"][largest][str(result["threads"])])
    return None


def _bandwidth_table(result: Result) -> str:
    counts = list(next(iter(result["gb_per_s"].values())))
    rows = [[f"{size} MB", *(f"{rates[count]:.1f}" for count in counts)] for size, rates in result["gb_per_s"].items()]
    return table(["GB/s read", *(f"{count} threads" if count != "1" else "1 thread" for count in counts)], rows)


def _growth(results: Sequence[Result], limit: float | None) -> str:
    rows = []
    for model, result in _compared(results).items():
        for peer, figures in result["medians"].items():
            ms = figures["decode_ms"].get("1")
            if ms is None:
                continue
            rate = figures["weight_bytes"] / ms / 1e6
            share = "–" if limit is None else f"{100 * rate / limit:.0f} %"
            size = figures["weight_bytes"] / 1e6
            rows.append(
                [f"{model}, {peer}", f"{size:.0f}", f"{ms:.2f}", f"{100 * ms / size:.2f}", f"{rate:.1f}", share]
            )
    headers = ["", "weights, MB", "ms a token", "ms a 100 MB", "GB/s", "of the bandwidth"]
    return table(headers, rows) if rows else ""


def _lag(result: Result) -> str:
    rows = [
        [label, *(f"{result[prefix + name]:.2f}" for name in ("p50_ms", "p99_ms", "max_ms"))]
        for label, prefix in (("engine idle", "idle_"), (f"{result['streams']} streams", ""))
    ]
    text = f"{result['model']}, {result['weights']}: {result['tokens_per_s']:.0f} tokens/s through the service."
    return text + "\n\n" + table(["ms late", "p50", "p99", "worst"], rows)


def _quality(result: Result) -> str:
    return (
        f"{result['model']}, {result['weights']} against {result['against']}, {result['positions']:,} positions of "
        f"{result['text']}: mean KL {result['mean_kl']:.5f} nats, same top token {result['same_top_percent']:.2f} %, "
        f"{result['nats_a_token']:.4f} nats a token where {result['against']} has "
        f"{result['reference_nats_a_token']:.4f}."
    )


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw time by position, speed by streams and time by size of the model. Raises ValueError without a comparison."""
    compared = _compared(results)
    if not compared:
        raise ValueError("nothing to draw: no result of bench.compare is among the files")
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "townhall"  # the same figures make the same file
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    smallest, shown = next(iter(compared.items()))
    figure, (by_position, by_streams, by_size) = pyplot.subplots(1, 3, figsize=(15, 4.5), layout="constrained")
    for peer, figures in shown["medians"].items():
        style = "-o" if peer.startswith("townhall") else "--o"
        _line(by_position, figures["context_ms"], peer, style)
        speeds = {streams: int(streams) * 1000 / ms for streams, ms in figures["decode_ms"].items()}
        _line(by_streams, speeds, peer, style)
    for peer in dict.fromkeys(peer for result in compared.values() for peer in result["medians"]):
        points = _by_size(compared, peer)
        style = "-o" if peer.startswith("townhall") else "--o"
        by_size.plot([size for size, _ in points], [ms for _, ms in points], style, label=peer)
    for axes, title, below, beside in (
        (by_position, f"{smallest}: one stream", "position", "ms a token"),
        (by_streams, f"{smallest}: all streams together", "streams", "tokens/s"),
        (by_size, "one stream, by model", "weights read, MB", "ms a token"),
    ):
        axes.set(title=title, xlabel=below, ylabel=beside, xlim=(0, None), ylim=(0, None))
        axes.grid(alpha=0.3)
    figure.legend(*by_position.get_legend_handles_labels(), loc="outside lower center", ncols=7, fontsize="small")
    figure.savefig(path, metadata={"Date": None})


def _line(axes: Any, values: dict[str, float], label: str, style: str) -> None:
    axes.plot([int(key) for key in values], list(values.values()), style, label=label)


def _by_size(compared: dict[str, Result], peer: str) -> list[tuple[float, float]]:
    found: list[Figures] = [result["medians"][peer] for result in compared.values() if peer in result["medians"]]
    return [(figures["weight_bytes"] / 1e6, figures["decode_ms"]["1"]) for figures in found if figures["decode_ms"]]


def main(given: Sequence[str] | None = None) -> int:
    """Fill the page; return 1 with a message where that cannot be done."""
    parser = argparse.ArgumentParser("python -m bench.report", description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", help="files whose last line is a result")
    parser.add_argument("--page", type=Path, default=PAGE, help="default: docs/performance.md")
    parser.add_argument("--plot", action="store_true", help=f"draw {PLOT_NAME} beside the page")
    options = parser.parse_args(given)
    try:
        results = read_results(options.results)
        filled = fill(options.page.read_text(encoding="utf-8"), report(results, plot=options.plot))
        if options.plot:
            draw(results, options.page.with_name(PLOT_NAME))
    except (OSError, ValueError, ImportError) as error:
        print(error, file=sys.stderr)
        return 1
    partial = options.page.with_name(options.page.name + ".part")
    partial.write_text(filled, encoding="utf-8")
    partial.replace(options.page)
    print(f"{options.page}: {len(results)} results")
    return 0


if __name__ == "__main__":
    sys.exit(main())
