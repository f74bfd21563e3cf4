"""A checkpoint is opened only where its files belong together, and says what is wrong where they do not."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugins.gpt2.checkpoint.checkpoint import Checkpoint, CheckpointError, on_disk, open_checkpoint
from plugins.gpt2.model.constants import GPT2Config
from tests.plugins.gpt2.checkpoint.conftest import CONFIG, EditConfig
from tools.random_checkpoint import random_weights, safetensors_bytes, write_checkpoint

UNTIED = GPT2Config(1, 1, 4, 5, 257, 16, end_of_text=256, tied_head=False)


def rewrite(folder: Path, changes: dict[str, Any], config: GPT2Config = CONFIG) -> Path:
    """Save the weights again, some replaced, renamed or (None) left out."""
    weights: dict[str, Any] = {**random_weights(config, 1), **changes}
    kept = {name: values for name, values in weights.items() if values is not None}
    (folder / "model.safetensors").write_bytes(safetensors_bytes(kept))
    return folder


def test_the_embedded_model_opens_as_its_card_says() -> None:
    with open_checkpoint("townhall-mini") as mini:
        assert mini.name == "townhall-mini"
        assert mini.config == GPT2Config(6, 5, 320, 512, 8192, 1280, end_of_text=8191)
        assert mini.config.parameters == sum(ref.numpy().size for ref in mini.tensors.values()) == 10_183_680
        assert mini.total_bytes == 2 * mini.config.parameters
        assert {ref.dtype for ref in mini.tensors.values()} == {"F16"}
        assert mini.tokenizer().end_of_text == 8191
    assert on_disk("townhall-mini") == mini.folder


@pytest.mark.parametrize("prefix", ["", "transformer."])
@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize(("dtype", "tolerance"), [("F64", 0.0), ("F32", 0.0), ("F16", 2**-10), ("BF16", 2**-8)])
def test_any_way_of_saving_gives_the_same_tensors(
    tmp_path: Path, prefix: str, shards: int, dtype: str, tolerance: float
) -> None:
    write_checkpoint(tmp_path, UNTIED, seed=4, dtype=dtype, prefix=prefix, shards=shards)
    checkpoint = open_checkpoint(str(tmp_path))
    expected = random_weights(UNTIED, 4)
    assert list(checkpoint.tensors) == list(expected), "in the order of the forward pass"
    for name, values in expected.items():
        ref = checkpoint.tensors[name]
        assert (ref.name, ref.dtype, ref.shape) == (name, dtype, values.shape)
        np.testing.assert_allclose(ref.numpy(), values, rtol=tolerance, atol=1e-6 if tolerance else 0)
    assert checkpoint.config == UNTIED


@pytest.mark.parametrize(
    ("before", "head"),
    [
        ("module.", "module."),  # DataParallel
        ("_orig_mod.transformer.", "_orig_mod."),  # torch.compile()
        ("module._orig_mod.transformer.", "module._orig_mod."),
        ("transformer._orig_mod.", ""),
        ("_fsdp_wrapped_module.transformer._fsdp_wrapped_module.", "_fsdp_wrapped_module."),
    ],
)
def test_what_training_puts_before_names_is_taken_off(tmp_path: Path, before: str, head: str) -> None:
    write_checkpoint(tmp_path, UNTIED, seed=1)
    weights = random_weights(UNTIED, 1)
    saved = {(head if name.startswith("lm_head") else before) + name: values for name, values in weights.items()}
    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes(saved))
    assert list(open_checkpoint(str(tmp_path)).tensors) == list(weights)


def test_a_read_only_folder_serves(folder: Path) -> None:
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    checkpoint = open_checkpoint(str(folder))
    assert checkpoint.tensors["ln_f.bias"].numpy().shape == (12,)
    assert checkpoint.fingerprint
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    folder.chmod(0o755)


def test_attention_masks_and_other_heads_are_left_out(folder: Path) -> None:
    rewrite(
        folder, {"h.0.attn.bias": np.ones((1, 1, 10, 10)), "h.1.attn.masked_bias": np.ones(()), "score": np.ones(3)}
    )
    assert set(open_checkpoint(str(folder)).tensors) == set(random_weights(CONFIG, 1))


def test_a_tied_head_may_be_saved_too_or_in_the_embeddings_stead(folder: Path) -> None:
    embedding = random_weights(CONFIG, 1)["wte.weight"]
    both = open_checkpoint(str(rewrite(folder, {"lm_head.weight": embedding})))
    assert both.config.tied_head
    assert "lm_head.weight" not in both.tensors
    head_only = open_checkpoint(str(rewrite(folder, {"lm_head.weight": embedding, "wte.weight": None})))
    np.testing.assert_array_equal(head_only.tensors["wte.weight"].numpy(), embedding)
    assert head_only.tensors["wte.weight"].name == "wte.weight"


def test_a_head_with_other_values_is_a_head_of_its_own_as_in_transformers(folder: Path) -> None:
    embedding = random_weights(CONFIG, 1)["wte.weight"]
    checkpoint = open_checkpoint(str(rewrite(folder, {"lm_head.weight": embedding + 1})))
    assert not checkpoint.config.tied_head
    np.testing.assert_array_equal(checkpoint.tensors["lm_head.weight"].numpy(), embedding + 1)


def test_a_missing_tensor_is_named_with_its_shape(folder: Path) -> None:
    rewrite(folder, {"h.1.mlp.c_fc.weight": None})
    with pytest.raises(CheckpointError, match=r"tensor h\.1\.mlp\.c_fc\.weight of shape \(12, 20\) is missing"):
        open_checkpoint(str(folder))


def test_an_untied_head_that_is_missing_is_named(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, UNTIED, seed=1)
    rewrite(tmp_path, {"lm_head.weight": None}, UNTIED)
    with pytest.raises(CheckpointError, match=r"tensor lm_head\.weight of shape \(257, 4\) is missing"):
        open_checkpoint(str(tmp_path))


def test_a_shape_that_does_not_fit_is_told_with_both_shapes_and_the_cure(folder: Path) -> None:
    rewrite(folder, {"h.0.attn.c_attn.weight": np.ones((36, 12))})
    with pytest.raises(
        CheckpointError,
        match=r"model\.safetensors: tensor h\.0\.attn\.c_attn\.weight has shape \(36, 12\), config\.json makes it "
        r"\(12, 36\).*copy both",
    ):
        open_checkpoint(str(folder))


def test_a_config_of_another_size_costs_no_memory(edit_config: EditConfig) -> None:
    folder = edit_config(vocab_size=16_000_000)  # 768 MB, were it believed
    with pytest.raises(CheckpointError, match=r"wte\.weight has shape \(260, 12\).*\(16000000, 12\)"):
        open_checkpoint(str(folder))


def test_layers_that_the_config_does_not_know_are_refused(edit_config: EditConfig) -> None:
    with pytest.raises(CheckpointError, match=r"tensor h\.1\.\S+ of shape .* no place in a GPT-2 of 1 layers"):
        open_checkpoint(str(edit_config(n_layer=1)))


def test_the_same_tensor_under_two_names_is_refused(folder: Path) -> None:
    rewrite(folder, {"transformer.ln_f.bias": np.ones(12)})
    with pytest.raises(CheckpointError, match=r"ln_f\.bias is there twice"):
        open_checkpoint(str(folder))


def test_integers_are_not_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"I32"'))
    with pytest.raises(CheckpointError, match=r"tensor wte\.weight is I32; supported are F32, F16, BF16, F64"):
        open_checkpoint(str(folder))


@pytest.mark.parametrize("shard", ["../a.safetensors", "/etc/a.safetensors", "a/b.safetensors", "..", "a.bin", 3])
def test_a_shard_elsewhere_is_never_opened(tmp_path: Path, shard: object) -> None:
    write_checkpoint(tmp_path, CONFIG, seed=1, shards=2)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"wte.weight": shard}}))
    with pytest.raises(CheckpointError, match=r"is not the name of a \.safetensors file in the same folder"):
        open_checkpoint(str(tmp_path))


def test_an_index_and_shards_that_disagree_are_refused(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, CONFIG, seed=1, shards=2)
    index = tmp_path / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["ln_f.bias"] = content["weight_map"]["wte.weight"]
    index.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=r"model-00001-of-00002\.safetensors: tensor ln_f\.bias is not in it"):
        open_checkpoint(str(tmp_path))
    (tmp_path / "model-00001-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model-00001-of-00002\.safetensors: cannot be read: No such file"):
        open_checkpoint(str(tmp_path))


@pytest.mark.parametrize("content", ["{}", '{"weight_map": {}}', '{"weight_map": []}'])
def test_an_empty_index_is_refused(tmp_path: Path, content: str) -> None:
    write_checkpoint(tmp_path, CONFIG, seed=1, shards=2)
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(CheckpointError, match="weight_map is missing or empty"):
        open_checkpoint(str(tmp_path))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_without_a_file_says_which(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        open_checkpoint(str(folder))


def test_the_fingerprint_is_the_contents_own(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    assert Checkpoint("a", copy).fingerprint == Checkpoint("b", folder).fingerprint, "times of change travel with it"
    seen = {Checkpoint("a", folder).fingerprint}
    path = folder / "model.safetensors"
    written = path.stat().st_mtime_ns
    rewrite(folder, {"h.1.ln_2.bias": np.full(12, 0.5)})
    os.utime(path, ns=(written, written))  # even where a tool hides the change
    seen.add(Checkpoint("a", folder).fingerprint)
    (folder / "merges.txt").write_text("#version: 0.2\nb a\n")
    seen.add(Checkpoint("a", folder).fingerprint)
    os.utime(path, ns=(written + 1, written + 1))
    seen.add(Checkpoint("a", folder).fingerprint)
    assert len(seen) == 4
