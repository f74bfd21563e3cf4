"""The picture of /gpt2-stats, which reads alike in Discord's light and dark theme."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plugins.gpt2.pictures import BLUES, GRID, GRID_ALPHA, NO_GROUND, REDS, TEXT
from plugins.gpt2.stats.summary import Day, span_h
from townhall_bot.i18n import Words

SPEED, WAITING = BLUES, REDS
"""A model's colours, by its place; those beyond the fourth share the last one's."""
SIZE_INCHES = (6.4, 4.0)
DPI = 150
"""Few inches of many dots: the letters are large enough to be read in a chat, where the picture is small."""
TICKS = 6
LEAST_WAITING_S = 1.0
"""How much the axis of waiting shows at least: milliseconds are no waiting, and shall not look like it."""

_one_at_a_time = threading.Lock()
"""matplotlib is not made for threads."""


def draw(day: Day, words: Words, cache: Path) -> bytes:
    """Return a PNG of speed and waiting time over the last day. Takes a second the first time: not for the event loop.

    ``cache`` is a folder where matplotlib may keep what it knows of the machine's fonts.
    """
    os.environ.setdefault("MPLCONFIGDIR", str(cache))
    with _one_at_a_time:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=SIZE_INCHES, dpi=DPI, facecolor=NO_GROUND, layout="constrained")
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2, 1, sharex=True)
        for place, model in enumerate(day.models):
            points = [point for point in day.points if point.model == model.model]
            speeds = [(point.hours_ago, point.tokens_per_s) for point in points if point.tokens_per_s is not None]
            waits = [(point.hours_ago, point.waited_s) for point in points]
            colour = min(place, len(SPEED) - 1)
            label = words("stats.plot_median") if len(day.models) == 1 else model.model
            _plot(above, speeds, model.speeds, SPEED[colour], label)
            _plot(below, waits, model.waits, WAITING[colour], label)
        _dress(above, words("stats.plot_speed"))
        _dress(below, words("stats.plot_waiting"))
        below.set_ylim(0, max(LEAST_WAITING_S, below.get_ylim()[1]))
        span = span_h(day.points)
        below.set_xlim(span, 0)
        ticks = [span * tick / TICKS for tick in range(TICKS, -1, -1)]
        below.set_xticks(ticks, [f"{60 * tick:.0f}" if span == 1 else f"{tick:g}" for tick in ticks])
        below.set_xlabel(words("stats.plot_minutes" if span == 1 else "stats.plot_hours"), color=TEXT)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", facecolor=NO_GROUND)
        return picture.getvalue()


def _plot(
    axes: Any, dots: Sequence[tuple[float, float]], medians: Sequence[tuple[float, float]], colour: str, label: str
) -> None:
    if dots:
        axes.scatter(
            *zip(*dots, strict=True),
            s=36 if len(dots) < 100 else 14,
            color=colour,
            alpha=0.6,
            linewidths=0,
            clip_on=False,
        )
    if len(medians) > 1:
        axes.plot(*zip(*medians, strict=True), color=colour, linewidth=2, label=label)


def _dress(axes: Any, label: str) -> None:
    axes.set_facecolor(NO_GROUND)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(facecolor=NO_GROUND, edgecolor=GRID, labelcolor=TEXT)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(label, color=TEXT)
    axes.tick_params(colors=TEXT)
    axes.grid(color=GRID, alpha=GRID_ALPHA, linewidth=0.6)
    for spine in axes.spines.values():
        spine.set_color(GRID)
