"""What is given in a checkpoint's stead is called by its name, with the cure that helps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plugins.gpt2.checkpoint.checkpoint import CheckpointError, open_checkpoint
from plugins.gpt2.model.constants import GPT2Config
from tools.random_checkpoint import write_checkpoint

CONFIG = GPT2Config(1, 1, 4, 5, 257, 16, end_of_text=256)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 548105171\n"
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>Hugging Face</title></head></html>"


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["tf_model.h5", "config.json"], r"TensorFlow's format \(tf_model\.h5\)\. Convert it .*from_tf=True"),
        (["flax_model.msgpack", "config.json"], r"Flax's format.*from_flax=True"),
        (
            ["checkpoint", "hparams.json", "encoder.json", "vocab.bpe", "model-1000.index"],
            "gpt-2-simple .*convert_gpt2_or",
        ),
        (["checkpoint", "model-500.meta"], "gpt-2-simple"),
        (["ckpt.pt"], r"the state of a training run\. .*save_pretrained\(\)"),
        (["gpt2.Q8_0.gguf"], r"a model for llama\.cpp"),
        (["decoder_model.onnx"], "a model for ONNX"),
        (["readme.txt"], r"there is no model\.safetensors .*save_pretrained"),
    ],
)
def test_a_folder_of_another_format_is_called_by_its_name(tmp_path: Path, names: list[str], complaint: str) -> None:
    for name in names:
        (tmp_path / name).write_text("{}")
    with pytest.raises(CheckpointError, match=complaint) as refusal:
        open_checkpoint(str(tmp_path))
    assert str(refusal.value).startswith(f"{tmp_path}: ")


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (
            {"base_model_name_or_path": "openai-community/gpt2"},
            r"an adapter \(LoRA\) for openai-community/gpt2, not a whole",
        ),
        ({}, r"an adapter \(LoRA\) for another model, not a whole model\. Merge it into that first"),
        ([], r"an adapter \(LoRA\) for another model"),
    ],
)
def test_an_adapter_names_what_it_adapts(tmp_path: Path, config: object, complaint: str) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=complaint + ".*merge_and_unload"):
        open_checkpoint(str(tmp_path))


def test_the_folder_of_a_training_run_names_its_newest_checkpoint(tmp_path: Path) -> None:
    for step in (500, 1500, 1000):
        write_checkpoint(tmp_path / f"checkpoint-{step}", CONFIG, seed=1)
    with pytest.raises(CheckpointError, match=rf"Give one of its checkpoints: {tmp_path}/checkpoint-1500"):
        open_checkpoint(str(tmp_path))


def test_a_place_in_the_hubs_cache_names_its_snapshot(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "snapshots/0123", CONFIG, seed=1)
    with pytest.raises(CheckpointError, match=rf"Give its snapshot: {tmp_path}/snapshots/0123"):
        open_checkpoint(str(tmp_path))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.json", "merges.txt", "tokenizer.json"])
@pytest.mark.parametrize(("content", "what"), [(POINTER, "a pointer of git-lfs.*git lfs pull"), (PAGE, "a web page")])
def test_a_file_that_is_none_is_called_by_its_name(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    write_checkpoint(tmp_path, CONFIG, seed=1)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name}: this is {what}"):
        open_checkpoint(str(tmp_path)).tokenizer()


def test_a_pickle_that_is_none_is_called_by_its_name(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, CONFIG, seed=1)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(POINTER)
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin: this is a pointer of git-lfs"):
        open_checkpoint(str(tmp_path), allow_pickle=True)
