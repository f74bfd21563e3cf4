"""The tokeniser gives the checkpoint's own ids, and every text comes back from them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import tiktoken

from plugins.gpt2.checkpoint.checkpoint import CheckpointError
from plugins.gpt2.checkpoint.model_names import MINI_FOLDER
from plugins.gpt2.checkpoint.tokenizer import BYTE_ALPHABET, END_OF_TEXT, BPETokenizer, load_tokenizer, read_merges
from tools.random_checkpoint import small_vocabulary

OFFICIAL = Path(__file__).parents[5] / "shared/data"
TEXTS = (
    "",
    "Hello, world!",
    "My fellow citizens,\n\n  it's   1865\t\r\n",
    "we'll they're I'd don't IT'S ''",
    "naïve café — “quotes” … 東京タワー 🎈👩‍👩‍👧 \u200b\ufeff",
    "مرحبا बंगला ไทย",
    "a" * 300 + "12345 67" + " " * 40,
    f"{END_OF_TEXT} <|endoftext|>x",
    "\x00\x1f\x7f\u2028\U0010ffff",
)


@pytest.fixture(scope="module")
def mini() -> BPETokenizer:
    return load_tokenizer(MINI_FOLDER, vocab_size=8192, end_of_text=8191)


def save(folder: Path, vocab: dict[str, int], merges: list[tuple[str, str]]) -> Path:
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    return folder


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_comes_back(mini: BPETokenizer, text: str) -> None:
    tokens = mini.encode(text)
    assert mini.decode_bytes(tokens).decode() == text
    assert all(type(token) is int and 0 <= token < 8192 for token in tokens)


def test_user_text_never_becomes_a_special_token(mini: BPETokenizer) -> None:
    assert mini.end_of_text == 8191
    assert 8191 not in mini.encode("a <|endoftext|> b")
    assert mini.decode_bytes([8191]) == b"<|endoftext|>"


def test_half_a_character_is_half_a_character(mini: BPETokenizer) -> None:
    whole = "🎈".encode()
    tokens = mini.encode("🎈")
    assert len(tokens) > 1
    assert mini.decode_bytes(tokens[:1]) == whole[:1]
    assert b"".join(mini.decode_bytes([token]) for token in tokens) == whole


def test_ids_without_a_text_give_nothing(mini: BPETokenizer) -> None:
    assert mini.decode_bytes([8192, 50256, -1]) == b""


def test_half_of_a_surrogate_pair_is_read_as_the_replacement_character(mini: BPETokenizer) -> None:
    assert mini.decode_bytes(mini.encode("a\ud83d")).decode() == "a\ufffd"


def test_ids_in_any_order_keep_the_merges_order(tmp_path: Path) -> None:
    """Checkpoints trained with Hugging Face's tokenizers often number their special tokens first."""
    vocab, merges = small_vocabulary(300)
    usual = load_tokenizer(save(tmp_path, vocab, merges))
    del vocab[END_OF_TEXT]
    shifted = {END_OF_TEXT: 0, "<pad>": 1} | {token: 310 - number for token, number in vocab.items()}
    other = load_tokenizer(save(tmp_path, shifted, merges), vocab_size=311)
    text = "aa ab abab banana <|endoftext|> <pad>"
    assert other.encode(text) == [310 - number for number in usual.encode(text)]
    assert other.decode_bytes(other.encode(text)).decode() == text
    assert other.end_of_text == 0
    assert other.decode_bytes([0, 1]) == b"<|endoftext|><pad>"


def test_the_configs_end_of_text_wins_over_the_vocabularys(tmp_path: Path) -> None:
    save(tmp_path, *small_vocabulary(257))
    assert load_tokenizer(tmp_path).end_of_text == 256
    assert load_tokenizer(tmp_path, end_of_text=5).end_of_text == 5


def test_merges_may_have_windows_line_ends_and_start_with_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "merges.txt"
    path.write_bytes(b"#version: 0.2\r\n# #\r\na b\r\n\r\n")
    assert read_merges(path) == [("#", "#"), ("a", "b")]


@pytest.mark.parametrize("line", ["a", "a b c", "a ", "a  b"])
def test_a_broken_merge_names_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "merges.txt"
    path.write_text(f"#version: 0.2\na b\n{line}\n")
    with pytest.raises(CheckpointError, match=r"merges\.txt, line 3: .* is not a pair"):
        read_merges(path)


def test_vocabularies_that_cannot_be_represented_are_refused(tmp_path: Path) -> None:
    vocab, merges = small_vocabulary(300)
    refused: list[tuple[dict[str, int], list[tuple[str, str]], str]] = [
        ({token: n for token, n in vocab.items() if token != "!"}, merges, r"1 of the 256 bytes have no token \(0x21"),
        ({"<pad>": 0, "a": 1}, [], "255 of the 256 bytes"),
        (vocab, [*merges, ("zz", "z")], "uses a token that no earlier merge makes"),
        (vocab | {"aab": 301, "aabb": 302}, [*merges, ("a", "ab"), ("aa", "b")], "two merges make the token 'aab'"),
        (vocab, [*merges, ("z", "z")], "makes 'zz', which the vocabulary does not have"),
        (vocab | {"zz": 3}, merges, "two tokens share an id"),
        (vocab | {"zz": 300}, merges, "the highest id is 300, but config.json says vocab_size 300"),
        (vocab | {"zz": -1}, merges, "a whole number from 0"),
        ({}, merges, "each token needs an id"),
    ]
    for number, (tokens, pairs, complaint) in enumerate(refused):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(CheckpointError, match=complaint) as refusal:
            load_tokenizer(save(folder, tokens, pairs), vocab_size=300 if number != 3 else 303)
        assert "vocab.json" in str(refusal.value)


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    save(tmp_path, *small_vocabulary(257))
    (tmp_path / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name}: not found"):
        load_tokenizer(tmp_path)


def test_the_byte_alphabet_is_openais() -> None:
    assert len(BYTE_ALPHABET) == 256
    assert sorted(BYTE_ALPHABET.values()) == list(range(256))
    assert (BYTE_ALPHABET["!"], BYTE_ALPHABET["Ġ"], BYTE_ALPHABET["Ċ"]) == (0x21, 0x20, 0x0A)


class TestTokenizerJson:
    """transformers 5 saves nothing but tokenizer.json."""

    @pytest.fixture
    def content(self) -> dict[str, Any]:
        vocab, merges = small_vocabulary(300)
        del vocab[END_OF_TEXT]
        return {
            "added_tokens": [{"id": 299, "content": END_OF_TEXT}, {"id": 300, "content": "<|user|>"}],
            "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
            "model": {"type": "BPE", "vocab": vocab, "merges": [list(pair) for pair in merges]},
        }

    @pytest.mark.parametrize("as_text", [False, True])
    def test_it_gives_the_same_ids_as_the_two_files(
        self, tmp_path: Path, content: dict[str, Any], as_text: bool
    ) -> None:
        if as_text:  # as saved before tokenizers 0.20
            content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
        (tmp_path / "tokenizer.json").write_text(json.dumps(content))
        tokenizer = load_tokenizer(tmp_path, vocab_size=301)
        text = "abba <|user|> naïve"
        assert tokenizer.encode(text) == BPETokenizer(*small_vocabulary(300)).encode(text)
        assert tokenizer.end_of_text == 299
        assert tokenizer.decode_bytes([300]) == b"<|user|>"

    def test_the_two_files_come_first(self, tmp_path: Path) -> None:
        (tmp_path / "tokenizer.json").write_text("not even JSON")
        save(tmp_path, *small_vocabulary(257))
        assert load_tokenizer(tmp_path).vocab_size == 257

    @pytest.mark.parametrize(
        ("part", "change", "complaint"),
        [
            ("model", {"type": "Unigram"}, "model.type is 'Unigram', supported is 'BPE'"),
            ("model", {"ignore_merges": True}, "ignore_merges is true"),
            ("model", {"vocab": None}, "model.vocab or model.merges is missing"),
            ("model", {"merges": [["a"]]}, "is not a pair of tokens"),
            ("model", {"vocab": {"a": "1"}}, "each token needs an id"),
            ("pre_tokenizer", {"type": "Whitespace"}, "pre_tokenizer is not ByteLevel"),
            ("pre_tokenizer", {"use_regex": False}, "pre_tokenizer is not ByteLevel"),
            ("pre_tokenizer", {"add_prefix_space": True}, "add_prefix_space is true"),
        ],
    )
    def test_what_cuts_text_otherwise_is_refused_by_name(
        self, tmp_path: Path, content: dict[str, Any], part: str, change: dict[str, Any], complaint: str
    ) -> None:
        content[part] |= change
        (tmp_path / "tokenizer.json").write_text(json.dumps(content))
        with pytest.raises(CheckpointError, match=complaint.replace(".", r"\.")) as refusal:
            load_tokenizer(tmp_path)
        assert "tokenizer.json" in str(refusal.value)

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"normalizer": {"type": "NFC"}}, "it has a normalizer"),
            ({"model": None}, "there is no model in it"),
            ({"added_tokens": {}}, None),
            ({"added_tokens": ["a"]}, "added_tokens is not a list of tokens"),
        ],
    )
    def test_other_parts_are_looked_at_too(
        self, tmp_path: Path, content: dict[str, Any], change: dict[str, Any], complaint: str | None
    ) -> None:
        (tmp_path / "tokenizer.json").write_text(json.dumps(content | change))
        if complaint is None:
            assert load_tokenizer(tmp_path).end_of_text is None
            return
        with pytest.raises(CheckpointError, match=complaint):
            load_tokenizer(tmp_path)


@pytest.mark.skipif(not OFFICIAL.exists(), reason="needs the official files in ../shared/data beside the checkout")
class TestOfficialFiles:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "vocab.json").symlink_to(OFFICIAL / "gpt2-bpe/encoder.json")
        (tmp_path / "merges.txt").symlink_to(OFFICIAL / "gpt2-bpe/vocab.bpe")
        return tmp_path

    def test_the_ids_are_tiktokens(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(OFFICIAL / "tiktoken-cache"))
        theirs = tiktoken.get_encoding("gpt2")
        ours = load_tokenizer(folder, vocab_size=50257, end_of_text=50256)
        assert ours.end_of_text == theirs.eot_token
        for text in (*TEXTS, Path(__file__).read_text()):
            assert ours.encode(text) == theirs.encode_ordinary(text)
        everything = list(range(50257))
        assert ours.decode_bytes(everything) == theirs.decode_bytes(everything)

    def test_fifty_thousand_tokens_load_in_half_a_second(self, folder: Path) -> None:
        start = time.process_time()
        load_tokenizer(folder)
        assert time.process_time() - start < 0.5
