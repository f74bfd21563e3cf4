"""Train townhall-mini from scratch: the vocabulary, the model, and the checkpoint that Townhall loads.

Needs torch and tokenizers, which are not dependencies of this project. Give them an environment of their own:

    python3 -m venv /tmp/training && /tmp/training/bin/pip install torch tokenizers tiktoken numpy huggingface_hub
    /tmp/training/bin/python -m tools.train_mini --corpus corpus --out townhall-mini --minutes 60 --compile

The corpus is a folder of UTF-8 text files, in subfolders as you like; each file is a document. Files named SOURCE say
where a subfolder comes from and are not trained on. townhall-mini's had three parts: ``sotu`` (an address a file),
``us-gov-plain-english`` (a site's articles a file) and ``classic-books`` (a book a file); see
plugins/gpt2/mini/README.md.

A draft that guesses for it (``TOWNHALL_GPT2_DRAFT``) is a tenth of its size and has its vocabulary:

    … -m tools.train_mini --corpus corpus --out mini-draft --minutes 10 --layers 2 --heads 2 --width 96 \\
        --vocabulary-of plugins/gpt2/mini

The recipe: AdamW with warm-up, a plateau and a linear decay by time (training ends when ``--minutes`` are over), bf16
autocast, gradients clipped at 1. Every 40th document is held out; the last line tells nats a token and bits a byte on
those. ``--compile`` is worth it for runs of many minutes; it needs a C++ compiler.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.checkpoint.config_file import CONFIG_NAME, to_json
from plugins.gpt2.checkpoint.files import WEIGHTS_NAME
from plugins.gpt2.checkpoint.tokenizer.bpe import BPETokenizer
from plugins.gpt2.model.constants import CONTRACT, PROJECTION, GPT2Config, tensors
from tools.mini_corpus import (
    Corpus,
    Tokens,
    read_documents,
    read_vocabulary,
    tokenise,
    train_vocabulary,
    write_vocabulary,
)
from tools.random_checkpoint import safetensors_bytes

Weights = dict[str, Any]
"""Canonical name → torch tensor that is trained; matrices are (in, out), as they are saved."""

WARM_UP_STEPS = 80
PLATEAU = 0.35
"""Share of the time at the full learning rate."""
LOWEST_RATE = 0.03
"""Share of the learning rate at the end."""


def initial_weights(torch: Any, config: GPT2Config) -> Weights:
    """Return GPT-2's initialisation: N(0, 0.02), what is added to the residual stream smaller by sqrt(2 n_layer)."""
    weights: Weights = {}
    for tensor in tensors(config):
        if tensor.part == "bias":
            values = torch.zeros(tensor.shape)
        elif tensor.kind == "norm":
            values = torch.ones(tensor.shape)
        else:
            values = torch.randn(tensor.shape) * 0.02
            if tensor.module.endswith((PROJECTION, CONTRACT)):
                values /= math.sqrt(2 * config.n_layer)
        weights[tensor.name] = values.requires_grad_()
    return weights


def loss_of(torch: Any, config: GPT2Config, weights: Weights, tokens: Any, targets: Any) -> Any:
    """Return the mean cross entropy in nats of ``targets`` (B, T) after ``tokens`` (B, T)."""
    functional = torch.nn.functional
    rows, length = tokens.shape

    def norm(name: str, x: Any) -> Any:
        scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return functional.layer_norm(x, (config.n_embd,), scale, shift, config.layer_norm_epsilon)

    def linear(name: str, x: Any) -> Any:
        return functional.linear(x, weights[f"{name}.weight"].T, weights[f"{name}.bias"])

    x = weights["wte.weight"][tokens] + weights["wpe.weight"][:length]  # (B, T, C)
    for layer in range(config.n_layer):
        block = f"h.{layer}"
        joined = linear(f"{block}.attn.c_attn", norm(f"{block}.ln_1", x))
        q, k, v = joined.view(rows, length, 3, config.n_head, config.head_size).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, H, T, C / H)
        x = x + linear(f"{block}.attn.c_proj", seen.transpose(1, 2).reshape(rows, length, config.n_embd))
        inner = functional.gelu(linear(f"{block}.mlp.c_fc", norm(f"{block}.ln_2", x)), approximate="tanh")
        x = x + linear(f"{block}.mlp.c_proj", inner)
    logits = (norm("ln_f", x) @ weights["wte.weight"].T).float()  # (B, T, V)
    return functional.cross_entropy(logits.view(-1, config.vocab_size), targets.reshape(-1))


def learning_rate(highest: float, step: int, elapsed: float) -> float:
    """Return the rate at ``step``, ``elapsed`` being the share of the time that is over."""
    decay = 1.0 if elapsed < PLATEAU else max(LOWEST_RATE, (1 - elapsed) / (1 - PLATEAU))
    return highest * min(1.0, (step + 1) / WARM_UP_STEPS) * decay


def train(torch: Any, arguments: argparse.Namespace, config: GPT2Config, corpus: Corpus) -> Weights:
    """Train for ``arguments.minutes``; print progress and the held-out loss; return the weights."""
    weights = initial_weights(torch, config)
    loss_at: Callable[[Any, Any], Any] = lambda tokens, targets: loss_of(torch, config, weights, tokens, targets)  # noqa: E731 - torch.compile replaces it
    if arguments.compile:
        loss_at = torch.compile(loss_at)
    groups = [
        {"params": [values for values in weights.values() if values.dim() == 2], "weight_decay": 0.1},
        {"params": [values for values in weights.values() if values.dim() < 2], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=arguments.learning_rate, betas=(0.9, 0.95))
    rng = np.random.default_rng(arguments.seed)
    started, step, elapsed = time.monotonic(), 0, 0.0
    while elapsed < 1:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(arguments.learning_rate, step, elapsed)
        tokens, targets = random_batch(torch, rng, corpus.train, arguments.batch, config.n_positions)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_at(tokens, targets)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimiser.step()
        step += 1
        seconds = time.monotonic() - started
        elapsed = seconds / (60 * arguments.minutes)
        if step % 50 == 0 or step in (3, 10):
            speed = step * arguments.batch * config.n_positions / seconds
            print(f"step {step}: {loss.item():.3f} nats a token, {speed:.0f} tokens/s, {elapsed:.0%}", flush=True)
    nats = held_out_loss(torch, loss_at, corpus.held_out, config.n_positions)
    bits = nats / math.log(2) * len(corpus.held_out) / corpus.held_out_bytes
    print(f"held out: {nats:.4f} nats a token, {bits:.4f} bits a byte, after {step} steps")
    return weights


def random_batch(torch: Any, rng: np.random.Generator, tokens: Tokens, rows: int, length: int) -> tuple[Any, Any]:
    """Return ``rows`` random pieces (B, T) and the token that follows each of theirs (B, T)."""
    starts = rng.integers(0, len(tokens) - length, rows)
    pieces = torch.from_numpy(np.stack([tokens[start : start + length + 1] for start in starts]).astype(np.int64))
    return pieces[:, :-1], pieces[:, 1:]


def held_out_loss(torch: Any, loss_at: Callable[[Any, Any], Any], tokens: Tokens, length: int) -> float:
    """Return the mean loss in nats a token over up to 120 consecutive pieces."""
    losses = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, min(len(tokens) - length, 120 * length), length):
            piece = torch.from_numpy(tokens[start : start + length + 1].astype(np.int64))[None]
            losses.append(loss_at(piece[:, :-1], piece[:, 1:]).item())
    return float(np.mean(losses))


def export(folder: Path, config: GPT2Config, weights: Weights, vocabulary: tuple[Any, Any]) -> None:
    """Write the checkpoint, fp16; it appears in ``folder`` whole or not at all."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    arrays = {name: values.detach().numpy() for name, values in weights.items()}
    (unfinished / WEIGHTS_NAME).write_bytes(safetensors_bytes(arrays, "F16"))
    described = to_json(config) | {"torch_dtype": "float16"}
    (unfinished / CONFIG_NAME).write_text(json.dumps(described, indent=1))
    write_vocabulary(unfinished, *vocabulary)
    unfinished.rename(folder)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="folder of text files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint; must not exist yet")
    parser.add_argument("--minutes", type=float, default=60, help="how long to train (default: %(default)s)")
    parser.add_argument("--documents", type=int, help="use only so many documents, to try the script")
    parser.add_argument("--batch", type=int, default=8, help="rows a step (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=1.5e-3, help="the highest (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--heads", type=int, default=5)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--vocabulary", type=int, default=8192, help="entries, 512 to 65536 (default: %(default)s)")
    parser.add_argument("--vocabulary-of", type=Path, help="take the vocabulary of a checkpoint's folder: for a draft")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="torch.compile the model; needs a C++ compiler")
    arguments = parser.parse_args()
    if arguments.out.exists():
        parser.error(f"--out {arguments.out} exists; give a new folder")
    if not 512 <= arguments.vocabulary <= 65536:
        parser.error(f"--vocabulary {arguments.vocabulary}: 512 to 65536")
    if arguments.width % arguments.heads:
        parser.error(f"--width {arguments.width} is not a multiple of --heads {arguments.heads}")
    return arguments


def main() -> int:
    """Train and export; return the exit status."""
    arguments = parse_arguments()
    try:
        torch: Any = importlib.import_module("torch")
        importlib.import_module("tokenizers")
    except ImportError as error:
        print(f"{error}. This script needs torch and tokenizers; its docstring says how to get them.", file=sys.stderr)
        return 1
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    texts = read_documents(arguments.corpus, limit=arguments.documents)
    print(f"{len(texts)} documents, {sum(map(len, texts)) / 1e6:.1f}M characters", flush=True)
    like = arguments.vocabulary_of
    vocabulary = read_vocabulary(like) if like else train_vocabulary(texts, arguments.vocabulary)
    tokenizer = BPETokenizer(*vocabulary)
    corpus = tokenise(texts, tokenizer)
    if min(len(corpus.train), len(corpus.held_out)) <= arguments.context:
        print(f"the corpus is too small for a context of {arguments.context}; add documents", file=sys.stderr)
        return 1
    config = GPT2Config(
        n_layer=arguments.layers,
        n_head=arguments.heads,
        n_embd=arguments.width,
        n_positions=arguments.context,
        vocab_size=tokenizer.vocab_size,
        n_inner=4 * arguments.width,
        end_of_text=tokenizer.end_of_text,
    )
    print(f"{len(corpus.train) / 1e6:.2f}M tokens to train on, {config.parameters / 1e6:.1f}M parameters", flush=True)
    weights = train(torch, arguments, config, corpus)
    export(arguments.out, config, weights, vocabulary)
    with open_checkpoint(str(arguments.out.resolve())) as checkpoint:  # what Townhall will do with it
        print(f"{checkpoint.folder}: {checkpoint.total_bytes / 1e6:.1f} MB, {len(checkpoint.tensors)} tensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
