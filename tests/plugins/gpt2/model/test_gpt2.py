"""The model gives GPT-2's numbers: transformers' logits, at every position, however the tokens are fed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.language_model import LoadProgress
from plugins.gpt2.model.constants import EMBEDDED_MODEL, OFFICIAL_CONFIGS, Products, Weights
from plugins.gpt2.model.cpu import kernels
from plugins.gpt2.model.cpu.instructions import INSTRUCTIONS
from plugins.gpt2.model.gpt2 import FP32_RATE, GPT2, load, prefill_slices
from plugins.gpt2.model.memory_plan import memory_plan
from plugins.gpt2.model.target import compiler
from plugins.gpt2.model.utils import steps_for
from tools.random_checkpoint import RECIPES, write_checkpoint

REFERENCE = Path(__file__).parent / "reference"
CLOSE = 1e-4

Opener = Callable[..., GPT2]


@pytest.fixture
def opened(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Load a recipe's random checkpoint, or the embedded one; closed after the test.

    Each step is captured when it is first taken, except where the test is about ``warm_up``.
    """
    if "warm_up" not in request.keywords:
        request.getfixturevalue("steps_when_needed")
    with ExitStack() as closing:

        def make(name: str, *, weights: Weights = "fp32", rows: int | None = None, **more: Any) -> GPT2:
            rows = rows or (1 if name == EMBEDDED_MODEL else 2)  # 1 as in `townhall gpt2`, whose kernels are compiled
            source = name if name == EMBEDDED_MODEL else str(tmp_path / name)
            if name != EMBEDDED_MODEL:
                write_checkpoint(tmp_path / name, RECIPES[name].config, RECIPES[name].seed)
            with open_checkpoint(source) as checkpoint:
                model = load(checkpoint, weights=weights, rows=rows, **more)
            closing.callback(model.close)
            return model

        yield make


def reference(name: str) -> dict[str, npt.NDArray[Any]]:
    with np.load(REFERENCE / f"{name}.npz") as stored:
        return dict(stored)


def assert_close(ours: npt.NDArray[np.float32], theirs: npt.NDArray[np.float32], where: str) -> None:
    """Relative to the largest logit of the position: a logit near 0 has no relative precision of its own."""
    error = np.abs(ours - theirs).max(-1) / np.abs(theirs).max(-1)
    assert error.max() < CLOSE, f"{where}: off by {error.max():.2e} at position {error.argmax()}"


def token_by_token(model: GPT2, tokens: Sequence[int], row: int = 0) -> npt.NDArray[np.float32]:
    return np.stack([model.decode([row], [token], [at])[0] for at, token in enumerate(tokens)])


@pytest.mark.parametrize("name", list(RECIPES))
def test_random_shapes_equal_transformers_token_by_token(opened: Opener, name: str) -> None:
    expected = reference(name)
    assert_close(token_by_token(opened(name), expected["tokens"].tolist()), expected["logits"], name)


@pytest.mark.parametrize("name", list(RECIPES))
def test_random_shapes_equal_transformers_with_the_prompt_in_one_go(opened: Opener, name: str) -> None:
    expected, model = reference(name), opened(name)
    tokens = expected["tokens"].tolist()
    ours = np.stack([model.prefill(0, tokens[: length + 1], 0) for length in range(len(tokens))])
    assert_close(ours, expected["logits"], name)


@pytest.mark.parametrize("name", list(RECIPES))
def test_random_shapes_equal_transformers_with_the_prompt_in_slices(opened: Opener, name: str) -> None:
    expected, model = reference(name), opened(name)
    tokens, start = expected["tokens"].tolist(), 0
    for size in (1, 3, 7, 2, 5, 8, 60, 20):
        piece = tokens[start : start + size]
        if piece:
            ours = model.prefill(1, piece, start)
            start += len(piece)
            assert_close(ours[None], expected["logits"][start - 1 : start], f"{name} up to {start}")
    assert start == len(tokens)


def test_the_embedded_model_equals_transformers(opened: Opener) -> None:
    expected, model = reference(EMBEDDED_MODEL), opened(EMBEDDED_MODEL)
    columns = expected["columns"]
    for index, text in enumerate(expected["texts"]):
        tokens = expected[f"tokens_{index}"].tolist()
        assert model.tokenizer.encode(str(text)) == tokens
        logits = token_by_token(model, tokens)
        assert_close(logits[:, columns], expected[f"logits_{index}"], str(text)[:20])
        peak = logits.max(-1)
        total = peak + np.log(np.exp(logits - peak[:, None]).sum(-1))
        np.testing.assert_allclose(total, expected[f"logsumexp_{index}"], rtol=CLOSE)


@pytest.mark.parametrize("weights", ["fp32", "fp16", "bf16"])
def test_the_embedded_model_continues_as_transformers_does(opened: Opener, weights: Weights) -> None:
    expected, model = reference(EMBEDDED_MODEL), opened(EMBEDDED_MODEL, weights=weights)
    for index in range(len(expected["texts"])):
        if f"greedy_{index}" not in expected or (weights != "fp32" and expected[f"margin_{index}"] < 0.05):
            continue  # narrower weights may settle a near tie the other way
        tokens = expected[f"tokens_{index}"].tolist()
        logits = model.prefill(0, tokens, 0)
        for theirs in expected[f"greedy_{index}"]:
            assert int(logits.argmax()) == theirs
            tokens.append(int(theirs))
            logits = model.decode([0], tokens[-1:], [len(tokens) - 1])[0]


def test_texts_in_different_rows_do_not_see_each_other(opened: Opener) -> None:
    model = opened("five-heads", rows=3)
    tokens = reference("five-heads")["tokens"].tolist()
    texts = {0: tokens[:20], 1: tokens[20:25], 2: tokens[30:61]}
    alone = {row: token_by_token(model, text)[-1] for row, text in texts.items()}
    for row, text in texts.items():
        model.prefill(row, text[:-1], 0)
    together = model.decode(list(texts), [text[-1] for text in texts.values()], [len(t) - 1 for t in texts.values()])
    for row in texts:
        assert_close(together[row][None], alone[row][None], f"row {row}")


USABLE: list[Products] = [*(found.name for found in INSTRUCTIONS if found.needs <= compiler.features()), "fp32"]

NARROW: list[tuple[Weights, Products]] = [
    *(("int8", name) for name in USABLE),
    *(("int4", name) for name in (USABLE[0], USABLE[-1])),
]


@pytest.mark.parametrize(("weights", "products"), NARROW)
def test_logits_do_not_depend_on_the_company(opened: Opener, weights: Weights, products: Products) -> None:
    """To the last bit: so a text is the same alone and in a batch, for any sampling, not only for greedy."""
    model = opened("five-heads", rows=8, weights=weights, products=products)
    tokens = reference("five-heads")["tokens"].tolist()
    for row in range(8):
        model.prefill(row, tokens[row : row + 9], 0)
    together = model.decode(range(8), tokens[20:28], [9] * 8)
    for row in range(8):
        np.testing.assert_array_equal(together[row], model.decode([row], [tokens[20 + row]], [9])[0])


@pytest.mark.parametrize(("weights", "products"), [("int8", USABLE[0]), ("int8", "fp32"), ("int4", USABLE[0])])
def test_logits_do_not_depend_on_how_the_prompt_was_cut(opened: Opener, weights: Weights, products: Products) -> None:
    model = opened("five-heads", rows=8, weights=weights, products=products)  # as above: so its kernels are compiled
    tokens = reference("five-heads")["tokens"].tolist()
    whole = model.prefill(0, tokens, 0)
    model.prefill(1, tokens[:9], 0)
    np.testing.assert_array_equal(model.prefill(1, tokens[9:], 9), whole)
    model.prefill(2, tokens[:-3], 0)
    np.testing.assert_array_equal(model.extend(2, tokens[-3:], len(tokens) - 3)[-1], whole)
    np.testing.assert_array_equal(token_by_token(model, tokens, row=3)[-1], whole)


def test_every_instruction_gives_nearly_the_same_logits(opened: Opener) -> None:
    """The sums are the same; bias, activation and layer norm are fp32, which processors may round apart."""
    tokens = reference("five-heads")["tokens"].tolist()[:12]
    models = (opened("five-heads", rows=8, weights="int8", products=name) for name in USABLE[:-1])
    one, *others = (model.prefill(0, tokens, 0) for model in models)
    for other in others:
        np.testing.assert_allclose(other, one, atol=np.abs(one).max() * 1e-3)


def test_without_c_kernels_tinygrads_own_give_the_same(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kernels, "PRELUDE", "#error no vector types here\n")
    expected, model = reference("three-heads"), opened("three-heads", rows=1)
    assert "the C kernels cannot run here" in caplog.text
    tokens = expected["tokens"].tolist()
    assert_close(model.prefill(0, tokens, 0)[None], expected["logits"][-1:], "prefill")
    assert_close(token_by_token(model, tokens), expected["logits"], "token by token")


@pytest.mark.skipif("GPT2_TEST_DEVICE" not in os.environ, reason="GPT2_TEST_DEVICE names no GPU (CUDA, CL, …)")
@pytest.mark.parametrize("weights", ["fp32", "fp16"])
def test_a_gpu_gives_the_numbers_of_transformers(opened: Opener, weights: Weights) -> None:
    expected = reference("three-heads")
    model = opened("three-heads", weights=weights, rows=1, device=os.environ["GPT2_TEST_DEVICE"])
    tokens = expected["tokens"].tolist()
    error = np.abs(token_by_token(model, tokens) - expected["logits"]).max() / np.abs(expected["logits"]).max()
    assert error < (CLOSE if weights == "fp32" else 1e-2)


def test_a_large_model_reads_prompts_in_smaller_slices() -> None:
    def sizes(rate: float) -> list[int]:
        shapes = (OFFICIAL_CONFIGS[name] for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"))
        return [prefill_slices(config.parameters, threads=2, rate=rate)[-1] for config in shapes]

    assert sizes(FP32_RATE) == [64, 32, 8, 4]
    assert sizes(120e9) == [128, 64, 16, 8]


def test_no_slice_is_larger_than_what_holds_a_whole_context() -> None:
    assert [prefill_slices(10_000, 2, context=length) for length in (3, 37, 65, 1024)] == [
        (4,),
        (4, 16, 64),
        (4, 16, 64, 128),
        (4, 16, 64, 128),
    ]


def test_a_prompt_is_read_in_the_steps_that_cost_least() -> None:
    sizes = (4, 16, 64, 128)
    assert steps_for(3, sizes) == (4,)
    assert steps_for(12, sizes) == (16,)
    assert steps_for(20, sizes) == (16, 4)
    assert steps_for(60, sizes) == (64,)
    assert steps_for(300, sizes) == (128, 128, 64)
    for length in range(1, 300):
        taken = steps_for(length, sizes)
        assert sum(taken[:-1]) < length <= sum(taken)


def test_a_row_can_be_used_again_for_a_shorter_text(opened: Opener) -> None:
    model = opened("three-heads")
    tokens = reference("three-heads")["tokens"].tolist()
    first = model.prefill(0, tokens[:3], 0)
    model.prefill(0, tokens[5:30], 0)
    np.testing.assert_array_equal(model.prefill(0, tokens[:3], 0), first)


@pytest.mark.parametrize(("weights", "lost", "agreed"), [("int8", 0.01, 0.95), ("int4", 0.03, 0.88)])
def test_narrow_weights_stay_close_to_fp32(opened: Opener, weights: Weights, lost: float, agreed: float) -> None:
    texts = [str(text) for text in reference(EMBEDDED_MODEL)["texts"]]
    exact, narrow = opened(EMBEDDED_MODEL), opened(EMBEDDED_MODEL, weights=weights)
    divergence, same, count = 0.0, 0, 0
    for text in texts:
        tokens = exact.tokenizer.encode(text)
        p, q = (log_softmax(token_by_token(model, tokens)) for model in (exact, narrow))
        divergence += float((np.exp(p) * (p - q)).sum())
        same += int((p.argmax(-1) == q.argmax(-1)).sum())
        count += len(tokens)
    assert divergence / count < lost
    assert same / count > agreed


def log_softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    wide = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    result: npt.NDArray[np.float64] = wide - np.log(np.exp(wide).sum(-1, keepdims=True))
    return result


@pytest.mark.warm_up
def test_loading_names_each_stage_and_counts_to_the_end(opened: Opener) -> None:
    seen: list[LoadProgress] = []
    model = opened(EMBEDDED_MODEL, on_progress=seen.append)
    loading = [progress for progress in seen if progress.stage == "loading"]
    assert loading[-1].done == loading[-1].total
    assert loading[-1].memory_bytes == model.info.weight_bytes
    assert any("h.3" in progress.tensor for progress in loading)
    assert seen[-1].stage == "warming up"
    assert seen[-1].done == seen[-1].total


@pytest.mark.warm_up
def test_loading_measures_a_step_for_those_who_will_wait(opened: Opener) -> None:
    assert 0 < (opened("five-heads").info.step_s or 0) < 10


def test_the_memory_plan_covers_what_is_kept(opened: Opener) -> None:
    for weights in ("fp32", "int8", "int4"):
        model = opened(EMBEDDED_MODEL, weights=weights)
        with open_checkpoint(EMBEDDED_MODEL) as checkpoint:
            plan = memory_plan(checkpoint.config, weights, rows=1)
        assert model.info.weight_bytes < plan < 4 * model.info.weight_bytes


@pytest.mark.parametrize(
    ("rows", "tokens", "positions", "said"),
    [
        ([2], [1], [0], "row 2 does not exist; there are 2"),
        ([0], [1], [37], "do not fit the context of 37"),
        ([0], [1], [-1], "do not fit the context of 37"),
        ([0, 1], [1], [0], "as many tokens"),
    ],
)
def test_what_does_not_fit_is_refused(
    opened: Opener, rows: list[int], tokens: list[int], positions: list[int], said: str
) -> None:
    model = opened("three-heads")
    with pytest.raises(ValueError, match=said):
        model.decode(rows, tokens, positions)


def test_a_prefill_of_nothing_is_refused(opened: Opener) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        opened("three-heads").prefill(0, [], 0)
