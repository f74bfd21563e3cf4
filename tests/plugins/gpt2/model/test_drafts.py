"""A draft beside a real model: loaded with it, refused by name where it cannot guess, counted in what memory takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from plugins.gpt2.checkpoint.checkpoint import Checkpoint, open_checkpoint
from plugins.gpt2.checkpoint.draft import WrongDraft, check_draft
from plugins.gpt2.model.constants import EMBEDDED_MODEL, OFFICIAL_CONFIGS
from plugins.gpt2.model.gpt2 import load
from plugins.gpt2.model.memory_plan import memory_plan, with_draft
from tests.plugins.gpt2.engine.desk import Desk
from tests.plugins.gpt2.fake_model import request, sampled
from tools.random_checkpoint import RECIPES, write_checkpoint

Opened = Callable[[str], Checkpoint]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with ExitStack() as closing:

        def make(name: str) -> Checkpoint:
            if name in RECIPES and not (tmp_path / name).exists():
                write_checkpoint(tmp_path / name, RECIPES[name].config, RECIPES[name].seed)
            return closing.enter_context(open_checkpoint(str(tmp_path / name) if name in RECIPES else name))

        yield make


def written(model: Any) -> str:
    desk = Desk(model)
    desk.submit(1, request("Hello there", 40, sampled(3)))
    desk.run()
    return desk.texts[1]


def test_a_draft_is_loaded_with_its_model_guesses_and_is_closed_with_it(opened: Opened) -> None:
    plain = load(opened("five-heads"), weights="int8", rows=1)
    guessed = load(opened("five-heads"), weights="int8", rows=1, draft=opened("three-heads"))
    assert guessed.draft is not None
    assert (guessed.draft.rows, guessed.draft_slots, plain.draft_slots) == (1, 8, 1)
    taken: list[list[int]] = []
    extend = guessed.extend
    guessed.extend = lambda row, tokens, start: taken.append([*tokens]) or extend(row, tokens, start)  # type: ignore[method-assign, func-returns-value]  # a spy
    assert written(guessed) == written(plain)
    assert taken
    guessed.close()
    with pytest.raises(RuntimeError, match="was closed"):
        guessed.draft.token_cost  # noqa: B018 - the reading is the point


def test_a_draft_of_another_vocabulary_is_refused_by_name(opened: Opened) -> None:
    with pytest.raises(WrongDraft, match=r"seven-heads cannot guess for .*five-heads: its vocabulary has 300 tokens"):
        load(opened("five-heads"), draft=opened("seven-heads"))
    with pytest.raises(WrongDraft, match=r"townhall-mini cannot guess for .*TOWNHALL_GPT2_DRAFT"):
        check_draft(opened(EMBEDDED_MODEL), opened("five-heads"))


def test_tokens_of_the_same_number_and_another_text_are_another_vocabulary(opened: Opened, tmp_path: Path) -> None:
    draft = opened("three-heads")
    folder = Path(draft.folder)
    text = (folder / "vocab.json").read_text(encoding="utf-8")
    swapped = text.replace('"A"', '"?A"').replace('"B"', '"A"').replace('"?A"', '"B"')
    assert swapped != text
    (folder / "vocab.json").write_text(swapped, encoding="utf-8")
    with pytest.raises(WrongDraft, match=r"token \d+ of its vocabulary is '[AB]', and that of .*five-heads '[AB]'"):
        check_draft(opened("three-heads"), opened("five-heads"))


def test_a_draft_as_large_as_the_model_is_refused(opened: Opened) -> None:
    with pytest.raises(WrongDraft, match="must be smaller"):
        check_draft(opened("five-heads"), opened("three-heads"))


def test_memory_is_planned_for_the_draft_where_it_could_guess() -> None:
    large, small, mini = OFFICIAL_CONFIGS["gpt2-large"], OFFICIAL_CONFIGS["gpt2"], RECIPES["three-heads"].config
    alone = memory_plan(large, "int8", rows=8)
    assert with_draft(large, "int8", 8, small) == alone + memory_plan(small, "int8", rows=1)
    assert with_draft(large, "int8", 8, None) == with_draft(large, "int8", 8, mini) == alone
    assert with_draft(small, "int8", 8, large) == memory_plan(small, "int8", rows=8)
