"""A folder's tokeniser is the one that transformers makes of it, or is refused by the name of the file at fault."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.tokenizer.bpe import END_OF_TEXT
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import load_tokenizer, read_merges
from tests.plugins.gpt2.checkpoint.two_files import MERGES, VOCAB, A, B, save, say


class TestTwoFiles:
    def test_ids_in_any_order_keep_the_merges_order(self, tmp_path: Path) -> None:
        """Checkpoints trained with Hugging Face's tokenizers often number their special tokens first."""
        usual = load_tokenizer(save(tmp_path, VOCAB, MERGES))
        letters = {token: 310 - number for token, number in VOCAB.items() if token != END_OF_TEXT}
        other = load_tokenizer(save(tmp_path, {END_OF_TEXT: 0, "<pad>": 1} | letters, MERGES), vocab_size=311)
        text = "aa ab abab banana <|endoftext|> <pad>"
        assert other.encode(text) == [310 - number for number in usual.encode(text)]
        assert other.decode_bytes(other.encode(text)).decode() == text
        assert other.end_of_text == 0
        assert other.decode_bytes([0, 1]) == b"<pad>", "which no file calls special"

    def test_the_configs_end_of_text_wins_over_the_vocabularys(self, old: Path) -> None:
        assert load_tokenizer(old).end_of_text == 299
        assert load_tokenizer(old, ends=[5, 6]).end_of_text == 5

    def test_merges_may_have_windows_line_ends_a_byte_order_mark_and_start_with_a_hash(self, tmp_path: Path) -> None:
        path = tmp_path / "merges.txt"
        path.write_bytes(b"\xef\xbb\xbf#version: 0.2\r\n# #\r\na b\r\n\r\n")
        assert read_merges(path) == [("#", "#"), ("a", "b")]

    def test_a_vocabulary_with_a_byte_order_mark_is_read(self, old: Path) -> None:
        (old / "vocab.json").write_text("\ufeff" + json.dumps(VOCAB), encoding="utf-8")
        assert load_tokenizer(old).encode("ab") == [VOCAB["ab"]]

    @pytest.mark.parametrize("line", ["a", "a b c", "a ", "a  b"])
    def test_a_broken_merge_names_its_line(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "merges.txt"
        path.write_text(f"#version: 0.2\na b\n{line}\n")
        with pytest.raises(CheckpointError, match=r"merges\.txt, line 3: .* is not a pair"):
            read_merges(path)

    @pytest.mark.parametrize(
        ("vocab", "merges", "size", "complaint"),
        [
            (
                {token: n for token, n in VOCAB.items() if token != "!"},
                MERGES,
                300,
                r"vocab\.json: 1 of the 256 .*0x21",
            ),
            ({"<pad>": 0, "a": 1}, [], 300, r"vocab\.json: 255 of the 256 bytes"),
            (VOCAB, [*MERGES, ("zz", "z")], 300, r"merges\.txt: the merge 'zz' 'z' needs the token 'zz'"),
            (VOCAB, [*MERGES, ("z", "z")], 300, r"merges\.txt: the merge 'z' 'z' needs the token 'zz'"),
            (VOCAB | {"zz": 3}, MERGES, 303, r"vocab\.json: two tokens share an id"),
            (
                VOCAB | {"zz": 300},
                MERGES,
                300,
                r"vocab\.json: the highest id is 300, but config.json says vocab_size 300",
            ),
            (VOCAB | {"zz": -1}, MERGES, 300, r"vocab\.json: each token needs an id, a whole number from 0"),
            (VOCAB | {"zz": 10**30}, MERGES, None, r"vocab\.json: each token needs an id"),
            (VOCAB | {"\ud800": 300}, MERGES, 301, r"vocab\.json: the token '\\ud800' holds half a character"),
            ({}, MERGES, 300, r"vocab\.json: each token needs an id"),
        ],
    )
    def test_what_does_not_fit_together_names_the_file_at_fault(
        self, tmp_path: Path, vocab: dict[str, int], merges: list[tuple[str, str]], size: int | None, complaint: str
    ) -> None:
        with pytest.raises(CheckpointError, match=complaint):
            load_tokenizer(save(tmp_path, vocab, merges), vocab_size=size)

    @pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
    def test_a_missing_file_is_named(self, old: Path, name: str) -> None:
        (old / name).unlink()
        with pytest.raises(CheckpointError, match=f"{name}: not found"):
            load_tokenizer(old)

    def test_the_tokeniser_of_another_kind_is_called_by_its_name(self, old: Path) -> None:
        say(old, "tokenizer_config.json", tokenizer_class="BertTokenizerFast")
        with pytest.raises(CheckpointError, match=r"is a BertTokenizer .* no tokenizer\.json.*choose another"):
            load_tokenizer(old)

    @pytest.mark.parametrize(("name", "what"), [("vocab.txt", "WordPiece"), ("spiece.model", "SentencePiece")])
    def test_a_vocabulary_of_another_kind_is_called_by_its_name(self, tmp_path: Path, name: str, what: str) -> None:
        (tmp_path / name).write_text("[PAD]\n")
        with pytest.raises(CheckpointError, match=rf"{name}: a {what}.*choose another"):
            load_tokenizer(tmp_path)


class TestWhatStandsBeside:
    @pytest.mark.parametrize(
        ("settings", "ids"),
        [
            ({}, [A]),
            ({"add_bos_token": True}, [299, A]),
            ({"add_bos_token": True, "add_eos_token": True, "bos_token": "!"}, [0, A, 299]),
            ({"add_bos_token": True, "bos_token": {"content": "!", "lstrip": False}}, [0, A]),
            ({"add_prefix_space": True}, [VOCAB["Ġ"], A]),
        ],
    )
    def test_what_goes_around_every_prompt(self, old: Path, settings: dict[str, Any], ids: list[int]) -> None:
        say(old, "tokenizer_config.json", tokenizer_class="GPT2Tokenizer", **settings)
        assert load_tokenizer(old, vocab_size=300).encode("a") == ids

    def test_a_first_token_that_has_no_id_is_named(self, old: Path) -> None:
        say(old, "tokenizer_config.json", add_bos_token=True, bos_token="<s>")
        with pytest.raises(CheckpointError, match=r"tokenizer_config\.json: every text gets the bos_token '<s>'"):
            load_tokenizer(old)

    def test_added_tokens_are_words_unless_they_are_called_special(self, old: Path) -> None:
        say(old, "added_tokens.json", covid=300, **{"<pad>": 301, "<|user|>": 302})
        say(old, "special_tokens_map.json", pad_token="<pad>", additional_special_tokens=[{"content": "<|user|>"}])
        tokenizer = load_tokenizer(old, vocab_size=303)
        assert tokenizer.encode("covid") == [300]
        assert 301 not in tokenizer.encode("<pad><|user|>")
        assert tokenizer.decode_bytes([300, 301, 302]) == b"covid"

    def test_the_newer_list_in_the_config_says_it_of_each(self, old: Path) -> None:
        word = {"content": "covid", "special": False, "single_word": True}
        sign = {"content": "<|user|>", "special": True}
        say(old, "tokenizer_config.json", added_tokens_decoder={"300": word, "301": sign})
        say(old, "added_tokens.json", covid=7)  # which transformers then leaves unread
        tokenizer = load_tokenizer(old, vocab_size=302)
        assert 300 in tokenizer.encode("(covid)")
        assert 300 not in tokenizer.encode("covids")
        assert tokenizer.decode_bytes([300, 301]) == b"covid"

    def test_one_that_the_model_never_got_is_passed_over_and_said(
        self, old: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        say(old, "added_tokens.json", **{"[PAD]": 300})
        with caplog.at_level(logging.INFO):
            tokenizer = load_tokenizer(old, vocab_size=300)
        assert max(tokenizer.encode("[PAD]")) < 300
        assert "the added token '[PAD]' has id 300, beyond the model's 300: passed over" in caplog.text

    @pytest.mark.parametrize(
        ("name", "content", "complaint"),
        [
            ("added_tokens.json", {"x": "1"}, r"added_tokens\.json: the added token 'x' needs an id"),
            ("added_tokens.json", {"new": 3}, r"the tokens '\$' and 'new' share the id 3"),
            (
                "tokenizer_config.json",
                {"added_tokens_decoder": []},
                r"tokenizer_config\.json: added_tokens_decoder is not",
            ),
            (
                "tokenizer_config.json",
                {"added_tokens_decoder": {"x": {}}},
                r"tokenizer_config\.json: .* not an added token",
            ),
        ],
    )
    def test_what_is_no_list_of_tokens_is_refused_by_name(
        self, old: Path, name: str, content: dict[str, Any], complaint: str
    ) -> None:
        say(old, name, **content)
        with pytest.raises(CheckpointError, match=complaint):
            load_tokenizer(old)

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            (
                "tokenizer_config.json",
                {"chat_template": "{% for message in messages %}{{ message.content }}{{ eos_token }}{% endfor %}"},
            ),
            ("config.json", {"task_specific_params": {"conversational": {"max_length": 1000}}}),
        ],
    )
    def test_a_checkpoint_of_conversations_says_so_as_dialogpt_does(
        self, old: Path, name: str, content: dict[str, Any]
    ) -> None:
        assert not load_tokenizer(old).joins_turns
        say(old, name, **content)
        assert load_tokenizer(old).encode_turns(["a", "b"]) == [A, 299, B, 299]

    def test_a_template_in_a_file_of_its_own_comes_first(self, old: Path) -> None:
        template = "{%- for message in messages -%}\n{{ message['content'] }}{{ eos_token }}\n{%- endfor -%}"
        (old / "chat_template.jinja").write_text(template)
        assert load_tokenizer(old).joins_turns
        (old / "chat_template.jinja").write_text("{{ messages[0].content }}")
        assert not load_tokenizer(old).joins_turns
