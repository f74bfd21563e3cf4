"""A draft learns a model's distributions: what is written down of them, the loss and its gradient, the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from plugins.gpt2.model.constants import GPT2Config
from plugins.gpt2.model.target import compiler
from plugins.gpt2.protocol import SamplingParams
from tests.plugins.gpt2.fake_model import FakeModel
from tests.plugins.gpt2.model.numpy_gpt2 import logits_of
from tools import teacher_texts
from tools.random_checkpoint import RECIPES, random_weights

compiler.use()

from plugins.gpt2.training.learner import Pace  # noqa: E402 - what follows imports tinygrad
from tools import distil  # noqa: E402 - as above
from tools.soft_targets import OFFSET, SoftTrainer, targets_of  # noqa: E402 - as above

CONFIG = RECIPES["three-heads"].config
COLD = 0.8
KEPT, BATCH, CONTEXT = 20, 2, 16
Array = npt.NDArray[Any]


def trainer(weights: dict[str, Array], config: GPT2Config = CONFIG) -> SoftTrainer:
    return SoftTrainer(
        config, weights, likeliest=KEPT, temperature=COLD, batch=BATCH, context=CONTEXT, schedule=Pace(1e-3), threads=2
    )


def whole_of(logits: Array) -> Array:
    return np.asarray(np.log(np.exp(logits / COLD).sum(-1)))


@pytest.fixture
def lesson() -> tuple[Array, Array, Array, Array]:
    """Tokens, and of another's logits after each the likeliest ids, their values and the normalisers."""
    rng = np.random.default_rng(1)
    tokens = rng.integers(0, CONFIG.vocab_size, (BATCH, CONTEXT), dtype=np.int32)
    logits = (2 * rng.normal(size=(BATCH, CONTEXT, CONFIG.vocab_size))).astype(np.float32)
    ids = np.argsort(-logits, axis=-1)[..., :KEPT]
    return tokens, ids, np.take_along_axis(logits, ids, -1), whole_of(logits)


def expected(weights: dict[str, Array], lesson: tuple[Array, Array, Array, Array]) -> float:
    """Return the loss as it is defined, in double precision."""
    tokens, ids, logits, whole = lesson
    ours = np.stack([logits_of(weights, CONFIG, row.tolist()) for row in tokens])
    off = whole_of(ours) - whole
    q = np.exp(np.take_along_axis(ours, ids, -1) / COLD - whole_of(ours)[..., None])
    p = np.exp(logits / COLD - whole[..., None])
    left, share = 1 - q.sum(-1), 1 - p.sum(-1)
    return float(((p * np.log(p / q)).sum(-1) + share * np.log(share / left) + OFFSET / 2 * off**2).mean())


def test_the_loss_is_how_far_the_distributions_are_apart(lesson: tuple[Array, Array, Array, Array]) -> None:
    weights = random_weights(CONFIG, 3)
    tokens, ids, logits, whole = lesson
    assert trainer(weights).measure(tokens, targets_of(ids, logits, whole, COLD)) == pytest.approx(
        expected(weights, lesson), 1e-3
    )


def test_the_gradient_is_the_losss(lesson: tuple[Array, Array, Array, Array]) -> None:
    weights = random_weights(CONFIG, 3)
    tokens, ids, logits, whole = lesson
    made = trainer(weights)
    made.learn(tokens, targets_of(ids, logits, whole, COLD))
    gradients = made.gradients()
    rng, step = np.random.default_rng(2), 1e-4
    for name in ("wte.weight", "h.1.mlp.c_fc.weight", "ln_f.bias"):
        direction = rng.normal(size=weights[name].shape)
        moved = [expected(dict(weights) | {name: weights[name] + by * direction}, lesson) for by in (step, -step)]
        slope = (moved[0] - moved[1]) / (2 * step)
        assert float((gradients[name] * direction).sum()) == pytest.approx(slope, rel=2e-2)


def test_learning_brings_the_distributions_together(lesson: tuple[Array, Array, Array, Array]) -> None:
    tokens, ids, logits, whole = lesson
    made, targets = trainer(random_weights(CONFIG, 3)), targets_of(ids, logits, whole, COLD)
    before = made.measure(tokens, targets)
    for _ in range(60):
        made.learn(tokens, targets)
    assert made.measure(tokens, targets) < 0.8 * before


def test_texts_are_written_down_with_what_the_model_said_after_each_token(tmp_path: Path) -> None:
    folder, model, told = tmp_path / "texts", FakeModel(rows=2, context=12), list[int]()
    texts = teacher_texts.make(folder, 3, 12)
    params = SamplingParams(temperature=0.0, repetition_penalty=1.0)
    teacher_texts.write(
        model, lambda n: b"abc"[: n + 1], texts, folder, lambda n: params, temperature=COLD, told=told.append
    )
    assert told == [2, 3]
    found = teacher_texts.read(folder)
    assert found.tokens.shape == (3, 12)
    for number in range(3):
        tokens = found.tokens[number].tolist()
        assert bytes(tokens).startswith(b"abc"[: number + 1])
        for place in range(number, 11):
            logits = model.next_logits(tokens[: place + 1])
            assert tokens[place + 1] == logits.argmax()
            assert found.whole[number, place] == pytest.approx(whole_of(logits.astype(np.float64)), abs=1e-3)
            kept = dict(zip(found.ids[number, place].tolist(), found.logits[number, place].tolist(), strict=True))
            assert kept[int(logits.argmax())] == pytest.approx(float(logits.max()), rel=1e-3)


def test_a_text_is_asked_for_in_the_same_way_every_time() -> None:
    assert [distil.sampling(n) for n in range(50)] == [distil.sampling(n) for n in range(50)]
    assert {distil.sampling(n).temperature for n in range(50)} == {0.8, 1.0, 0.5, 0}


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        distil.main(["--texts-folder", str(tmp_path), "--from", "plain", "--out", str(tmp_path)])
    assert "exists; give a new folder" in capsys.readouterr().err
