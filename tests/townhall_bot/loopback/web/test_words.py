"""The page's texts and the page fit: each text is used, each name that the page asks for exists."""

import re

from townhall_bot.loopback.web.server import FOLDER, TEXTS

ENGLISH = TEXTS.of("en").as_written()
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.rglob("*") if path.suffix in (".js", ".html")}
GROUPS = {name.split(".")[0] for name in ENGLISH}
NOT_WORDS = {"True", "False", "Townhall", "Object", "App"}
KEYS = re.compile(r"Arrow|Enter|Escape|Home|End|Tab|Backspace")


def stem(name: str) -> str:
    """The name that the page asks for; it adds ``one`` or ``other`` itself."""
    return re.sub(r"\.(one|other)$", "", name)


def asked() -> tuple[set[str], list[re.Pattern[str]]]:
    """The names in the page's files, and patterns of those that are put together there."""
    names, patterns = set(), []
    for source in SOURCES.values():
        quoted = re.findall(r'"([a-z_]+\.[a-z_]+)"', source)
        names |= {name for name in quoted if name.split(".")[0] in GROUPS}
        made = re.findall(r"`([a-z_]+\.)\$\{\w+\}([a-z_]*)`", source)
        patterns += [re.compile(rf"{re.escape(head)}[a-z]+{tail}") for head, tail in made if head[:-1] in GROUPS]
    return names, patterns


def test_every_text_that_the_page_asks_for_is_there() -> None:
    names, patterns = asked()
    known = {stem(name) for name in ENGLISH}
    assert names
    assert not names - known
    assert all(any(pattern.fullmatch(name) for name in known) for pattern in patterns)


def test_no_text_is_left_over() -> None:
    names, patterns = asked()
    unused = {stem(name) for name in ENGLISH} - names
    assert not {name for name in unused if not any(pattern.fullmatch(name) for pattern in patterns)}


def test_no_text_stands_in_the_code() -> None:
    """What begins with a capital letter and is no name of a key is for people, and has its place in the texts."""
    found = []
    for file, source in SOURCES.items():
        code = re.sub(r"^\s*(//|/\*\*|\*).*$", "", source, flags=re.MULTILINE)
        code = re.sub(r"new Error\([^)]*\)|CSS\.supports\([^)]*\)", "", code)
        if file.endswith(".js"):
            texts = re.findall(r'"([A-Z][a-z][^"\n]*)"|`([A-Z][a-z][^`\n]*)`', code)
            found += [(file, text) for pair in texts for text in pair if text and not KEYS.match(text)]
    assert [(file, text) for file, text in found if text not in NOT_WORDS] == []
