"""What the engine needs of a model: rows of a KV cache, prefill and decode. NumPy at the border, no tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from plugins.gpt2.drawing import Drawing, Guessing

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Facts about a loaded model. ``dtype`` is that of the weights: fp32, fp16, bf16, int8 or int4."""

    name: str
    device: str
    dtype: str
    parameters: int
    weight_bytes: int
    context_length: int
    vocab_size: int
    end_of_text: int | None
    step_s: float | None = None
    """Seconds of a decode step with every row taken, as warming up measured it; None where it was not measured."""
    also_end: tuple[int, ...] = ()
    """Tokens that end a text beside ``end_of_text``."""

    def ends(self, token: int) -> bool:
        """Tell whether a text ends with ``token``."""
        return token == self.end_of_text or token in self.also_end


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """Where loading stands: ``done`` of ``total`` bytes of the checkpoint, or of a later stage's steps.

    ``stage`` is what goes on, in a word or two; ``tensor`` the one being read, or ""; ``memory_bytes`` what is taken.
    """

    stage: str
    tensor: str
    done: int
    total: int
    memory_bytes: int


class Tokenizer(Protocol):
    """Text to ids and back."""

    @property
    def begins(self) -> tuple[int, ...]:
        """Tokens that every prompt begins with; mostly none."""
        ...

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Return the ids of a prompt.

        What looks like a special token is read as plain text, unless ``special`` says that the host wrote it.
        """
        ...

    def encode_turns(self, turns: Sequence[str], *, spoken: bool = False) -> list[int]:
        """Return the ids of a conversation so far, for the model to write the next turn.

        ``spoken`` says that every second one, from the last but one backwards, is what a model wrote.
        """
        ...

    def decode_bytes(self, tokens: Sequence[int]) -> bytes:
        """Return the UTF-8 bytes that a reader sees of ``tokens``; the end may be half a character."""
        ...


class LanguageModel(Protocol):
    """A GPT-2 that continues up to ``rows`` texts, each in a row of the KV cache of its own.

    Everything but the attributes is called from the one engine thread. Positions are the caller's: the model keeps no
    length, it writes keys and values where it is told to and attends to every earlier position of that row.
    """

    info: ModelInfo
    rows: int
    prefill_slice: int
    """The most tokens that one :meth:`prefill` takes; the scheduler cuts longer prompts into such slices."""

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokeniser of this checkpoint's vocabulary."""
        ...

    @property
    def draft(self) -> LanguageModel | None:
        """A small model of the same vocabulary that guesses for this one; it has one row, and is closed with it."""
        ...

    @property
    def drawing(self) -> Drawing | None:
        """What draws its tokens; None: NumPy does."""
        ...

    @property
    def guessing(self) -> Guessing | None:
        """What guesses with it where it is a draft; None: it guesses by :meth:`decode`."""
        ...

    draft_slots: int
    """The most tokens that one :meth:`extend` takes; 1 where guessing ahead does not pay."""

    def prefill(self, row: int, tokens: Sequence[int], start: int) -> Logits:
        """Write K and V of ``tokens`` at positions ``start``… of ``row``; return the last token's logits (vocab,)."""
        ...

    def decode(self, rows: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> Logits:
        """Advance each of ``rows`` by one token at its position; return logits (len(rows), vocab).

        The array is the caller's to change and stays valid after the next call.
        """
        ...

    def extend(self, row: int, tokens: Sequence[int], start: int) -> Logits:
        """As :meth:`prefill` for up to :attr:`draft_slots` tokens, but return the logits after each, (n, vocab).

        They are the same numbers as :meth:`decode` gives one by one.
        """
        ...

    def close(self) -> None:
        """Free the memory. The model is not used afterwards."""
        ...
