"""What a model's name means: the embedded one, an official size, one trained here, one on the hub, or a folder."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from plugins.gpt2.checkpoint.errors import UnknownModel
from plugins.gpt2.checkpoint.own_models import own_model, own_models
from plugins.gpt2.model.constants import EMBEDDED_MODEL, OFFICIAL_CONFIGS, OFFICIAL_MODELS, GPT2Config
from townhall_bot.redaction import redacted

MINI_FOLDER = Path(__file__).resolve().parent.parent / "mini"
"""Where the embedded checkpoint lies inside the package."""

HUB_NAMES: dict[str, str] = {**OFFICIAL_MODELS, "distilgpt2": "distilbert/distilgpt2"}
"""Short name → repository on the hub: the official sizes, and one more that the hub itself knows by its short name."""

HUB_CONFIGS: dict[str, GPT2Config] = {
    **OFFICIAL_CONFIGS,
    "distilgpt2": GPT2Config(6, 12, 768, 1024, 50257, 3072, end_of_text=50256),
}
"""Short name → shape, for what is said of a model before it is downloaded."""

LONGEST_SHOWN = 300
"""Characters of a name that a message shows."""

_SHORT_NAMES = {repo: name for name, repo in HUB_NAMES.items()}
_HUB_ID = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(?<![.-])", re.ASCII)


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Where a model is: a ``folder`` on this machine, or else a ``repo`` on the hub. ``name`` is how it is shown."""

    name: str
    folder: Path | None = None
    repo: str | None = None


def known_models() -> tuple[str, ...]:
    """Return the names that need no explanation, the embedded one first."""
    return (EMBEDDED_MODEL, *HUB_NAMES)


def locate(model: str) -> ModelPlace:
    """Say where ``model`` is, without looking on the hub. Raises :class:`UnknownModel`.

    Known names, and those of models that were trained here, win over folders of the same name; ``./gpt2`` is always a
    folder.
    """
    if model == EMBEDDED_MODEL:
        return ModelPlace(EMBEDDED_MODEL, folder=MINI_FOLDER)
    if model in HUB_NAMES:
        return ModelPlace(model, repo=HUB_NAMES[model])
    if model in _SHORT_NAMES:
        return ModelPlace(_SHORT_NAMES[model], repo=model)
    if (own := own_model(model)) is not None:
        return ModelPlace(model, folder=own)
    if "\0" in model or not model.strip():
        raise UnknownModel(f"{model!r} is not the name of a model. {_what_is_known()}")
    shown = redacted(model)
    shown = shown if len(shown) <= LONGEST_SHOWN else f"{shown[:LONGEST_SHOWN]}…"
    why = "there is no such folder"
    try:
        folder = Path(model).expanduser()
        if folder.is_dir():
            return ModelPlace(model, folder=folder.resolve())
    except RuntimeError:  # ~somebody
        folder, why = Path(model), f"there is no home folder of {shown.partition('/')[0]} on this machine"
    except OSError as error:  # a name that is too long, a folder above it that may not be looked into
        why = f"it cannot be looked at ({error.strerror or error}); check the path and its rights"
    if folder.is_absolute() or model.startswith((".", "~")):
        raise UnknownModel(f"{shown}: {why}. {_what_is_known()}")
    if _HUB_ID.fullmatch(model):
        return ModelPlace(model, repo=model)
    near = difflib.get_close_matches(model.lower(), (*known_models(), *own_models()), n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UnknownModel(f"no model is called {shown!r}.{hint} {_what_is_known()}")


def _what_is_known() -> str:
    return (
        f"Known are {', '.join(known_models())}; a repository on the hub, as in microsoft/DialoGPT-small; "
        "or a folder with config.json, model.safetensors, and tokenizer.json or vocab.json with merges.txt."
    )
