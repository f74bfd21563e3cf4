"""What the plugin says exists in every language, is said with the values it has, and no text is left over."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugins.gpt2 import messages
from plugins.gpt2.messages import TEXTS, message
from plugins.gpt2.protocol import Busy, EngineFailed

HERE = Path(messages.__file__).parent
ENGLISH = TEXTS._by_locale["en"]
SPEAKERS = ("message", "words", "english")
"""What takes a text's name: ``message``, a variable or attribute called words, ``TEXTS.english``."""


def test_what_is_said_is_english_in_a_log_and_german_for_a_german() -> None:
    busy = Busy(message("busy.queue", count=3, wait="8 s"))
    assert str(busy).startswith("The queue is full: 3 are waiting")
    assert busy.message.by(TEXTS.of("de")).startswith("Die Warteschlange ist voll: 3 warten")


def test_a_part_of_a_sentence_is_in_the_same_language() -> None:
    reason = message("failed.in_a_row", times=3, error="OSError: no such device")
    failed = EngineFailed(message("failed.out_of_service", model="{gpt2}", reason=reason), "Once")
    assert str(failed).startswith("{gpt2} is out of service: it failed 3 times in a row, the last time with OSError")
    assert failed.message.by(TEXTS.of("de")).startswith("{gpt2} ist außer Betrieb: Es ist 3-mal hintereinander")
    assert failed.partial_text == "Once"


@pytest.mark.parametrize("locale", TEXTS.locales)
def test_every_language_has_every_text_with_the_same_values(locale: str) -> None:
    texts = TEXTS._by_locale[locale]
    assert set(texts) == set(ENGLISH)
    for name, text in texts.items():
        assert fields(text) == fields(ENGLISH[name]), name
        if name.startswith(("gpt2.", "config.option.")) or name.endswith(".description"):
            assert len(text) <= 100, name  # Discord's limit for what is said of a command


def test_every_text_that_the_code_names_exists_and_gets_its_values() -> None:
    checked = 0
    for place, call, name in calls():
        texts = [text for key, text in ENGLISH.items() if key in (name, f"{name}.one", f"{name}.other")]
        assert texts, f"{place}: no text is called {name}"
        given = {keyword.arg for keyword in call.keywords}
        if None not in given and "english" not in ast.unparse(call.func):  # neither **values nor a text as written
            assert {value for text in texts for value, _ in fields(text)} == given, f"{place}: {name}"
            checked += 1
    assert checked > 50


def test_no_text_is_left_over() -> None:
    literals = [pattern(node) for _, tree in sources() for node in ast.walk(tree)]
    used = re.compile("|".join(each for each in literals if re.match(r"\w+\\\.", each)))
    names = {name.removesuffix(".one") for name in ENGLISH if f"{name.removesuffix('.other')}.one" not in ENGLISH}
    assert sorted(name for name in names if not used.fullmatch(name)) == []


def sources() -> Iterator[tuple[Path, ast.AST]]:
    """Yield the plugin's modules."""
    for path in HERE.rglob("*.py"):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Yield each call that names a text: where it is, the call, and the name; each of two that it chooses between."""
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).split(".")[-1] in SPEAKERS:
                name = node.args[0]
                for each in (name.body, name.orelse) if isinstance(name, ast.IfExp) else (name,):
                    if isinstance(each, ast.Constant):
                        yield f"{path.relative_to(HERE)}:{node.lineno}", node, str(each.value)


def pattern(node: ast.AST) -> str:
    """Return what a string in the code may be, as a regular expression; an empty one for what is no string."""
    if isinstance(node, ast.JoinedStr):
        return "".join(pattern(part) or r"\w+" for part in node.values)
    return re.escape(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def fields(text: str) -> set[tuple[str, str | None]]:
    """Return the values of a text, each with its format."""
    return {(field, form) for _, field, form, _ in string.Formatter().parse(text) if field is not None}
