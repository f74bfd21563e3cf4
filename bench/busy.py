"""Decode speed while something else wants the processor: ``python -m bench.busy --model gpt2``.

One process per core counts as fast as it can. An engine whose threads wait for each other in a spinning loop collapses
then; a fair share is half of its quiet speed. Quiet and busy runs take turns. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine
from bench.compare import DEFAULT_CACHE
from bench.figures import busy_table
from bench.job import Job
from bench.models import random_folder
from bench.peers import PeerFailed, Workplace, chosen
from plugins.gpt2.checkpoint.config_file import CONFIG_NAME, read_config
from plugins.gpt2.model.constants import OFFICIAL_CONFIGS

COUNT_FOREVER = "n = 0\nwhile True: n += 1"


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep that many processes busy; they are ended by their handles."""
    running = [subprocess.Popen([sys.executable, "-c", COUNT_FOREVER]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def main(given: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 where a peer failed."""
    parser = argparse.ArgumentParser("python -m bench.busy", description=__doc__)
    parser.add_argument("--model", default="gpt2", choices=OFFICIAL_CONFIGS, help="random weights (default gpt2)")
    parser.add_argument("--folder", type=Path, help="a checkpoint's folder, instead")
    parser.add_argument("--peers", default="townhall-int8,llama-cpp-q8_0", help="as of bench.compare")
    parser.add_argument("--threads", type=int, default=machine.physical_cores(), help="default: physical cores")
    parser.add_argument("--processes", type=int, default=machine.physical_cores(), help="default: one a core")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter with the [bench] extra")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help=f"made files (default {DEFAULT_CACHE})")
    options = parser.parse_args(given)
    there = machine.describe()
    folder = options.folder or random_folder(options.cache, options.model, OFFICIAL_CONFIGS[options.model])
    words = read_config(folder / CONFIG_NAME).vocab_size
    job = Job("", "", options.threads, parts=("decode",), streams=(1, 8), steps=options.steps, vocabulary=words)
    times: dict[str, dict[str, list[float]]] = {}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="townhall-bench-") as kernels:
        place = Workplace(options.peer_python, options.cache, Path(kernels))
        for peer in chosen(options.peers, "int8"):
            found: dict[str, list[float]] = {}
            try:
                ready = job.at(str(place.prepare(peer, folder)))
                for _ in range(options.repeats):
                    for state, processes in (("quiet", 0), ("busy", options.processes)):
                        with load(processes):
                            for streams, ms in place.measure(peer, ready).decode_ms.items():
                                found.setdefault(f"{state}_{streams}", []).append(ms)
            except PeerFailed as error:
                failed[peer.name] = str(error)
            else:
                times[peer.name] = found
    medians = {name: {key: median(values) for key, values in found.items()} for name, found in times.items()}
    print(busy_table(medians))
    result: dict[str, Any] = {
        "kind": "busy",
        "model": folder.name,
        "machine": there,
        "threads": options.threads,
        "processes": options.processes,
        "step_ms": medians,
        "failed": failed,
    }
    print(json.dumps(result))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
