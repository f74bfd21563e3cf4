"""Texts that end with a whole sentence near their count, and what they show where they cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugins.gpt2.engine.ending import TextEnd
from plugins.gpt2.engine.scheduler import Scheduler
from plugins.gpt2.protocol import Finished, Text
from tests.plugins.gpt2.fake_model import ScriptedModel, request


def written(script: str, count: int, *, context: int = 400, rows: int = 1) -> list[tuple[str, Finished]]:
    """Return what each of ``rows`` texts came to that were written at the same time; a token is a character."""
    scheduler = Scheduler(ScriptedModel(script, context=context, rows=rows))
    asked = replace(request("", count), ending="sentence")
    for key in range(rows):
        scheduler.submit(key, asked, 0.0)
    texts, ends = [""] * rows, dict[int, Finished]()
    while scheduler.busy:
        for key, outcome in scheduler.step().outcomes:
            if isinstance(outcome, Text):
                texts[key] += outcome.piece
            elif isinstance(outcome, Finished):
                ends[key] = outcome
    return [(texts[key], ends[key]) for key in range(rows)]


LONG = "x" * 30


@pytest.mark.parametrize(
    ("script", "text", "cut"),
    [
        (f"{LONG} it goes on. And {LONG * 9}", f"{LONG} it goes on.", False),  # on to the end, 2 beyond
        (f"{LONG} done. And {LONG * 9}", f"{LONG} done.", False),  # back by a little
        (f"{LONG}. And then {LONG * 9}", f"{LONG}.", False),  # back by more: there is no end further on
        (f"One. Two. {LONG * 9}", f"One. Two. {LONG * 9}"[:40], True),  # too far back
        (f"{LONG}, said Dr. Watson to no. 3. {LONG * 9}", f"{LONG}, said Dr.", True),
        (f"{LONG * 2}。。{LONG * 9}", f"{LONG * 2}"[:40], True),  # 20 beyond at most
        (f"{LONG} dr. and mr. {LONG * 9}", f"{LONG} dr. and m", True),
    ],
)
def test_a_text_ends_with_a_sentence_or_says_that_it_does_not(script: str, text: str, cut: bool) -> None:
    # (the script begins at 1: an empty prompt is one token)
    [(given, end)] = written("|" + script, 40)
    assert (given[: len(text)], end.reason, end.cut) == (text, "length", cut)
    assert len(given) <= 40 or not cut


def test_who_else_is_written_for_changes_nothing() -> None:
    alone = written(f"|{LONG} it goes on. And {LONG * 9}", 40)
    assert [text for text, _ in written(f"|{LONG} it goes on. And {LONG * 9}", 40, rows=3)] == [alone[0][0]] * 3


def test_where_the_context_is_full_a_text_goes_back_to_its_last_sentence() -> None:
    [(text, end)] = written(f"|{LONG}. And {LONG * 9}", 300, context=40)
    assert (end.reason, end.cut) == ("context", True)  # the last quarter of 300 was not reached
    [(text, end)] = written(f"|{LONG}. And {LONG * 9}", 42, context=40)
    assert (text, end.reason, end.cut) == (f"{LONG}.", "context", False)


def test_a_stopped_text_keeps_what_was_written() -> None:
    end = TextEnd(8, "sentence")
    given = "".join(end.push(char, index + 1) for index, char in enumerate("Hi. and so"))
    assert given + end.finish("cancelled") == "Hi. and "
    assert not end.cut


def test_exact_is_exact() -> None:
    end = TextEnd(4, "exact")
    given = "".join(end.push(char, index + 1) for index, char in enumerate("abcd"))
    assert given == "abcd"
    assert end.reached(4)
    assert not end.reached(3)
