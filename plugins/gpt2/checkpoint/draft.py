"""Whether one checkpoint can guess for another: it must speak of the same tokens, and be smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.gpt2.checkpoint.config_file import CONFIG_NAME, read_config
from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.model_names import HUB_CONFIGS
from plugins.gpt2.formatting import parameters

if TYPE_CHECKING:
    from plugins.gpt2.checkpoint.checkpoint import Checkpoint
    from plugins.gpt2.model.constants import GPT2Config

CURE = "Name another one as TOWNHALL_GPT2_DRAFT (--draft), or none"


class WrongDraft(CheckpointError):
    """A model that cannot guess for another; the message names both."""


def check_draft(draft: Checkpoint, model: Checkpoint) -> None:
    """Raise :class:`WrongDraft` where ``draft`` cannot guess for ``model``."""
    if (why := _difference(draft, model)) is not None:
        raise WrongDraft(f"{draft.name} cannot guess for {model.name}: {why}. {CURE}.")


def known_shape(name: str | None, *, allow_pickle: bool) -> GPT2Config | None:
    """Return the shape of the host's draft where it can be told without asking the hub; None without a draft."""
    from plugins.gpt2.checkpoint.checkpoint import on_disk

    if name is None or name in HUB_CONFIGS:
        return HUB_CONFIGS.get(name or "")
    try:
        folder = on_disk(name, allow_pickle=allow_pickle)
        return None if folder is None else read_config(folder / CONFIG_NAME)
    except CheckpointError:
        return None  # opening it will say what is wrong


def _difference(draft: Checkpoint, model: Checkpoint) -> str | None:
    small, large = draft.config, model.config
    if small.vocab_size != large.vocab_size:
        return f"its vocabulary has {small.vocab_size} tokens, and that of {model.name} {large.vocab_size}"
    theirs, ours = draft.tokenizer(), model.tokenizer()
    for token in range(large.vocab_size):
        if (one := theirs.decode_bytes([token])) != (other := ours.decode_bytes([token])):
            return f"token {token} of its vocabulary is {_shown(one)}, and that of {model.name} {_shown(other)}"
    if small.parameters >= large.parameters:
        return f"it has {parameters(small.parameters)} parameters, and a draft must be smaller than the model's own"
    return None


def _shown(text: bytes) -> str:
    return repr(text.decode(errors="replace"))
