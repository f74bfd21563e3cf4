"""A training as a whole: what it begins with, the run, and the model that comes of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.formatting import parameters, without_folders
from plugins.gpt2.model.constants import GPT2Config
from plugins.gpt2.model.target.device_plan import open_device, plan_for
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.training import start
from plugins.gpt2.training.batches import Batches
from plugins.gpt2.training.card import write_card
from plugins.gpt2.training.curves import draw
from plugins.gpt2.training.learner import Pace
from plugins.gpt2.training.plan import (
    Method,
    Need,
    Plan,
    Sizes,
    fit,
    learning_rate,
    settled_at,
    write_plan,
)
from plugins.gpt2.training.precision import Precision, precision_for
from plugins.gpt2.training.result import write_result
from plugins.gpt2.training.run import End, Run
from plugins.gpt2.training.run_files import RunFiles
from plugins.gpt2.training.samples import Sample, prompts_from, samples_of
from plugins.gpt2.training.start import Start, read_start
from plugins.gpt2.training.texts.token_file import Counts, open_tokens, read_counts
from townhall_bot.i18n.formatting import format_bytes
from townhall_bot.machine import memory

KEPT_BYTES: dict[Method, int] = {"full": 16, "lora": 8}
"""Bytes a parameter beside what the trainer takes: the best weights, and a state or better ones while they are made."""


@dataclass(frozen=True, slots=True)
class Session:
    """A training in ``folder``, whose model will lie in ``home``. ``sizes`` are those that fit into this machine."""

    home: Path
    folder: Path
    plan: Plan
    settings: GPT2Settings
    begun: Start
    counts: Counts
    threads: int
    sizes: Sizes | None = None

    @classmethod
    def first(
        cls,
        home: Path,
        folder: Path,
        plan: Plan,
        settings: GPT2Settings,
        *,
        method: Method | None,
        batch: int | None,
        threads: int | None,
        precision: Precision | None,
    ) -> Session:
        """Choose what the host left open, and keep the plan.

        Raises ``DoesNotFit``, ``NoSuchProducts``, CheckpointError and OSError.
        """
        begun, counts = read_start(folder / start.FOLDER), _counts(folder)
        config, cores = begun.config, _threads(threads, settings)
        precision = precision_for(precision, plan_for(settings.device, None).device, new=not plan.source)
        sizes = fit(
            config,
            lambda method, rows, context: _need(config, method, rows, context),
            method=method,
            batch=batch,
            seconds=60 * plan.minutes,
            shortest=min(counts.held_out_tokens, counts.tokens - counts.held_out_tokens),
            tokens=counts.tokens - counts.held_out_tokens,
            new=not plan.source,
            free=memory.available_bytes(),
            flops=_flops(precision, cores),
        )
        plan = replace(
            plan,
            method=sizes.method,
            batch=sizes.batch,
            context=sizes.context,
            precision=precision,
            learning_rate=plan.learning_rate or learning_rate(config, sizes.method, new=not plan.source),
        )
        write_plan(folder, plan)
        return cls(home, folder, plan, settings, begun, counts, cores, sizes)

    @classmethod
    def again(
        cls,
        home: Path,
        folder: Path,
        plan: Plan,
        settings: GPT2Settings,
        *,
        minutes: float | None,
        threads: int | None,
        precision: Precision | None,
    ) -> Session:
        """Go on with a plan that is kept, for ``minutes`` in all and by another precision where they are given.

        Raises ``NoSuchProducts``, CheckpointError and OSError.
        """
        device = plan_for(settings.device, None).device
        kept = precision_for(precision or plan.precision, device, new=not plan.source)
        changed = replace(plan, minutes=plan.minutes if minutes is None else minutes, precision=kept)
        if changed != plan:
            write_plan(folder, changed)
        plan = changed
        begun = read_start(folder / start.FOLDER)
        return cls(home, folder, plan, settings, begun, _counts(folder), _threads(threads, settings))

    @property
    def total_s(self) -> float:
        """Seconds that the training takes, whatever interrupts it not counted."""
        return 60 * self.plan.minutes

    def described(self) -> str:
        """Say what is trained how, and what that takes."""
        plan, size = self.plan, parameters(self.begun.config.parameters)
        what = f"{without_folders(plan.source) if plan.source else 'random weights'}, {size} parameters"
        how = "all of them are trained" if plan.method == "full" else "LoRA: small matrices beside them are trained"
        step = f"{plan.batch} × {plan.context} tokens a step, products in {plan.precision}"
        text = f"{plan.name} begins with {what}; {how}, {step}"
        if self.sizes is None:
            return text
        passes = self.sizes.tokens_per_s * self.total_s / max(1, self.counts.tokens - self.counts.held_out_tokens)
        return (
            f"{text}\nabout {format_bytes(self.sizes.need.memory_bytes)} of memory; about "
            f"{self.sizes.tokens_per_s:,.0f} tokens/s: {plan.minutes:g} minutes read the texts about {passes:.1f} times"
        )

    def samples_before(self) -> list[Sample]:
        """Have the model that it begins with write. Raises what loading raises."""
        with open_checkpoint(self.plan.source, allow_pickle=self.settings.allow_pickle) as checkpoint:
            return self._samples(checkpoint.folder)

    def samples_after(self) -> list[Sample]:
        """Have the model that came of it write. Raises what loading raises."""
        return self._samples(self.home / self.plan.name)

    def open(self) -> Run:
        """Build what learns, with whatever an earlier run kept. Raises CheckpointError, RuntimeError and OSError."""
        device = plan_for(self.settings.device, None).device
        open_device(device)
        from plugins.gpt2.training.trainer import Trainer

        plan, config = self.plan, self.begun.config
        pace = Pace(plan.learning_rate)
        with start.weights_of(plan.source, config, plan.seed, allow_pickle=self.settings.allow_pickle) as weights:
            learner = Trainer(
                config,
                weights,
                method=plan.method,
                batch=plan.batch,
                context=plan.context,
                schedule=pace,
                seed=plan.seed,
                threads=self.threads,
                device=device,
                precision=plan.precision,
            )
        batches = Batches(*open_tokens(self.folder, self.counts), plan.batch, plan.context, plan.seed)
        run = Run(
            learner,
            batches,
            pace,
            RunFiles(self.folder),
            total_s=self.total_s,
            tokens_per_step=plan.batch * plan.context,
            settled_at=settled_at(plan, self.counts.tokens - self.counts.held_out_tokens),
        )
        run.resume()
        return run

    def finish(self, run: Run, end: End) -> Path:
        """Write the model with its card and its picture; return its folder. Raises OSError."""
        assert run.best is not None
        card = write_card(self.plan, self.begun.config, self.counts, run.progress, end, self.threads)
        cache = self.home.parent / "plugins" / "gpt2" / "matplotlib"
        picture = draw(run.progress, self.plan.name, cache)
        return write_result(self.home, self.plan.name, self.begun.folder, run.best.weights, card, picture)

    def _samples(self, folder: Path) -> list[Sample]:
        _, held_out = open_tokens(self.folder, self.counts)
        return samples_of(folder, self.plan.name, prompts_from(held_out, self.begun.tokenizer), self.settings)


def _counts(folder: Path) -> Counts:
    counts = read_counts(folder)
    if counts is None:
        raise CheckpointError("the texts of this training are not on the disk any more. Begin it anew.")
    return counts


def _threads(given: int | None, settings: GPT2Settings) -> int:
    return given or settings.threads or os.cpu_count() or 1


def _flops(precision: Precision, threads: int) -> float:
    from plugins.gpt2.model.target import compiler

    compiler.use()
    from plugins.gpt2.training.cpu.speed import measured_flops

    return measured_flops(precision, threads)


def _need(config: GPT2Config, method: Method, rows: int, context: int) -> Need:
    from plugins.gpt2.model.target import compiler

    compiler.use()
    from plugins.gpt2.training.trainer import estimate

    found = estimate(config, method, rows, context)
    return Need(found.memory_bytes + KEPT_BYTES[method] * config.parameters, found.flops_per_token)
