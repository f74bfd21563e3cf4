"""What ``townhall gpt2`` tells of a text: how fast it was, how near to this machine's limit, and all as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plugins.gpt2.model.target.device_names import is_cpu
from plugins.gpt2.protocol import Finished, Timing
from townhall_bot.i18n.formatting import format_bytes

if TYPE_CHECKING:
    from plugins.gpt2.model.gpt2 import GPT2


@dataclass(slots=True)
class Written:
    """What a run gave: ``text`` is the prompt and what follows it."""

    text: str
    finished: Finished | None
    seconds: float


def summary(timing: Timing) -> str:
    """Return the rates of a text, as a line."""

    def rate(value: float | None) -> str:
        return "not measured" if value is None else f"{value:.1f} tok/s"

    return (
        f"first token after {timing.first_token_ms:.1f} ms, prefill of {timing.prompt_tokens} tokens "
        f"{rate(timing.prefill_tok_s)}, decode of {timing.new_tokens} tokens {rate(timing.decode_tok_s)}, "
        f"{timing.total_ms:.1f} ms in all, seed {timing.seed}"
    )


def share(timing: Timing, model: GPT2) -> str:
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


def as_json(written: Written, model: GPT2, load_ms: float) -> dict[str, Any]:
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
