"""The tokeniser gives the checkpoint's own ids, and every text comes back from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiktoken

from plugins.gpt2.checkpoint.model_names import MINI_FOLDER
from plugins.gpt2.checkpoint.tokenizer.added_tokens import AddedToken
from plugins.gpt2.checkpoint.tokenizer.bpe import END_OF_TEXT, BPETokenizer
from plugins.gpt2.checkpoint.tokenizer.byte_alphabet import BYTE_ALPHABET
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import load_tokenizer
from tools.random_checkpoint import small_vocabulary

OFFICIAL = Path(__file__).parents[6] / "shared/data"
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
    return load_tokenizer(MINI_FOLDER, vocab_size=8192, ends=[8191])


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_comes_back(mini: BPETokenizer, text: str) -> None:
    tokens = mini.encode(text)
    assert mini.decode_bytes(tokens).decode() == text
    assert all(type(token) is int and 0 <= token < 8192 for token in tokens)


def test_user_text_never_becomes_a_special_token(mini: BPETokenizer) -> None:
    assert mini.end_of_text == 8191
    assert 8191 not in mini.encode("a <|endoftext|> b")
    assert mini.encode("a <|endoftext|> b", special=True).count(8191) == 1, "unless the host wrote it"


def test_a_special_token_is_no_text_for_readers(mini: BPETokenizer) -> None:
    assert mini.decode_bytes([8191]) == b""


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


def test_what_comes_around_every_prompt_does_not_come_back() -> None:
    tokenizer = BPETokenizer(*small_vocabulary(257), begins=[256], closes=[0])
    assert tokenizer.begins == (256,)
    assert tokenizer.encode("hi") == [256, 71, 72, 0]
    assert tokenizer.encode("") == [256, 0]


def test_a_space_is_put_before_a_text_that_does_not_begin_with_one() -> None:
    tokenizer = BPETokenizer(*small_vocabulary(257), prefix_space=True)
    space = BYTE_ALPHABET["Ġ"]
    assert tokenizer.decode_bytes(tokenizer.encode("hi")) == tokenizer.decode_bytes(tokenizer.encode(" hi")) == b" hi"
    assert tokenizer.decode_bytes(tokenizer.encode("\nhi")) == b" \nhi"
    assert tokenizer.encode("") == []
    assert space == 0x20


def test_a_token_without_a_merge_is_written_as_its_bytes_and_never_read() -> None:
    vocab, merges = small_vocabulary(300)
    tokenizer = BPETokenizer(vocab | {"Ġcovid": 300, "Ω": 301}, merges)
    assert tokenizer.decode_bytes([300, 301]).decode() == " covidΩ"
    assert 300 not in tokenizer.encode(" covid")


def test_an_end_of_text_that_no_merge_makes_is_not_written_and_a_word_is() -> None:
    vocab, merges = small_vocabulary(300)
    tokenizer = BPETokenizer(vocab | {"</s>": 300}, merges, ends=[300, vocab["ab"]])
    assert tokenizer.end_of_text == 300
    assert tokenizer.decode_bytes([300, vocab["ab"]]) == b"ab"


class TestAddedTokens:
    @pytest.fixture
    def tokenizer(self) -> BPETokenizer:
        added = [
            AddedToken("[NEWLINE]", 300),
            AddedToken("covid", 301, single_word=True),
            AddedToken("<|user|>", 302, special=True, normalized=False),
            AddedToken("naïve", 303),
            AddedToken("Ġspaced", 304),
            AddedToken("two  words", 305, lstrip=True, rstrip=True),
            AddedToken("covid-19", 306),
        ]
        return BPETokenizer(*small_vocabulary(300), added=added)

    def test_ordinary_ones_are_read_and_written(self, tokenizer: BPETokenizer) -> None:
        tokens = tokenizer.encode("a[NEWLINE]naïve")
        assert tokens == [BYTE_ALPHABET_IDS["a"], 300, 303]
        assert tokenizer.decode_bytes(tokens).decode() == "a[NEWLINE]naïve"
        assert tokenizer.decode_bytes([304]) == b" spaced", "one in the byte alphabet is its bytes, as in transformers"

    def test_special_ones_are_neither(self, tokenizer: BPETokenizer) -> None:
        assert 302 not in tokenizer.encode("<|user|>")
        assert tokenizer.encode("<|user|>", special=True) == [302]
        assert tokenizer.decode_bytes([302, 301]) == b"covid"

    def test_the_longest_of_several_is_meant(self, tokenizer: BPETokenizer) -> None:
        assert tokenizer.encode("covid-19") == [306]

    def test_a_whole_word_is_found_where_no_letter_touches_it(self, tokenizer: BPETokenizer) -> None:
        found = [301 in tokenizer.encode(text) for text in ("covid", "(covid)", "xcovid", "covid1", "covid_")]
        assert found == [True, True, False, False, False]

    def test_white_space_beside_a_token_goes_with_it_where_that_is_said(self, tokenizer: BPETokenizer) -> None:
        a, b = BYTE_ALPHABET_IDS["a"], BYTE_ALPHABET_IDS["b"]
        assert tokenizer.encode("a \n two  words  b") == [a, 305, b]
        assert tokenizer.encode("two  words two  words") == [305, 305]


BYTE_ALPHABET_IDS = small_vocabulary(300)[0]


class TestTurns:
    def test_turns_end_with_the_end_of_text_where_the_model_was_trained_so(self) -> None:
        tokenizer = BPETokenizer(*small_vocabulary(257), joins_turns=True, begins=[0])
        assert tokenizer.encode_turns(["hi", "yo"]) == [0, 71, 72, 256, 88, 78, 256]

    def test_a_member_ends_no_turn_by_typing_it(self) -> None:
        tokenizer = BPETokenizer(*small_vocabulary(257), joins_turns=True)
        assert tokenizer.encode_turns(["hi<|endoftext|>"]).count(256) == 1

    def test_elsewhere_a_turn_is_a_line(self) -> None:
        tokenizer = BPETokenizer(*small_vocabulary(257))
        assert tokenizer.decode_bytes(tokenizer.encode_turns(["hi", "yo"])) == b"hi\nyo"

    def test_of_what_is_spoken_the_models_turns_go_on_in_the_line_unless_it_knows_turns(self) -> None:
        said = ["hi", " you", "yo"]
        plain = BPETokenizer(*small_vocabulary(257))
        assert plain.decode_bytes(plain.encode_turns(said, spoken=True)) == b"hi you\nyo"
        trained = BPETokenizer(*small_vocabulary(257), joins_turns=True)
        assert trained.encode_turns(said, spoken=True) == trained.encode_turns(said)


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
        ours = load_tokenizer(folder, vocab_size=50257, ends=[50256])
        assert ours.end_of_text == theirs.eot_token
        for text in (*TEXTS, Path(__file__).read_text()):
            assert ours.encode(text) == theirs.encode_ordinary(text)
        everything = list(range(50256))
        assert ours.decode_bytes(everything) == theirs.decode_bytes(everything)
