"""transformers 5 saves nothing but tokenizer.json: where it is, it is obeyed, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.tokenizer.bpe import END_OF_TEXT, BPETokenizer
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import load_tokenizer
from tests.plugins.gpt2.checkpoint.two_files import MERGES, VOCAB, A, say


@pytest.fixture
def content() -> dict[str, Any]:
    trained = {token: number for token, number in VOCAB.items() if token != END_OF_TEXT}
    return {
        "added_tokens": [
            {"id": 299, "content": END_OF_TEXT, "special": True},
            {"id": 300, "content": "<|user|>", "special": True},
            {"id": 301, "content": "covid", "special": False},
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "model": {"type": "BPE", "vocab": trained, "merges": [list(pair) for pair in MERGES]},
    }


@pytest.mark.parametrize("as_text", [False, True])
def test_it_gives_the_same_ids_as_the_two_files(tmp_path: Path, content: dict[str, Any], as_text: bool) -> None:
    if as_text:  # as saved before tokenizers 0.20
        content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
    tokenizer = load_tokenizer(say(tmp_path, "tokenizer.json", **content), vocab_size=302)
    text = "abba <|user|> naïve"
    assert tokenizer.encode(text) == BPETokenizer(VOCAB, MERGES).encode(text)
    assert tokenizer.end_of_text == 299
    assert tokenizer.encode("covid") == [301]
    assert tokenizer.decode_bytes([300, 301]) == b"covid"


def test_it_says_everything_where_the_two_files_are_beside_it(old: Path, content: dict[str, Any]) -> None:
    say(old, "tokenizer.json", **content)
    assert load_tokenizer(old).encode("covid") == [301]
    say(old, "tokenizer.json", **content | {"normalizer": {"type": "Lowercase"}})
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: it has a normalizer \(Lowercase\)"):
        load_tokenizer(old)


def test_the_vocabulary_alone_beside_it_lacks_nothing(old: Path, content: dict[str, Any]) -> None:
    say(old, "tokenizer.json", **content)
    (old / "merges.txt").unlink()
    assert load_tokenizer(old).encode("ab") == [VOCAB["ab"]]


@pytest.mark.parametrize(
    ("processor", "ids"),
    [
        ({"type": "ByteLevel", "add_prefix_space": True}, [A]),
        ({"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]}, [1, A, 2]),
        (
            {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "x", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "special_tokens": {"x": {"id": "x", "ids": [299, 7], "tokens": ["x", "y"]}},
            },
            [299, 7, A],
        ),
        (
            {
                "type": "Sequence",
                "processors": [
                    {"type": "ByteLevel"},
                    {"type": "BertProcessing", "sep": ["b", 2], "cls": ["a", 1]},
                    {"type": "BertProcessing", "sep": ["d", 4], "cls": ["c", 3]},
                ],
            },
            [3, 1, A, 2, 4],
        ),
    ],
)
def test_its_template_goes_around_every_prompt(
    tmp_path: Path, content: dict[str, Any], processor: dict[str, Any], ids: list[int]
) -> None:
    say(tmp_path, "tokenizer.json", **content, post_processor=processor)
    say(tmp_path, "tokenizer_config.json", add_bos_token=True)  # which transformers leaves unread beside it
    assert load_tokenizer(tmp_path).encode("a") == ids


@pytest.mark.parametrize(
    ("kind", "in_config", "spaced"),
    [
        (None, None, False),  # GPT-2's own class looks at the config alone
        ("GPT2Tokenizer", None, False),
        ("GPT2TokenizerFast", True, True),
        ("PreTrainedTokenizerFast", None, True),
        ("PreTrainedTokenizerFast", False, True),
    ],
)
def test_whether_a_space_is_put_before_the_text_depends_on_the_class_as_in_transformers(
    tmp_path: Path, content: dict[str, Any], kind: str | None, in_config: bool | None, spaced: bool
) -> None:
    content["pre_tokenizer"]["add_prefix_space"] = True
    say(tmp_path, "tokenizer.json", **content)
    say(tmp_path, "tokenizer_config.json", tokenizer_class=kind, add_prefix_space=in_config)
    assert load_tokenizer(tmp_path).encode("a") == ([VOCAB["Ġ"], A] if spaced else [A])


@pytest.mark.parametrize(("kind", "ids"), [("GPT2Tokenizer", [A]), ("PreTrainedTokenizerFast", [A, 7])])
def test_a_byte_without_a_token_is_left_out_or_unknown(
    tmp_path: Path, content: dict[str, Any], kind: str, ids: list[int]
) -> None:
    content["model"] |= {
        "unk_token": "(",
        "vocab": {k: v for k, v in content["model"]["vocab"].items() if k != "!"},
    }
    assert VOCAB["("] == 7
    say(tmp_path, "tokenizer.json", **content)
    say(tmp_path, "tokenizer_config.json", tokenizer_class=kind)
    assert load_tokenizer(tmp_path).encode("a!") == ids


@pytest.mark.parametrize(
    ("part", "change", "complaint"),
    [
        ("model", {"type": "Unigram"}, "model.type is 'Unigram', supported is 'BPE'"),
        ("model", {"ignore_merges": True}, "model.ignore_merges is True"),
        ("model", {"end_of_word_suffix": "</w>"}, "model.end_of_word_suffix is '</w>', supported is ''"),
        ("model", {"dropout": 0.1}, "model.dropout is 0.1"),
        ("model", {"vocab": None}, "model.vocab or model.merges is missing"),
        ("model", {"merges": [["a"]]}, "is not a pair of tokens"),
        ("model", {"vocab": {"a": "1"}}, "each token needs an id"),
        ("pre_tokenizer", {"type": "Whitespace"}, r"pre_tokenizer \(Whitespace\) is not ByteLevel"),
        ("pre_tokenizer", {"use_regex": False}, r"pre_tokenizer \(ByteLevel\) is not ByteLevel with GPT-2's"),
    ],
)
def test_what_cuts_text_otherwise_is_refused_by_name(
    tmp_path: Path, content: dict[str, Any], part: str, change: dict[str, Any], complaint: str
) -> None:
    content[part] |= change
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: .*" + complaint):
        load_tokenizer(say(tmp_path, "tokenizer.json", **content))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]}},
            "NFKC and L",
        ),
        (
            {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits"}, {"type": "ByteLevel"}]}},
            "Dig",
        ),
        ({"decoder": {"type": "WordPiece"}}, "its decoder is WordPiece"),
        ({"post_processor": {"type": "Unheard"}}, "its post_processor is Unheard, supported are"),
        ({"post_processor": {"type": "TemplateProcessing", "single": []}}, "0 texts instead of one"),
        ({"post_processor": {"type": "RobertaProcessing"}}, "its post_processor is not complete"),
        (
            {"post_processor": {"type": "BertProcessing", "cls": ["x", 999], "sep": ["y", 1]}},
            "its template puts id 999 around every text, but config.json says vocab_size 302",
        ),
        ({"model": None}, "there is no model in it"),
        ({"added_tokens": ["a"]}, "'a' is not an added token"),
        ({"added_tokens": {"a": 1}}, "added_tokens is not a list of tokens"),
        ({"added_tokens": [{"content": "\ud800", "id": 299}]}, "holds half a character"),
    ],
)
def test_other_parts_are_looked_at_too(
    tmp_path: Path, content: dict[str, Any], change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: .*" + complaint):
        load_tokenizer(say(tmp_path, "tokenizer.json", **content | change), vocab_size=302)


def test_without_added_tokens_it_has_no_end_of_text(tmp_path: Path, content: dict[str, Any]) -> None:
    assert load_tokenizer(say(tmp_path, "tokenizer.json", **content | {"added_tokens": {}})).end_of_text is None
