"""The parts of the training script that need no torch: documents, vocabulary files, the schedule."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from plugins.gpt2.checkpoint.tokenizer.bpe import BPETokenizer
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import load_tokenizer
from tools.mini_corpus import HELD_OUT, read_documents, read_vocabulary, tokenise, write_vocabulary
from tools.random_checkpoint import small_vocabulary
from tools.train_mini import learning_rate


def test_documents_come_shuffled_the_same_way_every_time_without_their_sources(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part/SOURCE").write_text("where from")
    for number in range(20):
        (tmp_path / f"part/{number:02}.txt").write_text(f"text {number}")
    texts = read_documents(tmp_path)
    assert sorted(texts) == sorted(f"text {number}" for number in range(20))
    assert texts == read_documents(tmp_path) != sorted(texts)
    assert read_documents(tmp_path, limit=5) == texts[:5]


def test_a_folder_without_documents_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path}: 0 documents"):
        read_documents(tmp_path)


def test_held_out_documents_are_not_trained_on() -> None:
    tokenizer = BPETokenizer(*small_vocabulary(257))
    corpus = tokenise(["kept"] + ["x"] * (HELD_OUT - 1) + ["também"], tokenizer)
    assert tokenizer.decode_bytes(corpus.held_out.tolist()).decode() == "kepttambém"
    assert corpus.held_out.tolist().count(256) == 2, "an end of text after each"
    assert tokenizer.decode_bytes(corpus.train.tolist()).decode() == "x" * (HELD_OUT - 1)
    assert corpus.held_out_bytes == len("kept") + len("também".encode())


def test_a_written_vocabulary_is_read_back(tmp_path: Path) -> None:
    write_vocabulary(tmp_path, *small_vocabulary(300))
    text = "abba naïve"
    assert read_vocabulary(tmp_path) == small_vocabulary(300)
    assert load_tokenizer(tmp_path).encode(text) == BPETokenizer(*small_vocabulary(300)).encode(text)


def test_the_learning_rate_rises_stays_and_falls() -> None:
    assert learning_rate(1.0, 0, 0.0) == pytest.approx(1 / 80)
    assert learning_rate(1.0, 500, 0.3) == 1.0
    assert learning_rate(1.0, 900, 0.675) == pytest.approx(0.5)
    assert learning_rate(1.0, 999, 1.0) == pytest.approx(0.03)


def test_without_torch_the_script_says_how_to_get_it(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['torch'] = None; sys.argv[1:] = ['--corpus', '.', '--out', sys.argv[1]]; "
    program = hidden + "import tools.train_mini as script; sys.exit(script.main())"
    command = [sys.executable, "-c", program, str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "needs torch and tokenizers; its docstring says how" in done.stderr
    assert not (tmp_path / "out").exists()
