"""Which models an admin may choose from where engines on other machines hold them."""

from __future__ import annotations

from collections.abc import Sequence

from plugins.gpt2.protocol import EngineStatus, ModelEntry
from plugins.gpt2.settings import GPT2Settings


def entries(allowed: Sequence[str], settings: GPT2Settings, status: EngineStatus) -> list[ModelEntry]:
    """Return the models of ``allowed`` that the host named or an engine offers, as that engine describes them.

    What no engine describes now has no facts: this machine's disk and memory say nothing of theirs.
    """
    known = {entry.name: entry for entry in status.offered}
    shown = {settings.model, *settings.allowed_models, *known} if known else {*allowed}
    return [known.get(name, ModelEntry(name, None, None, None)) for name in allowed if name in shown]
