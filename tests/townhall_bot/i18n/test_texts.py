"""Texts: one place, several languages, English where a language is silent, and mistakes named with their file."""

from pathlib import Path

import discord
import pytest

from townhall_bot.i18n import NO_TEXTS, Texts, TextsError

ENGLISH = """
hello = "Hello, {name}."
only = "Only in English."
[queue]
ahead = {one = "{count} request is first.", other = "{count} requests are first."}
"""
GERMAN = """
hello = "Hallo, {name}."
[queue]
ahead = {one = "{count} Anfrage ist vorher dran.", other = "{count} Anfragen sind vorher dran."}
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "locale").mkdir()
    (tmp_path / "locale" / "en.toml").write_text(ENGLISH)
    (tmp_path / "locale" / "de.toml").write_text(GERMAN)
    return tmp_path / "plugin.py"


def test_each_person_reads_their_language(module: Path) -> None:
    texts = Texts.beside(str(module))
    assert texts.of(discord.Locale.german)("hello", name="Ada") == "Hallo, Ada."
    assert texts.of("de-AT")("hello", name="Ada") == "Hallo, Ada."
    assert texts.of(discord.Locale.japanese)("hello", name="Ada") == "Hello, Ada."
    assert texts.of(None)("hello", name="Ada") == "Hello, Ada."


def test_what_a_language_lacks_is_said_in_english(module: Path) -> None:
    assert Texts.beside(str(module)).of("de")("only") == "Only in English."


def test_one_and_many_are_different_words(module: Path) -> None:
    words = Texts.beside(str(module)).of("de")
    assert words("queue.ahead", count=1) == "1 Anfrage ist vorher dran."
    assert words("queue.ahead", count=0) == "0 Anfragen sind vorher dran."


def test_braces_in_what_somebody_wrote_are_no_placeholders(module: Path) -> None:
    assert Texts.beside(str(module)).of("en")("hello", name="{name} {0} {x.y}") == "Hello, {name} {0} {x.y}."


def test_a_text_that_does_not_exist_is_a_mistake_in_the_code(module: Path) -> None:
    with pytest.raises(KeyError):
        Texts.beside(str(module)).of("en")("helo")


def test_discord_is_told_the_translation_of_an_english_text(module: Path) -> None:
    texts = Texts.beside(str(module))
    assert texts.translation(texts.english("hello"), "de") == "Hallo, {name}."
    assert texts.translation("Only in English.", "de") is None
    assert texts.translation("Hello, {name}.", "en-GB") is None
    assert NO_TEXTS.translation("Hello", "de") is None


def test_a_translation_of_a_text_that_is_gone_is_named(module: Path) -> None:
    (module.parent / "locale" / "de.toml").write_text('old = "Alt"')
    with pytest.raises(TextsError, match=r"de\.toml has texts that en\.toml lacks: old"):
        Texts.beside(str(module))


@pytest.mark.parametrize("broken", ["hello = ", "hello = 3", b"\xff"])
def test_a_file_that_cannot_be_read_is_named(broken: str | bytes, module: Path) -> None:
    path = module.parent / "locale" / "en.toml"
    path.write_bytes(broken if isinstance(broken, bytes) else broken.encode())
    with pytest.raises(TextsError, match=r"en\.toml"):
        Texts.beside(str(module))


def test_a_package_without_english_texts_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(TextsError, match="missing"):
        Texts.beside(str(tmp_path / "plugin.py"))


def test_numbers_have_the_marks_of_the_language_and_words_stay_as_they_are() -> None:
    texts = Texts({"en": {"a": "{n:,} of {m:.1f}, {word}"}, "de": {"a": "{n:,} von {m:.1f}, {word}"}, "ja": {}})
    values = {"n": 1500, "m": 2.5, "word": "v1.2, 3"}
    assert texts.of("de")("a", **values) == "1.500 von 2,5, v1.2, 3"
    assert texts.of("en-GB")("a", **values) == texts.of("ja")("a", **values) == "1,500 of 2.5, v1.2, 3"
