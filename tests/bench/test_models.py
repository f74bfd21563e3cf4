from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.formats.gguf_file import gguf_name, read_tensors
from bench.models import random_folder, vocabulary
from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.model.constants import GPT2Config

SMALL = GPT2Config(2, 2, 32, 64, 400, 128, end_of_text=399)


def test_a_random_folder_is_a_checkpoint_that_the_model_accepts(tmp_path: Path) -> None:
    folder = random_folder(tmp_path, "small", SMALL)
    with open_checkpoint(str(folder), local_only=True) as checkpoint:
        assert checkpoint.config == SMALL
        tokenizer = checkpoint.tokenizer()
    assert tokenizer.decode_bytes(tokenizer.encode("Grüße")) == "Grüße".encode()


def test_a_folder_that_is_there_is_used_again(tmp_path: Path) -> None:
    written = random_folder(tmp_path, "small", SMALL) / "model.safetensors"
    before = written.stat().st_mtime_ns
    assert random_folder(tmp_path, "small", SMALL) == written.parent
    assert written.stat().st_mtime_ns == before


def test_what_an_interrupted_run_left_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "small.part").mkdir()
    (tmp_path / "small.part" / "model.safetensors").write_text("half")
    folder = random_folder(tmp_path, "small", SMALL)
    assert sum(values.size for _, values in read_tensors(folder / "model.safetensors")) == SMALL.parameters


def test_a_vocabulary_of_the_official_size_has_every_id_once() -> None:
    vocab, merges = vocabulary(50257)
    assert sorted(vocab.values()) == list(range(50257))
    assert len(merges) == 50000
    assert vocab["<|endoftext|>"] == 50256


@pytest.mark.parametrize("size", [256, 70_000])
def test_a_vocabulary_that_bytes_and_pairs_cannot_make_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=str(size)):
        vocabulary(size)


def test_every_tensor_has_its_name_in_llama_cpp(tmp_path: Path) -> None:
    folder = random_folder(tmp_path, "small", SMALL)
    tensors = dict(read_tensors(folder / "model.safetensors"))
    assert all(values.dtype == np.float32 for values in tensors.values())
    names = {name: gguf_name(name) for name in tensors}
    assert len(set(names.values())) == len(tensors)
    assert names["h.1.attn.c_attn.weight"] == "blk.1.attn_qkv.weight"
    assert gguf_name("transformer.wte.weight") == "token_embd.weight"
