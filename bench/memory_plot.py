"""Draws the bot's memory over a soak: ``python -m bench.memory_plot docs/measured/hour-soak.json docs/memory.svg``."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.soak import SAMPLE_S


def draw(soak: dict[str, Any], path: Path) -> None:
    """Draw what ``bench.soak`` returned: MB of resident memory by minutes. The same figures make the same file."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "townhall"
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(8, 3), layout="constrained")
    memory = soak["memory_mb"]
    axes.plot([index * SAMPLE_S / 60 for index in range(len(memory))], memory)
    title = f"{soak['members']} members, {sum(soak['commands'].values()):,} commands and presses, {soak['weather']}"
    axes.set(title=title, xlabel="minutes", ylabel="memory of the bot, MB", xlim=(0, None), ylim=(0, None))
    axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})


def main(given: Sequence[str] | None = None) -> int:
    """Draw; return 1 with a message where that cannot be done."""
    parser = argparse.ArgumentParser("python -m bench.memory_plot", description=__doc__)
    parser.add_argument("soak", type=Path, help="a file whose last line is what bench.soak printed")
    parser.add_argument("picture", type=Path, help="the SVG to write")
    options = parser.parse_args(given)
    try:
        lines = options.soak.read_text(encoding="utf-8").splitlines()
        draw(json.loads(lines[-1]), options.picture)
    except (OSError, ValueError, LookupError, TypeError, ImportError) as error:
        print(f"{options.soak} cannot be drawn: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
