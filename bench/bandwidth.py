"""How fast this machine reads memory: ``python -m bench.bandwidth``. A decode step reads every weight once, so this
is the limit of one stream's speed. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from bench import machine
from plugins.gpt2.model.cpu.bandwidth import read_rate

ROUNDS = 20
SIZES = (128, 1024)
"""Megabytes: what the 8-bit weights of gpt2 take, which a large cache may hold in part, and far more than a cache."""


def main(given: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m bench.bandwidth", description=__doc__)
    parser.add_argument("--threads", type=int, default=machine.physical_cores(), help="default: physical cores")
    parser.add_argument("--megabytes", type=int, nargs="+", default=list(SIZES), help=f"default {SIZES}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"the best counts (default {ROUNDS})")
    options = parser.parse_args(given)
    rates = {
        str(size): {str(count): read_rate(count, size, options.rounds) for count in sorted({1, options.threads})}
        for size in options.megabytes
    }
    for size, by_threads in rates.items():
        for count, rate in by_threads.items():
            print(f"{size:>5} MB, {count} thread{'' if count == '1' else 's'}: {rate:.1f} GB/s")
    result: dict[str, Any] = {
        "kind": "bandwidth",
        "machine": machine.describe(),
        "threads": options.threads,
        "gb_per_s": rates,
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
