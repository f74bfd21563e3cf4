"""The picture of both losses over a run's time."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from plugins.gpt2.pictures import BLUES, GRID, GRID_ALPHA, NO_GROUND, REDS, TEXT
from plugins.gpt2.training.run_files import Progress

LEARNT, HELD_OUT = BLUES[0], REDS[0]
SIZE_INCHES, DPI = (6.4, 4.0), 150


def draw(progress: Progress, title: str, cache: Path) -> bytes:
    """Return a PNG; takes a second. ``cache`` is a folder where matplotlib may keep what it knows of fonts."""
    os.environ.setdefault("MPLCONFIGDIR", str(cache))
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, dpi=DPI, facecolor=NO_GROUND, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_facecolor(NO_GROUND)
    _line(axes, progress.learnt, LEARNT, "texts it learns from")
    _line(axes, progress.held_out, HELD_OUT, "texts that were held out")
    if progress.best is not None:
        best = next((seconds for step, seconds, _ in progress.held_out if step == progress.best_step), 0.0)
        axes.scatter([best / 60], [progress.best], s=60, color=HELD_OUT, zorder=3, label="kept")
    axes.set_title(title, color=TEXT)
    axes.set_xlabel("minutes", color=TEXT)
    axes.set_ylabel("nats a token", color=TEXT)
    axes.tick_params(colors=TEXT)
    axes.grid(color=GRID, alpha=GRID_ALPHA, linewidth=0.6)
    for spine in axes.spines.values():
        spine.set_color(GRID)
    axes.legend(facecolor=NO_GROUND, edgecolor=GRID, labelcolor=TEXT)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", facecolor=NO_GROUND)
    return picture.getvalue()


def _line(axes: Any, points: list[tuple[int, float, float]], colour: str, label: str) -> None:
    minutes, losses = [seconds / 60 for _, seconds, _ in points], [loss for _, _, loss in points]
    axes.plot(minutes, losses, color=colour, linewidth=2, label=label, marker="o" if len(points) < 3 else None)
