"""Voices to write in: a name for a sampling, an opening that is put before every prompt, an ending and stop strings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from plugins.gpt2.protocol import BOUNDS, ENDINGS, Ending, SamplingParams

MAX_OPENING = 1000
MAX_NAME = 32
KEY = "preset:"
"""Begins the key under which a server keeps a preset of its own."""
VOICE = "voice:"
"""Begins the key under which a server keeps what holds in a channel; its id follows."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One voice. ``sampling`` are fields of :class:`SamplingParams`, those that are not the host's."""

    name: str
    opening: str = ""
    sampling: Mapping[str, float] = field(default_factory=dict)
    ending: Ending | None = None
    stop: tuple[str, ...] = ()

    def over(self, host: SamplingParams) -> SamplingParams:
        """Return the host's sampling with this voice's."""
        whole = {name: round(value) if name == "top_k" else value for name, value in self.sampling.items()}
        return replace(host, **whole, stop=self.stop or host.stop)  # type: ignore[arg-type]  # fields by name


BUILT_IN = {
    preset.name: preset
    for preset in (
        Preset("letter", "A letter.\n\nMy dear friend,\n\n", {"temperature": 0.8}, "sentence", ("Yours sincerely",)),
        Preset("story", "A story.\n\n", {"temperature": 0.9, "repetition_penalty": 1.15}, "sentence", ("THE END",)),
        Preset("speech", "A speech to the nation.\n\nMy fellow citizens,\n\n", {"temperature": 0.7}, "sentence"),
    )
}
"""Those that come with Townhall."""


def of(kept: Mapping[str, Any], name: object) -> Preset | None:
    """Return a server's own preset of that name, or Townhall's; None where there is none."""
    own = kept.get(f"{KEY}{name}")
    if own is None:
        return BUILT_IN.get(str(name))
    ending = own.get("ending")
    return Preset(
        str(name), own.get("opening", ""), own.get("sampling", {}), ending if ending in ENDINGS else None,
        tuple(own.get("stop", ())),
    )  # fmt: skip


def names(kept: Mapping[str, Any]) -> list[str]:
    """Return the names of all presets that a server has."""
    return list(dict.fromkeys([*BUILT_IN, *(key.removeprefix(KEY) for key in kept if key.startswith(KEY))]))


def read_sampling(typed: str) -> dict[str, float] | None:
    """Return what "temperature 0.9, top_p 0.95" says; None where it cannot be read or is out of bounds."""
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in typed.replace("\n", ";").replace(", ", ";").split(";"))):
        name, _, given = part.replace("=", " ").replace(":", " ").partition(" ")
        try:
            value = float(given.strip().replace(",", "."))
        except ValueError:
            return None
        if name == "seed" or name not in BOUNDS or not BOUNDS[name].low <= value <= BOUNDS[name].high:
            return None
        found[name] = value
    return found
