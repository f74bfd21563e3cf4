"""The card beside a trained model: from what, how, on what, how well, and what to think of."""

from __future__ import annotations

import math

from plugins.gpt2.formatting import parameters, without_folders
from plugins.gpt2.model.constants import GPT2Config
from plugins.gpt2.training.plan import Plan
from plugins.gpt2.training.run import End
from plugins.gpt2.training.run_files import Progress
from plugins.gpt2.training.texts.token_file import Counts

ENDS: dict[End, str] = {
    "time": "its time was over",
    "no better": "the held-out texts got no better",
    "stopped": "it was stopped",
}


def write_card(plan: Plan, config: GPT2Config, counts: Counts, progress: Progress, end: End, threads: int) -> str:
    """Return the card in Markdown. Names the folder of the texts, and no path."""
    kinds = ", ".join(f"{number} of {kind}" for kind, number in sorted(plan.kinds.items()))
    source = f"from {without_folders(plan.source)}" if plan.source else "from random weights"
    before, after = progress.before, progress.best if progress.best is not None else progress.before
    names = "replaced by stand-ins" if plan.replaced_names else "as they were written"
    method = "all weights were trained" if plan.method == "full" else "by LoRA, merged into the weights"
    steps = f"{progress.step:,} steps of {plan.batch} × {plan.context} tokens"
    return f"""# {plan.name}

A GPT-2 of {parameters(config.parameters)} parameters, trained {source} by Townhall on its host's own machine.

## From what
The folder "{plan.texts}": {kinds or "files"}; {counts.documents:,} documents, {counts.tokens:,} tokens, of which
{100 * counts.share:.1f} % were held out to measure with. Names and mentions: {names}.

## How
{steps} in {progress.elapsed_s / 60:.1f} minutes on {threads} CPU threads; {method}.
Products of {plan.precision}, summed in fp32.
AdamW at {plan.learning_rate:g} at its highest, warm-up and cosine, seed {plan.seed}. It ended because {ENDS[end]}.
The weights are those of step {progress.best_step:,}, with the lowest loss on held-out texts.

## How well
On the held-out texts: {_nats(before)} before, {_nats(after)} after{_bits(after, counts)}.

![Loss over time](curves.png)

## What to think of
It writes in the voice of its texts, and may repeat pieces of them word for word: whoever can use it can read some of
what they say. Give it only to those who may read the texts. What it writes was said by nobody.
"""


def _nats(loss: float | None) -> str:
    return "not measured" if loss is None else f"{loss:.3f} nats a token"


def _bits(loss: float | None, counts: Counts) -> str:
    if loss is None or not counts.held_out_bytes:
        return ""
    return f" ({loss / math.log(2) * counts.held_out_tokens / counts.held_out_bytes:.3f} bits a byte)"
