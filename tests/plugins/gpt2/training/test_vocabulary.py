"""A vocabulary that is learnt from texts."""

from __future__ import annotations

from pathlib import Path

from plugins.gpt2.checkpoint.tokenizer.bpe import BPETokenizer
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import load_tokenizer
from plugins.gpt2.training.vocabulary import learn, vocab_of, write_vocabulary

TEXT = "the lamp, the lamps and the lamplighter; " * 30 + "naïve 街灯 the thatched hat 1234 1234"


def test_the_commonest_pairs_become_tokens() -> None:
    merges = learn([TEXT], 300)
    assert merges[:4] == [("h", "e"), ("t", "he"), ("a", "m"), ("l", "am")], 'as the library "tokenizers" has it'
    assert ("Ġlam", "p") in merges
    assert len(merges) <= 300 - 257
    assert all(min(pair) for pair in merges)


def test_texts_in_pieces_give_the_same_vocabulary() -> None:
    assert learn(TEXT.partition(" and"), 290) == learn([TEXT], 290)


def test_a_small_text_gives_a_small_vocabulary() -> None:
    merges = learn(["aba aba"], 2000)
    assert len(vocab_of(merges)) == 257 + len(merges) < 300


def test_a_written_vocabulary_reads_every_text(tmp_path: Path) -> None:
    merges = learn([TEXT], 400)
    write_vocabulary(tmp_path, merges)
    tokenizer = load_tokenizer(tmp_path)
    text = "the lamps, naïve 🙂 \0 unseen"
    assert tokenizer.decode_bytes(tokenizer.encode(text)).decode() == text
    assert tokenizer.encode(text) == BPETokenizer(vocab_of(merges), merges).encode(text)
    assert tokenizer.vocab_size == len(vocab_of(merges))
    assert tokenizer.end_of_text == tokenizer.vocab_size - 1
