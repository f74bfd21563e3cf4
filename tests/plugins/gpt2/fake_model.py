"""A language model without tensors: its next token depends on every token of the row so far, and on nothing else.

So a scheduler that mixes up rows, positions or the order of slices gets another text.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from plugins.gpt2.drawing import Drawing, Guessing
from plugins.gpt2.language_model import LanguageModel, LoadProgress, Logits, ModelInfo, Tokenizer
from plugins.gpt2.protocol import GenerationRequest, SamplingParams
from plugins.gpt2.turns import flow

END_OF_TEXT = 256
LETTERS = slice(ord("a"), ord("z") + 1)

GREEDY = SamplingParams(temperature=0.0, repetition_penalty=1.0, seed=1)


class ByteTokenizer:
    """One token a byte; 256 ends a text, a turn of a conversation, and is spelled ``<end>`` by a host."""

    begins: tuple[int, ...] = ()

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        if special:
            return self.encode_turns(text.split("<end>"))[:-1]
        return [*self.begins, *text.encode()]

    def encode_turns(self, turns: Sequence[str], *, spoken: bool = False) -> list[int]:
        if spoken:
            return self.encode(flow(turns))
        return [*self.begins, *(token for turn in turns for token in (*turn.encode(), END_OF_TEXT))]

    def decode_bytes(self, tokens: Sequence[int]) -> bytes:
        return bytes(token for token in tokens if token != END_OF_TEXT)


class FakeModel:
    """Implements LanguageModel. ``before_step`` is called with "prefill" or "decode" and may wait or raise."""

    def __init__(
        self,
        name: str = "fake",
        *,
        rows: int = 4,
        context: int = 64,
        prefill_slice: int = 8,
        draft_slots: int = 4,
        step_s: float | None = None,
        before_step: Callable[[str], None] = lambda kind: None,
    ) -> None:
        self.info = ModelInfo(name, "FAKE", "fp32", 1000, 4000, context, 257, END_OF_TEXT, step_s)
        self.tokenizer: Tokenizer = ByteTokenizer()
        self.rows = rows
        self.prefill_slice = prefill_slice
        self.draft_slots = draft_slots
        self.drawing: Drawing | None = None
        self.guessing: Guessing | None = None
        self.draft: LanguageModel | None = None
        self.before_step = before_step
        self.closed = threading.Event()
        self.steps: list[tuple[str, int]] = []
        """What ran: ("prefill", tokens), ("decode", rows) or ("extend", tokens)."""
        self.threads: set[int] = set()
        self._cache = [[-1] * context for _ in range(rows)]

    def next_logits(self, tokens: Sequence[int]) -> Logits:
        """Return logits (257,) for what follows ``tokens``: random lower-case letters, always the same ones."""
        read = hashlib.blake2b(np.array(tokens, np.int16).tobytes(), digest_size=8)
        logits = np.random.default_rng(int.from_bytes(read.digest())).normal(size=257).astype(np.float32)
        logits[LETTERS] += 20
        return logits

    def prefill(self, row: int, tokens: Sequence[int], start: int) -> Logits:
        self._begin("prefill", len(tokens))
        assert 0 < len(tokens) <= self.prefill_slice
        self._cache[row][start : start + len(tokens)] = tokens
        assert len(self._cache[row]) == self.info.context_length, "written beyond the context"
        return self.next_logits(self._read(row, start + len(tokens)))

    def decode(self, rows: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> Logits:
        self._begin("decode", len(rows))
        assert len(set(rows)) == len(rows)
        for row, token, position in zip(rows, tokens, positions, strict=True):
            self._cache[row][position] = token
        return np.stack(
            [self.next_logits(self._read(row, position + 1)) for row, position in zip(rows, positions, strict=True)]
        )

    def extend(self, row: int, tokens: Sequence[int], start: int) -> Logits:
        self._begin("extend", len(tokens))
        assert 0 < len(tokens) <= self.draft_slots
        self._cache[row][start : start + len(tokens)] = tokens
        assert len(self._cache[row]) == self.info.context_length, "written beyond the context"
        return np.stack([self.next_logits(self._read(row, start + n + 1)) for n in range(len(tokens))])

    def close(self) -> None:
        self.closed.set()

    def _begin(self, kind: str, size: int) -> None:
        assert not self.closed.is_set()
        self.threads.add(threading.get_ident())
        self.steps.append((kind, size))
        self.before_step(kind)

    def _read(self, row: int, length: int) -> list[int]:
        tokens = self._cache[row][:length]
        assert -1 not in tokens, "attends to a position that was never written"
        return tokens


class ScriptedModel(FakeModel):
    """Writes ``script`` again and again, whatever it reads; after a prompt as long as the script, from its start."""

    def __init__(self, script: str, name: str = "fake", **shape: Any) -> None:
        super().__init__(name, **shape)
        self.script = script.encode()

    def next_logits(self, tokens: Sequence[int]) -> Logits:
        logits = np.zeros(257, dtype=np.float32)
        logits[self.script[len(tokens) % len(self.script)]] = 100
        return logits


def loading(model: LanguageModel, pieces: int = 2) -> Generator[LoadProgress, None, LanguageModel]:
    """Load ``model`` in pieces, as the real one is loaded."""
    for done in range(pieces):
        yield LoadProgress("loading", "wte.weight", done + 1, pieces, memory_bytes=2000)
    return model


def request(
    prompt: str, count: int = 10, sampling: SamplingParams = GREEDY, *, model: str = "fake", user: int | None = None
) -> GenerationRequest:
    return GenerationRequest(prompt, count, model, sampling, user_id=user)


def sampled(seed: int) -> SamplingParams:
    return replace(GREEDY, temperature=1.0, seed=seed)


def greedy_text(prompt: str, count: int) -> str:
    """What the fake model writes after ``prompt``, computed without an engine."""
    model, tokens = FakeModel(), list(prompt.encode())
    for _ in range(count):
        tokens.append(int(model.next_logits(tokens).argmax()))
    return bytes(tokens[len(prompt.encode()) :]).decode()
