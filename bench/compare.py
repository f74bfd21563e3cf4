"""Speed and memory of Townhall's engine next to its peers, on this machine: ``python -m bench.compare --model gpt2``.

Every peer runs in a process of its own, with the same number of threads and the same random prompts; the peers take
turns, so that a slow minute of the machine hits all of them. Figures are medians. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import machine
from bench.bars import bars_of, bars_table
from bench.figures import medians, tables
from bench.job import PARTS, Job, Outcome
from bench.models import random_folder
from bench.peers import OTHERS, OURS, Peer, PeerFailed, Workplace, chosen
from plugins.gpt2.checkpoint.config_file import CONFIG_NAME, read_config
from plugins.gpt2.model.constants import OFFICIAL_CONFIGS

DEFAULT_CACHE = Path(tempfile.gettempdir()) / "townhall-bench"


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        "python -m bench.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="gpt2", help="official shape, with random weights (default gpt2)")
    parser.add_argument("--folder", type=Path, help="a checkpoint's folder with real weights, instead")
    parser.add_argument("--peers", default=",".join((OURS, *OTHERS)), help="comma-separated (default all)")
    parser.add_argument("--weights", default="int8,fp16", help="what `townhall` among the peers stands for")
    parser.add_argument("--threads", type=int, default=machine.physical_cores(), help="default: physical cores")
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}; the start is always timed")
    parser.add_argument("--repeats", type=int, default=3, help="processes of each peer (default 3)")
    parser.add_argument("--steps", type=int, default=Job("", "", 1).steps, help="decode steps (default 64)")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter with the [bench] extra")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help=f"made files (default {DEFAULT_CACHE})")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    options = parser.parse_args(given)
    if options.folder is None and options.model not in OFFICIAL_CONFIGS:
        parser.error(f"--model {options.model}: choose one of {', '.join(OFFICIAL_CONFIGS)}, or give --folder")
    options.parts = tuple(part for part in options.only.split(",") if part)
    if unknown := set(options.parts) - {*PARTS, "start"}:
        parser.error(f"--only {','.join(sorted(unknown))}: there are start, {', '.join(PARTS)}")
    if min(options.threads, options.repeats, options.steps) < 1:
        parser.error("--threads, --repeats and --steps are 1 or more")
    try:
        options.chosen = chosen(options.peers, options.weights)
    except ValueError as error:
        parser.error(str(error))
    return options


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """Measure as the options say and return the result; what goes on is told on the standard error."""
    began, before = time.time(), machine.describe()
    if options.folder is None:
        _tell(f"random weights in the shape of {options.model}: {options.cache}")
        folder = random_folder(options.cache, options.model, OFFICIAL_CONFIGS[options.model])
    else:
        folder = options.folder.resolve()
    config = read_config(folder / CONFIG_NAME)
    job = Job("", "", options.threads, parts=options.parts, steps=options.steps, vocabulary=config.vocab_size)
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="townhall-bench-") as kernels:
        place = Workplace(options.peer_python, options.cache, Path(kernels))
        runs, first = _take_turns(place, folder, job.within(config.n_positions), options, failed)
    figures = {name: medians(outcomes) for name, outcomes in runs.items()}
    for name, outcome in first.items():
        if name in figures:
            figures[name]["first_start_ms"] = outcome.first_token_ms
            figures[name]["first_start_peak_bytes"] = outcome.start_peak_bytes
    result = {
        "kind": "compare",
        "model": options.model if options.folder is None else folder.name,
        "random_weights": options.folder is None,
        "machine": before,
        "load_average_after": machine.describe()["load_average"],
        "began": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(began)),
        "seconds": round(time.time() - began),
        "threads": options.threads,
        "repeats": options.repeats,
        "steps": options.steps,
        "medians": figures,
        "runs": {name: [asdict(outcome) for outcome in outcomes] for name, outcomes in runs.items()},
        "failed": failed,
    }
    result["bars"] = [bar.to_json() for bar in bars_of([result]) if bar.value is not None]
    return result


def _take_turns(
    place: Workplace, folder: Path, job: Job, options: argparse.Namespace, failed: dict[str, str]
) -> tuple[dict[str, list[Outcome]], dict[str, Outcome]]:
    """Return every peer's runs and its first start, on which nothing of it is cached; note who ``failed`` and why."""
    paths: dict[Peer, str] = {}
    runs: dict[str, list[Outcome]] = {}
    first: dict[str, Outcome] = {}
    for peer in options.chosen:
        try:
            paths[peer] = str(place.prepare(peer, folder))
            first[peer.name] = place.measure(peer, job.at(paths[peer], parts=()))
        except PeerFailed as error:
            failed[peer.name] = str(error)
            _tell(f"{peer.name} is left out: {error}")
        else:
            _tell(f"{peer.name}: first start {first[peer.name].first_token_ms / 1000:.2f} s")
    for turn in range(options.repeats):
        for peer, path in paths.items():
            if peer.name in failed:
                continue
            begin = time.monotonic()
            try:
                runs.setdefault(peer.name, []).append(place.measure(peer, job.at(path)))
            except PeerFailed as error:
                failed[peer.name] = str(error)
                runs.pop(peer.name)
                _tell(f"{peer.name} is left out: {error}")
            else:
                _tell(f"turn {turn + 1} of {options.repeats}, {peer.name}: {time.monotonic() - begin:.0f} s")
    return runs, first


def show(result: dict[str, Any]) -> str:
    """Return the result for a person to read."""
    there = result["machine"]
    lines = [
        f"{result['model']}{' (random weights)' if result['random_weights'] else ''}, {result['threads']} threads, "
        f"medians of {result['repeats']}; {there['cpu']}, {there['cores']} cores, load {there['load_average']} before "
        f"and {result['load_average_after']} after"
    ]
    for title, text in tables(result["medians"]).items():
        lines += ["", title, text]
    if bars := [bar for bar in bars_of([result]) if bar.value is not None]:
        lines += ["", "Against the bars", bars_table(bars)]
    lines += [f"{name} failed: {reason}" for name, reason in result["failed"].items()]
    return "\n".join(lines)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 where a peer failed."""
    options = arguments(given)
    result = compare(options)
    if not options.json:
        print(show(result))
    print(json.dumps(result, ensure_ascii=False))
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
