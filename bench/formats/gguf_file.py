"""Writes a checkpoint's folder as a GGUF file for llama.cpp: ``python -m bench.formats.gguf_file FOLDER OUT q8_0``.

Matrices become F16, Q8_0 or Q4_0, the embedding among them; beside Q4_0 that stays at Q8_0, as it is the head, too.
Biases, LayerNorms and positions stay F32, as llama.cpp's own converter and ``llama-quantize`` do. Runs where ``gguf``
is installed; reads the weights through NumPy alone.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_TOP = {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm", "lm_head": "output"}
_BLOCK = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
_NUMPY = {"F32": np.float32, "F16": np.float16}


def gguf_name(name: str) -> str:
    """Return llama.cpp's name of a tensor: ``h.0.attn.c_attn.weight`` is ``blk.0.attn_qkv.weight``.

    Raises KeyError for one that a GPT-2 does not have.
    """
    stem, _, kind = name.removeprefix("transformer.").rpartition(".")
    if not stem.startswith("h."):
        return f"{_TOP[stem]}.{kind}"
    _, layer, part = stem.split(".", 2)
    return f"blk.{layer}.{_BLOCK[part]}.{kind}"


def read_tensors(path: Path) -> Iterator[tuple[str, Array]]:
    """Yield the names and values, float32 or float16, of a ``.safetensors`` file."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()
    content = np.memmap(path, np.uint8, "r")
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (start + offset for offset in entry["data_offsets"])
            yield name, content[begin:end].view(_NUMPY[entry["dtype"]]).reshape(entry["shape"])


def write_gguf(folder: Path, out: Path, kind: str) -> None:
    """Write ``out`` with matrices of ``kind``: f16, q8_0, q4_0. Raises KeyError for any other, or an unknown tensor."""
    gguf: Any = importlib.import_module("gguf")
    quantize = importlib.import_module("gguf.quants").quantize
    name_of = kind.removesuffix("-repacked").upper()
    chosen, file_type = gguf.GGMLQuantizationType[name_of], gguf.LlamaFileType[f"MOSTLY_{name_of}"]
    of_head = gguf.GGMLQuantizationType.Q8_0 if name_of == "Q4_0" else chosen
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    partial = out.with_name(out.name + ".part")
    writer = gguf.GGUFWriter(partial, "gpt2", use_temp_file=True)
    writer.add_name(folder.name)
    writer.add_block_count(config["n_layer"])
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(config.get("n_inner") or 4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    writer.add_file_type(file_type)
    _add_vocabulary(writer, gguf, folder, config)
    for name, values in read_tensors(folder / "model.safetensors"):
        if name.endswith((".attn.bias", ".attn.masked_bias")):
            continue  # the mask that older checkpoints carry
        block_matrix = values.ndim == 2 and ".h." in f".{name}"
        values = np.ascontiguousarray(values.T if block_matrix else values, np.float32)  # Conv1D is (in, out)
        if values.ndim == 2 and "wpe" not in name:
            kept = chosen if block_matrix else of_head
            writer.add_tensor(gguf_name(name), quantize(values, kept), raw_dtype=kept)
        else:
            writer.add_tensor(gguf_name(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(out)


def _add_vocabulary(writer: Any, gguf: Any, folder: Path, config: dict[str, Any]) -> None:
    vocab: dict[str, int] = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    tokens = [f"[unused {n}]" for n in range(config["vocab_size"])]
    kinds = [gguf.TokenType.UNUSED] * len(tokens)
    for token, number in vocab.items():
        tokens[number] = token
        kinds[number] = gguf.TokenType.CONTROL if token == "<|endoftext|>" else gguf.TokenType.NORMAL
    lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([line for line in lines if line.strip() and not line.startswith("#version")])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])


if __name__ == "__main__":
    write_gguf(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
