"""A few texts by a model, from the beginnings of held-out texts: what its voice is like, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from plugins.gpt2.checkpoint.checkpoint import Checkpoint
from plugins.gpt2.checkpoint.tokenizer.bpe import BPETokenizer
from plugins.gpt2.protocol import GenerationError, GenerationRequest, Text
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.training.texts.token_file import Tokens

COUNT = 3
PROMPT_TOKENS, NEW_TOKENS = 8, 40


@dataclass(frozen=True, slots=True)
class Sample:
    """A prompt and how the model went on."""

    prompt: str
    text: str


def prompts_from(held_out: Tokens, tokenizer: BPETokenizer) -> list[str]:
    """Return the beginnings of a few held-out texts, evenly spread; of one text alone, beginnings within it."""
    ends = np.flatnonzero(held_out == tokenizer.end_of_text) if tokenizer.end_of_text is not None else np.array([])
    starts = [0, *(int(end) + 1 for end in ends)]
    lengths = zip(starts, [*starts[1:], len(held_out) + 1], strict=True)
    starts = [start for start, after in lengths if after - start > PROMPT_TOKENS]
    if len(starts) < COUNT:
        starts = [number * (len(held_out) - PROMPT_TOKENS) // COUNT for number in range(COUNT)]
    chosen = [starts[number * len(starts) // COUNT] for number in range(COUNT)]
    pieces = [[int(token) for token in held_out[at : at + PROMPT_TOKENS]] for at in chosen]
    return [tokenizer.decode_bytes(piece).decode("utf-8", "ignore").strip() or "The" for piece in pieces]


def samples_of(folder: Path, name: str, prompts: Sequence[str], settings: GPT2Settings) -> list[Sample]:
    """Load the checkpoint in ``folder`` and have it go on from each prompt, with the same seeds each time.

    Raises CheckpointError, GenerationError and what loading raises.
    """
    from plugins.gpt2.engine.scheduler import Scheduler
    from plugins.gpt2.model.gpt2 import load

    with Checkpoint(name, folder, allow_pickle=settings.allow_pickle) as checkpoint:
        model = load(
            checkpoint,
            weights=settings.weights,
            rows=1,
            device=settings.device_plan().device,
            threads=settings.threads,
            products=settings.products,
        )
    scheduler = Scheduler(model)
    written = []
    for number, prompt in enumerate(prompts):
        sampling = replace(settings.sampling, seed=number)
        scheduler.submit(number, GenerationRequest(prompt, NEW_TOKENS, name, sampling), 0.0)
        text = ""
        while scheduler.busy:
            for _, outcome in scheduler.step().outcomes:
                if isinstance(outcome, GenerationError):
                    raise outcome
                if isinstance(outcome, Text):
                    text += outcome.piece
        written.append(Sample(prompt, text))
    return written
