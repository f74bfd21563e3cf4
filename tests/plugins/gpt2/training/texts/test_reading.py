"""A host's folder of texts: what is read, what is left out and why, and how it becomes tokens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.checkpoint.tokenizer.bpe import BPETokenizer
from plugins.gpt2.training.texts import discord_export, folder, plain
from plugins.gpt2.training.texts.folder import NoTexts, learn_names, look, pieces
from plugins.gpt2.training.texts.pieces import cut, stream
from plugins.gpt2.training.texts.token_file import open_tokens, read_counts, write_tokens

SPEECH = "My fellow citizens, the state of the town is sound.\n\nIts streets are swept; its lamps are lit.\n" * 60
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def mini() -> BPETokenizer:
    with open_checkpoint("townhall-mini") as checkpoint:
        return checkpoint.tokenizer()


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    return tmp_path / "texts"


def message(writer: str, content: str, minute: int, **more: Any) -> dict[str, Any]:
    person = {"id": "1", "name": writer.lower(), "nickname": writer, "isBot": False}
    at = f"2026-01-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00.5+00:00"
    return {"id": "9", "type": "Default", "timestamp": at, "content": content, "author": person, "mentions": []} | more


def export(path: Path, *messages: dict[str, Any], topic: str = "") -> Path:
    channel = {"id": "5", "name": "general", "topic": topic}
    whole = {"guild": {"name": "Town"}, "channel": channel, "messages": messages, "messageCount": len(messages)}
    path.write_text(json.dumps(whole, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def all_of(found: folder.Found, *, replace: bool = False) -> list[str]:
    """Return the documents."""
    names = learn_names(found) if replace else None
    documents, text = [], ""
    for piece in pieces(found, names):
        text += piece.text
        if piece.ends:
            documents.append(text)
            text = ""
    assert not text
    return documents


def test_every_kind_of_text_is_read_and_nothing_else(texts: Path) -> None:
    (texts / "a.txt").write_text("plain")
    (texts / "b.MD").write_text("# a title")
    (texts / "c.jsonl").write_text('{"text": "first"}\n\n{"text": "second", "by": 3}\n')
    export(texts / "d.json", message("Ada", "third", 0))
    (texts / "pictures").mkdir()
    (texts / "pictures" / "e.png").write_bytes(b"\x89PNG")
    (texts / ".hidden.txt").write_text("no")
    (texts / "f.txt").write_bytes(b"GIF89a\0\1\2")
    (texts / "g.txt").write_bytes(bytes(5000))
    (texts / "h.txt").touch()
    (texts / "i.txt").write_bytes(b"\xe9\xe8\xe0" * 50)
    (texts / "j.txt").write_text("Wide", encoding="utf-16")
    found = look(texts)
    assert all_of(found) == ["plain", "# a title", "first", "second", "Ada: third\n", "Wide"]
    assert dict(found.left_out) == {
        "f.txt": "it is not text (there are zero bytes in it)",
        "g.txt": "it holds nothing but zeros",
        "h.txt": "it is empty",
        "i.txt": "it is not UTF-8 text; save it as UTF-8",
        "pictures/e.png": ".png is not read",
    }


def test_a_damaged_file_is_used_as_far_as_it_goes_and_named(texts: Path) -> None:
    (texts / "a.jsonl").write_text('{"text": "good"}\n{"text": "cut sho')
    path = export(texts / "b.json", message("Ada", "kept", 0), message("Ben", "lost", 1))
    path.write_text(path.read_text().partition("lost")[0])
    (texts / "c.json").write_text('{"some": "other file"}')
    found = look(texts)
    assert all_of(found) == ["good", "Ada: kept\n"]
    assert [name for name, _ in found.left_out] == ["a.jsonl", "b.json", "c.json"]
    assert found.left_out[0][1] == "line 2 is not JSON"
    assert found.left_out[1][1] == "it ends in the middle of a message; export the channel again"


def test_a_channels_export_becomes_conversations_of_what_people_wrote(texts: Path) -> None:
    bot = {"id": "2", "name": "bot", "nickname": "Bot", "isBot": True}
    export(
        texts / "general.json",
        message("Ada", "Who lit the lamps?", 0),
        message("Ben", "“I” did \\o/", 3, type="Reply"),
        message("Bot", "beep", 4, author=bot),
        message("Ada", "", 5),
        message("Ben", "Joined the server.", 6, type="GuildMemberJoin"),
        message("Ada", "Good morning", 700),
        topic='It said "messages": [ once',
    )
    assert all_of(look(texts)) == ["Ada: Who lit the lamps?\nBen: “I” did \\o/\n", "Ada: Good morning\n"]


def test_messages_are_found_wherever_a_read_ends(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [message("Ada", f'a "quoted" ] message {number}, {{x', number) for number in range(8)]
    path = export(texts / "general.json", *said)
    for size in (1, 7, 50):
        monkeypatch.setattr(discord_export, "CHUNK", size)
        assert [each.text for each in discord_export.messages(path)] == [each["content"] for each in said]


def test_names_and_mentions_are_replaced_by_the_same_stand_in_throughout(texts: Path) -> None:
    cy = {"id": "3", "name": "cy.the.great", "nickname": "Cy the Great", "isBot": False}
    export(
        texts / "general.json",
        message("Al", "ask ben, or BEN's friend @Cy the Great — although @al knows", 0, mentions=[cy]),
        message("Ben", "cy.the.great? <@123456789012345678> mail ben@example.org @everyone benign @Dora", 1),
    )
    assert all_of(look(texts), replace=True) == [
        "user1: ask user3, or user3's friend user2 — although user1 knows\n"
        "user3: user2? somebody mail somebody @everyone benign somebody\n"
    ]


def test_pieces_have_the_tokens_of_the_whole(mini: BPETokenizer) -> None:
    text = "One  two\n\n\nthree \t four, don't\u00a0stop — " * 40 + "x" * 900
    whole = mini.encode(text)
    for longest in (60, 100, 333):
        parts = list(stream(iter([text[:500], text[500:]]), longest))
        assert "".join(part.text for part in parts) == text
        assert max(len(part.text) for part in parts) <= longest
        assert [part.ends for part in parts] == [False] * (len(parts) - 1) + [True]
        if longest > 60:
            tokens = [token for part in parts for token in mini.encode_plain(part.text)]
            assert tokens[: len(whole) - 300] == whole[: len(whole) - 300], "all but the word of 900 letters"
    assert list(cut(" \n")) == []


def test_tokens_lie_on_the_disk_counted_and_a_tenth_is_held_out(
    texts: Path, tmp_path: Path, mini: BPETokenizer
) -> None:
    (texts / "speech.txt").write_text(SPEECH)
    found = look(texts)
    counts = write_tokens(pieces(found), mini, tmp_path, vocab_size=8192, total_bytes=found.total_bytes)
    train, held_out = open_tokens(tmp_path, counts)
    assert counts == read_counts(tmp_path)
    assert (counts.documents, counts.tokens) == (1, len(train) + len(held_out))
    assert counts.share == pytest.approx(0.1, abs=0.03)
    assert train.dtype == np.uint16
    assert train[-1] == mini.end_of_text
    assert held_out[-1] == mini.end_of_text
    text = mini.decode_bytes([int(token) for token in (*train, *held_out)]).decode()
    assert sorted(text) == sorted(SPEECH)


def test_too_little_text_is_refused_with_how_much_is_needed(texts: Path, tmp_path: Path, mini: BPETokenizer) -> None:
    (texts / "a.txt").write_text("A line.\n" * 20)
    found = look(texts)
    with pytest.raises(NoTexts, match=r"too little text: 81 tokens. At least 1,000 are needed, about 4,000 characters"):
        write_tokens(pieces(found), mini, tmp_path, vocab_size=8192, total_bytes=found.total_bytes)
    assert read_counts(tmp_path) is None


def test_a_folder_without_texts_is_refused_with_what_it_holds(texts: Path, tmp_path: Path) -> None:
    with pytest.raises(NoTexts, match=r"nothing to train on in texts: it is empty. Texts are .txt and .md files"):
        look(texts)
    (texts / "zeros.txt").write_bytes(bytes(10))
    with pytest.raises(NoTexts, match=r"none of its 1 files is a text. \(zeros.txt: it holds nothing but zeros\)"):
        look(texts)
    with pytest.raises(NoTexts, match=r"is a file\. --texts names a folder"):
        look(texts / "zeros.txt")
    with pytest.raises(NoTexts, match=r"no folder .*nowhere\. --texts names the folder"):
        look(tmp_path / "nowhere")


def test_what_is_read_is_never_in_memory_whole(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word without an end, too: a chunk and a piece are what is held."""
    (texts / "long.txt").write_text("x" * 100_000 + " y" * 50_000)
    monkeypatch.setattr(plain, "CHUNK", 1000)
    assert max(len(piece.text) for piece in plain.read(texts / "long.txt", 500)) == 500
