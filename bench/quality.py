"""What narrow weights cost in quality: ``python -m bench.quality`` compares int8 with fp32 on text that the model has
not seen, by the mean Kullback-Leibler divergence of the next token's distribution (in nats, from fp32 to int8) and by
how often the likeliest token is the same. The last line is one JSON object.

The text is cut into windows as long as the context. Each begins with a prefill and goes on one token at a time, as
serving does, with the text's own tokens; every position counts, the prefill's last one among them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench import machine
from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.language_model import LanguageModel, Logits
from plugins.gpt2.model.constants import EMBEDDED_MODEL, WEIGHT_NAMES, Weights
from plugins.gpt2.model.gpt2 import load
from tools.mini_corpus import HELD_OUT, read_documents

PASSAGE = Path(__file__).with_name("held_out.txt")
CORPUS = Path(__file__).resolve().parents[2] / "shared" / "data" / "corpus.tar.xz"
PREFILL = 64
ROWS = 8

Windows = npt.NDArray[np.int64]


@dataclass(slots=True)
class Sums:
    """What was added up over positions."""

    positions: int = 0
    kl: float = 0.0
    same_top: int = 0
    loss: float = 0.0
    reference_loss: float = 0.0

    def add(self, reference: Logits, logits: Logits, targets: npt.NDArray[np.int64]) -> None:
        """Take in one position of each row; logits are (rows, vocab), ``targets`` what the text goes on with."""
        wanted, given = log_softmax(reference), log_softmax(logits)
        at = np.arange(len(targets))
        self.positions += len(targets)
        self.kl += float((np.exp(wanted) * (wanted - given)).sum())
        self.same_top += int((reference.argmax(axis=1) == logits.argmax(axis=1)).sum())
        self.loss -= float(given[at, targets].sum())
        self.reference_loss -= float(wanted[at, targets].sum())

    def result(self) -> dict[str, float]:
        """Return the means."""
        return {
            "positions": self.positions,
            "mean_kl": self.kl / self.positions,
            "same_top_percent": 100 * self.same_top / self.positions,
            "nats_a_token": self.loss / self.positions,
            "reference_nats_a_token": self.reference_loss / self.positions,
        }


def log_softmax(logits: Logits) -> npt.NDArray[np.float64]:
    """Return the logarithms of the probabilities, (rows, vocab) in and out."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    normal: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normal


def windows(tokens: Sequence[int], length: int, limit: int) -> Windows:
    """Return (n, ``length``): the text in pieces, spread over all of it where there are more than ``limit`` tokens.

    Raises ValueError where the text is shorter than one.
    """
    count = len(tokens) // length
    if count == 0:
        raise ValueError(f"the text has {len(tokens)} tokens; one window needs {length}. Give a longer one.")
    pieces = np.array(tokens[: count * length], np.int64).reshape(count, length)
    wanted = max(1, min(count, limit // length))
    spread: Windows = pieces[np.linspace(0, count - 1, wanted).astype(int)]
    return spread


def walk(model: LanguageModel, pieces: Windows) -> Iterator[Logits]:
    """Yield the logits (rows, vocab) of every position from the prefill's last to the window's last but one."""
    rows = list(range(len(pieces)))
    first = []
    for row, piece in enumerate(pieces):
        for at in range(0, PREFILL, model.prefill_slice):
            part = piece[at : min(at + model.prefill_slice, PREFILL)].tolist()
            logits = model.prefill(row, part, at)
        first.append(logits)
    yield np.stack(first)
    for position in range(PREFILL, pieces.shape[1] - 1):
        yield model.decode(rows, pieces[:, position].tolist(), [position] * len(rows))


def held_out_text(given: Path | None) -> tuple[str, str]:
    """Return a text and where it comes from: ``given``, the corpus's held-out documents, or the passage of the repo."""
    if given is not None:
        return given.read_text(encoding="utf-8"), given.name
    if not CORPUS.exists():
        return PASSAGE.read_text(encoding="utf-8"), PASSAGE.name
    with tempfile.TemporaryDirectory(prefix="townhall-corpus-") as folder, tarfile.open(CORPUS) as archive:
        archive.extractall(folder, filter="data")
        documents = read_documents(Path(folder))
    return "\n\n".join(documents[::HELD_OUT]), f"held-out documents of {CORPUS.name}"


def compare(model: str, reference: Weights, weights: Weights, text: str, *, limit: int, threads: int) -> dict[str, Any]:
    """Return the means over about ``limit`` positions. Raises ValueError where the text is too short."""
    sums = Sums()
    with open_checkpoint(model, local_only=True) as checkpoint:
        length = checkpoint.config.n_positions
        pieces = windows(checkpoint.tokenizer().encode(text), length, limit)
        exact = load(checkpoint, weights=reference, rows=ROWS, threads=threads)
        narrow = load(checkpoint, weights=weights, rows=ROWS, threads=threads)
    for at in range(0, len(pieces), ROWS):
        batch = pieces[at : at + ROWS]
        for step, (wanted, given) in enumerate(zip(walk(exact, batch), walk(narrow, batch), strict=True)):
            sums.add(wanted, given, batch[:, PREFILL + step])
    exact.close()
    narrow.close()
    return sums.result()


def main(given: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m bench.quality", description=__doc__)
    parser.add_argument("--model", default=EMBEDDED_MODEL, help=f"as everywhere (default {EMBEDDED_MODEL})")
    parser.add_argument("--weights", choices=WEIGHT_NAMES, default="int8")
    parser.add_argument("--against", choices=WEIGHT_NAMES, default="fp32")
    parser.add_argument("--text", type=Path, help="default: the corpus's held-out documents, or bench/held_out.txt")
    parser.add_argument("--tokens", type=int, default=16384, help="about how many positions (default 16384)")
    parser.add_argument("--threads", type=int, default=machine.physical_cores(), help="default: physical cores")
    options = parser.parse_args(given)
    text, source = held_out_text(options.text)
    means = compare(
        options.model, options.against, options.weights, text, limit=options.tokens, threads=options.threads
    )
    print(f"{options.model}, {options.weights} against {options.against}, {means['positions']} positions of {source}:")
    print(f"mean KL {means['mean_kl']:.5f} nats, same top token {means['same_top_percent']:.2f} %")
    print(f"nats a token: {means['nats_a_token']:.4f}, reference {means['reference_nats_a_token']:.4f}")
    result = {
        "kind": "quality",
        "model": Path(options.model).name,
        "machine": machine.describe(),
        "weights": options.weights,
        "against": options.against,
        "text": source,
        **means,
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
