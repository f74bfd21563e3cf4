"""Whether one checkpoint can guess for another: it must speak of the same tokens, and be smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.gpt2.checkpoint.errors import CheckpointError

if TYPE_CHECKING:
    from plugins.gpt2.checkpoint.checkpoint import Checkpoint

CURE = "Name another one as TOWNHALL_GPT2_DRAFT (--draft), or none"


class WrongDraft(CheckpointError):
    """A model that cannot guess for another; the message names both."""


def check_draft(draft: Checkpoint, model: Checkpoint) -> None:
    """Raise :class:`WrongDraft` where ``draft`` cannot guess for ``model``."""
    if (why := _difference(draft, model)) is not None:
        raise WrongDraft(f"{draft.name} cannot guess for {model.name}: {why}. {CURE}.")


def _difference(draft: Checkpoint, model: Checkpoint) -> str | None:
    small, large = draft.config, model.config
    if small.vocab_size != large.vocab_size:
        return f"its vocabulary has {small.vocab_size} tokens, and that of {model.name} {large.vocab_size}"
    theirs, ours = draft.tokenizer(), model.tokenizer()
    for token in range(large.vocab_size):
        if (one := theirs.decode_bytes([token])) != (other := ours.decode_bytes([token])):
            return f"token {token} of its vocabulary is {_shown(one)}, and that of {model.name} {_shown(other)}"
    if small.parameters >= large.parameters:
        return f"it has {small.parameters / 1e6:.0f}M parameters, and a draft must be smaller than the model's own"
    return None


def _shown(text: bytes) -> str:
    return repr(text.decode(errors="replace"))
