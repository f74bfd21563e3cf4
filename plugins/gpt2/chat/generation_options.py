"""How a text is to be written, small enough to travel in a button's id, where it outlives a restart."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from plugins.gpt2.protocol import SamplingParams


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """What a member asked for besides the prompt."""

    count: int
    temperature: float
    top_k: int
    top_p: float
    timing: bool = False

    def sampling(self, defaults: SamplingParams, seed: int | None) -> SamplingParams:
        """Return the sampling to use; what a member cannot choose comes from ``defaults``."""
        return replace(defaults, temperature=self.temperature, top_k=self.top_k, top_p=self.top_p, seed=seed)

    def pack(self) -> str:
        """Return it in at most 30 characters."""
        return f"{self.count},{_short(self.temperature)},{self.top_k},{_short(self.top_p)},{int(self.timing)}"

    @classmethod
    def unpack(cls, packed: str) -> GenerationOptions:
        """Return what :meth:`pack` packed. The id came back from a client: bounds are checked where it is used."""
        count, temperature, top_k, top_p, timing = packed.split(",")
        return cls(int(count), float(temperature), int(top_k), float(top_p), timing == "1")


PACKED = re.compile(r"\d{1,4},\d(?:\.\d{1,3})?,\d{1,5},\d(?:\.\d{1,3})?,[01]")
"""What :meth:`GenerationOptions.pack` returns, for a template of ids."""


def _short(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")
