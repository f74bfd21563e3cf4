"""``townhall gpt2``: one text on the command line, through the bot's own scheduler; all but the text on stderr."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from plugins.gpt2.engine.sampling import GREEDY_BELOW, check_sampling
from plugins.gpt2.model.constants import OFFICIAL_MODELS, WEIGHT_NAMES
from plugins.gpt2.model.target.device_names import is_cpu
from plugins.gpt2.model.target.device_plan import plan_for
from plugins.gpt2.protocol import (
    EngineFailed,
    Finished,
    GenerationError,
    GenerationRequest,
    InvalidRequest,
    SamplingParams,
    Started,
    Text,
    Timing,
)
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.cli.terminal import INTERRUPTED, note, tell
from townhall_bot.formatting import format_bytes
from townhall_bot.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from plugins.gpt2.checkpoint.checkpoint import Checkpoint
    from plugins.gpt2.language_model import LoadProgress
    from plugins.gpt2.model.gpt2 import GPT2

PROMPT = "What is the answer to life, the universe, and everything?"

EXAMPLES = """examples:
  townhall gpt2 --prompt "My fellow citizens" --count 40
  townhall gpt2 --model_size gpt2-medium --temperature 0 --timing
  townhall gpt2 --prompt "Once upon a time" --seed 7 --json | tail -1
"""


@dataclass(slots=True)
class Written:
    """What a run gave: ``text`` is the prompt and what follows it."""

    text: str
    finished: Finished | None
    seconds: float


def parser(settings: GPT2Settings) -> argparse.ArgumentParser:
    """Return the command's arguments; their defaults are the settings'."""
    sizes = ", ".join(("townhall-mini", *OFFICIAL_MODELS))
    made = argparse.ArgumentParser(
        prog="townhall gpt2",
        description="Continue a text with GPT-2 on this machine, without Discord.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--prompt",
        default=PROMPT,
        help="the text to continue; special tokens such as <|endoftext|> may stand in it (default: %(default)s)",
    )
    made.add_argument(
        "--turn",
        action="append",
        default=[],
        metavar="TEXT",
        help="what was said before the prompt in a conversation; may be given several times, the oldest first",
    )
    made.add_argument("--count", type=int, default=100, help="the most new tokens (default: %(default)s)")
    made.add_argument(
        "--temperature", type=float, default=settings.temperature, help="0 is greedy (default: %(default)s)"
    )
    made.add_argument("--top_k", type=int, default=0, help="draw from so many likeliest tokens; 0: from all")
    made.add_argument(
        "--top_p", type=float, default=settings.top_p, help="share of probability to draw from (default: %(default)s)"
    )
    made.add_argument(
        "--min_p", type=float, default=0.0, help="leave out what is less likely than so much of the likeliest"
    )
    made.add_argument(
        "--repetition_penalty",
        type=float,
        metavar="R",
        help=f"how much used tokens lose; 1: nothing (default: {settings.repetition_penalty}, and 1 where greedy)",
    )
    made.add_argument("--stop", action="append", default=[], metavar="TEXT", help="end before this text; repeatable")
    made.add_argument(
        "--model_size",
        default=settings.model,
        metavar="M",
        help=f"{sizes}, a hub id or a folder (default: %(default)s)",
    )
    made.add_argument("--timing", action="store_true", help="time every token, and sum up")
    made.add_argument("--seed", type=int, help="the same seed gives the same text")
    made.add_argument("--weights", choices=WEIGHT_NAMES, default=settings.weights, help="how weights are kept")
    made.add_argument(
        "--draft", default=settings.draft, metavar="M", help="a small model of the same vocabulary that guesses ahead"
    )
    made.add_argument("--json", action="store_true", help="print one JSON object on the last line instead of the text")
    return made


def _sampling(options: argparse.Namespace, settings: GPT2Settings) -> SamplingParams:
    """Return how tokens are chosen; greedy is plainly that, unless a penalty is asked for."""
    penalty = options.repetition_penalty
    if penalty is None:
        penalty = 1.0 if options.temperature < GREEDY_BELOW else settings.repetition_penalty
    return SamplingParams(
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        min_p=options.min_p,
        repetition_penalty=penalty,
        seed=options.seed,
        stop=tuple(options.stop),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 where it failed, 2 for wrong arguments, 130 after Ctrl-C."""
    try:
        settings = load_settings(GPT2Settings)
    except SettingsError as error:
        return _complain(str(error), 2)
    options = parser(settings).parse_args(arguments)
    sampling = _sampling(options, settings)
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
    try:
        model, load_ms = _load(request.model, options.weights, options.draft, settings)
        tell("Generating text...")
        written = _generate(model, request, timed=options.timing)
    except KeyboardInterrupt:
        return _complain("stopped while loading; nothing was written.", INTERRUPTED)
    except EngineFailed as error:
        return _complain(f"{error} `townhall models verify {request.model}` tells whether the model is damaged.", 1)
    except (GenerationError, ValueError, OSError, RuntimeError, MemoryError) as error:
        # CheckpointError is a ValueError, NoCompiler a RuntimeError: each says what to do
        return _complain(str(error) or type(error).__name__, 1)
    if written.finished is not None and written.finished.reason == "context":
        tell(f"{request.model} can hold no more: the text ends after {written.finished.timing.new_tokens} new tokens.")
    if options.timing and written.finished is not None:
        tell(_summary(written.finished.timing))
        tell(_share(written.finished.timing, model))
    print(json.dumps(_as_json(written, model, load_ms), ensure_ascii=False) if options.json else written.text)
    return INTERRUPTED if written.finished is None or written.finished.reason == "cancelled" else 0


def _complain(message: str, status: int) -> int:
    note(message, "gpt2")
    return status


def _load(name: str, weights: Any, draft: str | None, settings: GPT2Settings) -> tuple[GPT2, float]:
    """Return the model and the milliseconds that its weights took, telling what goes on."""
    from plugins.gpt2.model.gpt2 import load

    device = plan_for(settings.device, weights).device
    tell(f"using {device.split(':')[0]} backend")
    tell(f"using {name}")
    checkpoint = _open(name, settings)
    helper = _open(draft, settings) if draft else None
    started = time.perf_counter()
    with checkpoint, helper or nullcontext(), _LoadBar() as bar:
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

    def __init__(self) -> None:
        self.bar: Any = None
        self.stage = ""
        self.loaded: float | None = None
        """When the weights were in, on ``time.perf_counter``."""

    def __call__(self, progress: LoadProgress) -> None:
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
    model: GPT2, request: GenerationRequest, *, timed: bool, clock: Callable[[], float] = time.perf_counter
) -> Written:
    """Write until the end or Ctrl-C; what there is until then is kept. Raises the request's GenerationError."""
    from plugins.gpt2.engine.scheduler import Scheduler

    scheduler = Scheduler(model, clock=clock)
    began = before = clock()
    scheduler.submit(0, request, began)
    text, finished, tokens = request.prompt, None, 0
    with tqdm(total=request.count, unit="token", file=sys.stderr) as bar, _ctrl_c(lambda: scheduler.cancel(0)):
        while scheduler.busy:
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


@contextmanager
def _ctrl_c(stop: Callable[[], None]) -> Iterator[None]:
    """Have Ctrl-C call ``stop`` instead of interrupting whatever line it hits, so that nothing written is lost."""
    before = signal.signal(signal.SIGINT, lambda *_: stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _summary(timing: Timing) -> str:
    def rate(value: float | None) -> str:
        return "not measured" if value is None else f"{value:.1f} tok/s"

    return (
        f"first token after {timing.first_token_ms:.1f} ms, prefill of {timing.prompt_tokens} tokens "
        f"{rate(timing.prefill_tok_s)}, decode of {timing.new_tokens} tokens {rate(timing.decode_tok_s)}, "
        f"{timing.total_ms:.1f} ms in all, seed {timing.seed}"
    )


def _share(timing: Timing, model: GPT2) -> str:
    """Say how near to this machine's limit the decoding came: every token reads all weights once."""
    from plugins.gpt2.model.build import usable_cores
    from plugins.gpt2.model.cpu.bandwidth import read_rate

    cost = model.token_cost
    launches = "" if cost.kernels is None else f"{cost.kernels} kernels and "
    by = f", multiplied by {model.products}" if is_cpu(model.info.device) else ""
    line = f"a token takes {launches}{format_bytes(cost.weight_bytes)} of weights{by}"
    if timing.decode_tok_s is None or not is_cpu(model.info.device):
        return line
    achieved = timing.decode_tok_s * cost.weight_bytes / 1e9
    limit = read_rate(usable_cores(), megabytes=256, rounds=8)
    return f"{line}: {achieved:.1f} GB/s, {achieved / limit:.0%} of the {limit:.1f} GB/s that this machine reads"


def _as_json(written: Written, model: GPT2, load_ms: float) -> dict[str, Any]:
    """Return the contract's object (README, "The model alone")."""
    assert written.finished is not None, "every run that did not raise has an end"
    timing = written.finished.timing
    return {
        "text": written.text,
        "prompt_tokens": timing.prompt_tokens,
        "new_tokens": timing.new_tokens,
        "finish_reason": written.finished.reason,
        "seed": timing.seed,
        "model": model.info.name,
        "device": model.info.device,
        "dtype": model.info.dtype,
        "timing": {
            "load_ms": round(load_ms, 3),
            "queue_ms": round(timing.queue_ms, 3),
            "first_token_ms": round(timing.first_token_ms, 3),
            "prefill_tok_s": timing.prefill_tok_s and round(timing.prefill_tok_s, 2),
            "decode_tok_s": timing.decode_tok_s and round(timing.decode_tok_s, 2),
            "total_ms": round(timing.total_ms, 3),
        },
    }
