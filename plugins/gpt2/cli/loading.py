"""Loading a model for a command, with what a person at a shell is told meanwhile."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from plugins.gpt2.cli.ctrl_c import CtrlC
from plugins.gpt2.model.target.device_plan import plan_for
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.cli.terminal import tell
from townhall_bot.i18n.formatting import format_bytes

if TYPE_CHECKING:
    from plugins.gpt2.checkpoint.checkpoint import Checkpoint
    from plugins.gpt2.language_model import LoadProgress
    from plugins.gpt2.model.gpt2 import GPT2


def load(name: str, weights: Any, draft: str | None, settings: GPT2Settings, ctrl_c: CtrlC) -> tuple[GPT2, float]:
    """Return the model and the milliseconds that its weights took, telling what goes on."""
    from plugins.gpt2.checkpoint.model_names import locate
    from plugins.gpt2.model import gpt2

    for named in (name, draft):
        if named:
            locate(named)  # a name that means nothing is told before anything is said to be used
    device = plan_for(settings.device, weights).device
    tell(f"using {device.split(':')[0]} backend")
    tell(f"using {name}")
    checkpoint = _open(name, settings)
    helper = _open(draft, settings) if draft else None
    started = time.perf_counter()
    with checkpoint, helper or nullcontext(), _LoadBar(ctrl_c) as bar:
        model = gpt2.load(
            checkpoint,
            weights=weights,
            rows=1,
            device=device,
            threads=settings.threads,
            products=settings.products,
            draft=helper,
            on_progress=bar,
        )
        loaded = bar.loaded or time.perf_counter()
    seconds = loaded - started
    size, rate = format_bytes(model.info.weight_bytes), format_bytes(round(model.info.weight_bytes / seconds))
    tell(f"loaded weights in {seconds * 1000:.2f} ms, {size} loaded at {rate}/s")
    return model, seconds * 1000


def _open(name: str, settings: GPT2Settings) -> Checkpoint:
    from plugins.gpt2.checkpoint.checkpoint import on_disk, open_checkpoint
    from plugins.gpt2.cli.download_bar import DownloadBar

    if on_disk(name, allow_pickle=settings.allow_pickle) is None:
        with DownloadBar(name) as bar_of_download:
            open_checkpoint(name, allow_pickle=settings.allow_pickle, on_progress=bar_of_download).close()
    return open_checkpoint(name, allow_pickle=settings.allow_pickle)


class _LoadBar(AbstractContextManager["_LoadBar"]):
    """A bar over the checkpoint's bytes that names the tensor and the memory in use, then one over warm-up steps."""

    def __init__(self, ctrl_c: CtrlC) -> None:
        self._ctrl_c = ctrl_c
        self.bar: Any = None
        self.stage = ""
        self.loaded: float | None = None
        """When the weights were in, on ``time.perf_counter``."""

    def __call__(self, progress: LoadProgress) -> None:
        self._ctrl_c.check()
        if progress.stage != self.stage:
            if self.stage == "loading":
                self.loaded = self.loaded or time.perf_counter()
            self.__exit__()
            unit = "B" if progress.stage == "loading" else "step"
            self.stage = progress.stage
            # disable=None: a bar is drawn on a terminal only; in a file it would be a hundred lines of itself
            self.bar = tqdm(total=progress.total, unit=unit, unit_scale=True, file=sys.stderr, disable=None)
        used = f"ram used: {format_bytes(progress.memory_bytes):>8}, {progress.tensor}"
        self.bar.set_description(used if progress.stage == "loading" else progress.stage, refresh=False)
        self.bar.update(progress.done - self.bar.n)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
