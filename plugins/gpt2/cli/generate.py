"""``townhall gpt2``: one text on the command line, through the bot's own scheduler; all but the text on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from plugins.gpt2.cli.ctrl_c import CtrlC
from plugins.gpt2.cli.generate_options import parser, sampling_of
from plugins.gpt2.cli.report import Written, as_json, share, summary
from plugins.gpt2.cli.told_warnings import told
from plugins.gpt2.engine.sampling import check_sampling
from plugins.gpt2.model.target.device_plan import plan_for
from plugins.gpt2.protocol import (
    EngineFailed,
    Finished,
    GenerationError,
    GenerationRequest,
    InvalidRequest,
    Started,
    Text,
)
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.cli.terminal import INTERRUPTED, note, tell
from townhall_bot.i18n.formatting import format_bytes
from townhall_bot.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from plugins.gpt2.checkpoint.checkpoint import Checkpoint
    from plugins.gpt2.language_model import LoadProgress
    from plugins.gpt2.model.gpt2 import GPT2

STOPPED = "stopped while loading; nothing was written."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 where it failed, 2 for wrong arguments, 130 after Ctrl-C."""
    try:
        settings = load_settings(GPT2Settings)
    except SettingsError as error:
        return _complain(str(error), 2)
    options = parser(settings).parse_args(arguments)
    sampling = sampling_of(options, settings)
    if options.count < 1:
        return _complain(f"--count is {options.count}; it must be 1 or more.", 2)
    try:
        check_sampling(sampling)
    except InvalidRequest as error:
        return _complain(str(error), 2)
    request = GenerationRequest(
        options.prompt,
        options.count,
        options.model_size,
        sampling,
        turns=tuple(options.turn),
        special_tokens=True,  # the command line is the host's; what members type goes through the bot
    )
    ctrl_c = CtrlC()
    try:
        with ctrl_c, told("townhall gpt2"):
            model, load_ms = _load(request.model, options.weights, options.draft, settings, ctrl_c)
            tell("Generating text...")
            written = _generate(model, request, ctrl_c, timed=options.timing)
    except KeyboardInterrupt:
        return _complain(STOPPED, INTERRUPTED)
    except EngineFailed as error:
        return _complain(f"{error} `townhall models verify {request.model}` tells whether the model is damaged.", 1)
    except (GenerationError, ValueError, OSError, RuntimeError, MemoryError) as error:
        if ctrl_c.pressed:  # at a terminal it ends a compiler too, which then seems to have failed
            return _complain(STOPPED, INTERRUPTED)
        # CheckpointError is a ValueError, NoCompiler a RuntimeError: each says what to do
        return _complain(str(error) or type(error).__name__, 1)
    if written.finished is not None and written.finished.reason == "context":
        tell(f"{request.model} can hold no more: the text ends after {written.finished.timing.new_tokens} new tokens.")
    if options.timing and written.finished is not None:
        tell(summary(written.finished.timing))
        tell(share(written.finished.timing, model))
    print(json.dumps(as_json(written, model, load_ms), ensure_ascii=False) if options.json else written.text)
    return INTERRUPTED if written.finished is None or written.finished.reason == "cancelled" else 0


def _complain(message: str, status: int) -> int:
    note(message, "gpt2")
    return status


def _load(name: str, weights: Any, draft: str | None, settings: GPT2Settings, ctrl_c: CtrlC) -> tuple[GPT2, float]:
    """Return the model and the milliseconds that its weights took, telling what goes on."""
    from plugins.gpt2.model.gpt2 import load

    device = plan_for(settings.device, weights).device
    tell(f"using {device.split(':')[0]} backend")
    tell(f"using {name}")
    checkpoint = _open(name, settings)
    helper = _open(draft, settings) if draft else None
    started = time.perf_counter()
    with checkpoint, helper or nullcontext(), _LoadBar(ctrl_c) as bar:
        model = load(
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
    size = model.info.weight_bytes
    tell(f"loaded weights in {seconds * 1000:.2f} ms, {format_bytes(size)} loaded at {size / 1e9 / seconds:.2f} GB/s")
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
            self.bar = tqdm(total=progress.total, unit=unit, unit_scale=True, file=sys.stderr)
        used = f"ram used: {format_bytes(progress.memory_bytes):>8}, {progress.tensor}"
        self.bar.set_description(used if progress.stage == "loading" else progress.stage, refresh=False)
        self.bar.update(progress.done - self.bar.n)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


def _generate(
    model: GPT2,
    request: GenerationRequest,
    ctrl_c: CtrlC,
    *,
    timed: bool,
    clock: Callable[[], float] = time.perf_counter,
) -> Written:
    """Write until the end or Ctrl-C; what there is until then is kept. Raises the request's GenerationError."""
    from plugins.gpt2.engine.scheduler import Scheduler

    scheduler = Scheduler(model, clock=clock)
    began = before = clock()
    scheduler.submit(0, request, began)
    text, finished, tokens = request.prompt, None, 0
    with tqdm(total=request.count, unit="token", file=sys.stderr) as bar, ctrl_c.noted():
        while scheduler.busy:
            if ctrl_c.pressed:  # told between steps: within one, a request is for a moment neither waiting nor running
                scheduler.cancel(0)
            step = scheduler.step()
            for _, outcome in step.outcomes:
                match outcome:
                    case GenerationError():
                        raise outcome
                    case Started(notice) if notice:
                        bar.write(str(notice), file=sys.stderr)
                    case Text(piece):
                        text += piece
                    case Finished():
                        finished = outcome
            now, count = clock(), scheduler.new_tokens(0) if finished is None else finished.timing.new_tokens
            if count > tokens:
                if timed:
                    bar.write(f"token {count:4}: {(now - before) * 1000:8.2f} ms", file=sys.stderr)
                bar.update(count - tokens)
                before, tokens = now, count
    return Written(text, finished, clock() - began)
