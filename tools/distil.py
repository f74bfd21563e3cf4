"""Train a draft to say what townhall-mini says: ``python -m tools.distil --corpus corpus --out mini-draft``.

townhall-mini writes texts that begin as the corpus does somewhere (``tools/teacher_texts.py``), and the draft learns
what it gave each next token in them (``tools/soft_targets.py``). ``--texts-folder`` keeps the texts, or takes those
that are there; ``--from`` begins with a draft that ``tools.train_mini`` trained on the corpus.

    … -m tools.train_mini --corpus corpus --out plain --minutes 25 --layers 2 --heads 2 --width 96 --batch 4 \\
        --vocabulary-of townhall-mini
    … -m tools.distil --corpus corpus --texts-folder texts --from plain --out mini-draft --minutes 45
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.model.constants import EMBEDDED_MODEL
from plugins.gpt2.model.gpt2 import GPT2, load
from plugins.gpt2.model.target.device_plan import open_device
from plugins.gpt2.protocol import SamplingParams
from plugins.gpt2.training.learner import Pace
from plugins.gpt2.training.priority import make_way
from plugins.gpt2.training.result import PICTURE, write_result
from tools import teacher_texts
from tools.mini_corpus import read_documents
from tools.soft_targets import Ints, SoftTrainer, targets_of
from tools.teacher_texts import Texts

TEMPERATURE = 0.8
"""That of members' texts, by default; at this one the two distributions are compared."""
SHORTEST, LONGEST = 3, 32
"""Tokens of a text's beginning that are the corpus's."""
KINDS = (
    (0.75, SamplingParams()),
    (0.85, SamplingParams(temperature=1.0)),
    (0.93, SamplingParams(temperature=0.5)),
    (1.0, SamplingParams(temperature=0)),
)
"""How texts are written, up to which share of them."""
HELD_OUT = 64
"""Texts that are measured with."""
MEASURED_EVERY_S = 60.0


def sampling(number: int) -> SamplingParams:
    """Return how the text of this number is written."""
    share = random.Random(number).random()
    return replace(next(kind for most, kind in KINDS if share < most), seed=number)


def prompts(model: GPT2, documents: Sequence[str]) -> Callable[[int], list[int]]:
    """Return what gives each text its beginning: a stretch of a document, from a word's or a sentence's start on."""

    def prompt(number: int) -> list[int]:
        rng = random.Random(number)
        document = rng.choice(documents)
        start = rng.randrange(max(1, len(document) - 400))
        piece = document[start : start + 300]
        found = piece.find(" " if rng.random() < 0.5 else ". ") + 1
        tokens = model.tokenizer.encode(piece[found:].lstrip())[: rng.randint(SHORTEST, LONGEST)]
        return tokens or [0]

    return prompt


def write_texts(corpus: Path, folder: Path, count: int) -> Texts:
    """Have townhall-mini write ``count`` texts into ``folder``."""
    with open_checkpoint(EMBEDDED_MODEL) as checkpoint:
        model = load(checkpoint)
    texts = teacher_texts.make(folder, count, model.info.context_length)
    begun = time.monotonic()

    def told(done: int) -> None:
        speed = done * model.info.context_length / (time.monotonic() - begun)
        print(f"\r{done} of {count} texts, {speed:,.0f} tokens/s", end="", file=sys.stderr, flush=True)

    asked = prompts(model, read_documents(corpus))
    teacher_texts.write(model, asked, texts, folder, sampling, temperature=TEMPERATURE, told=told)
    model.close()
    return teacher_texts.read(folder)


def of_texts(texts: Texts, which: Sequence[int] | npt.NDArray[np.int64]) -> tuple[Ints, Ints]:
    """Return tokens and targets of some texts."""
    chosen = np.sort(np.asarray(which))
    targets = targets_of(texts.ids[chosen], texts.logits[chosen], texts.whole[chosen], TEMPERATURE)
    return texts.tokens[chosen].astype(np.int32), targets


def learn(trainer: SoftTrainer, pace: Pace, texts: Texts, batch: int, minutes: float) -> float:
    """Learn for so long; return the loss of the texts that were held out."""
    count, total_s = len(texts.tokens), 60 * minutes
    held_out = [of_texts(texts, range(first, first + batch)) for first in range(0, HELD_OUT, batch)]

    def measured() -> float:
        return float(np.mean([trainer.measure(*each) for each in held_out]))

    rng, order, loss, seen = np.random.default_rng(1), np.zeros(0, np.int64), measured(), 0
    begun, next_measure, losses = time.monotonic(), MEASURED_EVERY_S, [loss]
    while (elapsed := time.monotonic() - begun) < total_s:
        if len(order) < batch:
            order = rng.permutation(np.arange(HELD_OUT, count))
        chosen, order = order[:batch], order[batch:]
        pace.progress = elapsed / total_s
        losses.append(trainer.learn(*of_texts(texts, chosen)))
        seen += batch * texts.tokens.shape[1]
        if elapsed > next_measure:
            next_measure += MEASURED_EVERY_S
            print(
                f"{elapsed / 60:.1f} minutes, {seen:,} tokens: {np.mean(losses):.4f} nats, held out {measured():.4f}",
                file=sys.stderr,
                flush=True,
            )
            losses = []
    return measured()


def main(given: Sequence[str] | None = None) -> int:
    """Write texts where there are none, learn, and write the draft."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="the folder of text files that the texts begin as")
    parser.add_argument("--texts-folder", type=Path, required=True, help="where the texts are, or will be kept")
    parser.add_argument("--texts", type=int, default=6400, help="how many to write (default: %(default)s)")
    parser.add_argument("--from", dest="source", type=Path, required=True, help="the draft to begin with")
    parser.add_argument("--out", type=Path, required=True, help="folder for the draft; must not exist yet")
    parser.add_argument("--minutes", type=float, default=45, help="how long to learn (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=4, help="texts a step (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=3e-3, help="the highest (default: %(default)s)")
    options = parser.parse_args(given)
    if options.out.exists():
        parser.error(f"--out {options.out} exists; give a new folder")
    make_way()
    if not (options.texts_folder / "done.json").exists():
        if options.corpus is None:
            parser.error("--corpus names the folder of text files")
        write_texts(options.corpus, options.texts_folder, options.texts)
    texts = teacher_texts.read(options.texts_folder)
    open_device("CPU")
    pace = Pace(options.learning_rate)
    with open_checkpoint(str(options.source)) as checkpoint:
        weights = {name: ref.numpy() for name, ref in checkpoint.tensors.items()}
        trainer = SoftTrainer(
            checkpoint.config,
            weights,
            likeliest=texts.ids.shape[2],
            temperature=TEMPERATURE,
            batch=options.batch,
            context=texts.tokens.shape[1],
            schedule=pace,
        )
    loss = learn(trainer, pace, texts, options.batch, options.minutes)
    card = f"A draft for {EMBEDDED_MODEL}, trained by tools/distil.py: {loss:.4f} nats from what it says.\n"
    write_result(options.out.parent.absolute(), options.out.name, options.source, trainer.weights(), card, b"")
    (options.out / PICTURE).unlink()
    print(f"{options.out}: {loss:.4f} nats")
    return 0


if __name__ == "__main__":
    sys.exit(main())
