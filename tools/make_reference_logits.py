"""Compute the reference logits in ``tests/plugins/gpt2/model/reference`` with Hugging Face transformers.

torch and transformers are not dependencies of this project. Give them an environment of their own:

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch transformers tiktoken numpy
    /tmp/reference/bin/python -m tools.make_reference_logits

Everything is computed in float32 on the CPU, one whole sequence at a time, with eager attention. Two layouts of
``.npz``:

``<recipe>.npz``, for each of ``tools.random_checkpoint.RECIPES`` (weights: ``write_checkpoint`` with its seed):
    ``tokens``  (n_positions,) int32: a sequence as long as the context;
    ``logits``  (n_positions, vocab_size) float32: the logits after each token.

``townhall-mini.npz``, for the embedded checkpoint, prompts numbered i = 0, 1, …:
    ``texts``       (prompts,) str: what was tokenised;
    ``columns``     (64,) int32: the vocabulary entries whose logits are kept;
    ``tokens_i``    (n,) int32;
    ``logits_i``    (n, 64) float32: the logits of ``columns`` after each token;
    ``argmax_i``    (n,) int32 and ``logsumexp_i`` (n,) float32: over the whole vocabulary;
    ``greedy_i``    (24,) int32: the greedy continuation, and ``margin_i`` () float32: the smallest distance between
                    the best and the second logit on its way. Not there where the prompt fills the context.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from plugins.gpt2.checkpoint.model_names import MINI_FOLDER
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import load_tokenizer
from tools.random_checkpoint import RECIPES, write_checkpoint

REFERENCE_FOLDER = Path(__file__).resolve().parent.parent / "tests/plugins/gpt2/model/reference"
NEW_TOKENS = 24
COLUMNS = 64

GETTYSBURG = """\
Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived
in Liberty, and dedicated to the proposition that all men are created equal. Now we are engaged in a
great civil war, testing whether that nation, or any nation so conceived and so dedicated, can long
endure. We are met on a great battle-field of that war. We have come to dedicate a portion of that
field, as a final resting place for those who here gave their lives that that nation might live. It
is altogether fitting and proper that we should do this. But, in a larger sense, we can not dedicate
-- we can not consecrate -- we can not hallow -- this ground. The brave men, living and dead, who
struggled here, have consecrated it, far above our poor power to add or detract."""

PROMPTS = (
    "My fellow citizens",
    "To apply for a new passport, you need",
    "“Elementary, my dear Watson,” said he — 42 naïve cafés, 東京 🎈",
    GETTYSBURG,
)


def reference_of(model: Any, torch: Any, tokens: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the logits (len(tokens), vocab_size) float32 after each of ``tokens``."""
    with torch.inference_mode():
        logits = model(torch.from_numpy(tokens.astype(np.int64))[None]).logits[0]
    return np.asarray(logits.numpy(), dtype=np.float32)


def random_references(load: Any, torch: Any) -> None:
    """Write ``<recipe>.npz`` for every recipe."""
    for name, recipe in RECIPES.items():
        with tempfile.TemporaryDirectory() as folder:
            write_checkpoint(Path(folder), recipe.config, recipe.seed)
            model = load(folder)
            rng = np.random.RandomState(recipe.seed + 1000)
            tokens = rng.randint(0, recipe.config.vocab_size, recipe.config.n_positions).astype(np.int32)
            save(name, {"tokens": tokens, "logits": reference_of(model, torch, tokens)})


def mini_references(load: Any, torch: Any) -> None:
    """Write ``townhall-mini.npz``."""
    model, tokenizer = load(MINI_FOLDER), load_tokenizer(MINI_FOLDER)
    context = int(model.config.n_positions)
    columns = np.sort(np.random.RandomState(64).choice(model.config.vocab_size, COLUMNS, replace=False))
    full = tokenizer.encode("\n".join([GETTYSBURG] * 4))[:context]
    sequences = [tokenizer.encode(text) for text in PROMPTS] + [full]
    texts = [*PROMPTS, tokenizer.decode_bytes(full).decode()]
    arrays: dict[str, Any] = {"texts": np.array(texts), "columns": columns.astype(np.int32)}
    for number, ids in enumerate(sequences):
        tokens = np.array(ids, dtype=np.int32)
        logits = reference_of(model, torch, tokens)
        arrays[f"tokens_{number}"] = tokens
        arrays[f"logits_{number}"] = logits[:, columns]
        arrays[f"argmax_{number}"] = logits.argmax(-1).astype(np.int32)
        highest = logits.max(-1, keepdims=True).astype(np.float64)
        arrays[f"logsumexp_{number}"] = (np.log(np.exp(logits - highest).sum(-1)) + highest[:, 0]).astype(np.float32)
        if len(ids) + NEW_TOKENS > context:
            continue
        margins = []
        for _ in range(NEW_TOKENS):
            last = reference_of(model, torch, np.array(ids))[-1]
            second, best = np.partition(last, -2)[-2:]
            margins.append(best - second)
            ids = [*ids, int(last.argmax())]
        arrays[f"greedy_{number}"] = np.array(ids[-NEW_TOKENS:], dtype=np.int32)
        arrays[f"margin_{number}"] = np.float32(min(margins))
    save("townhall-mini", arrays)


def save(name: str, arrays: dict[str, Any]) -> None:
    """Write one compressed ``.npz`` and say how large it is."""
    REFERENCE_FOLDER.mkdir(parents=True, exist_ok=True)
    path = REFERENCE_FOLDER / f"{name}.npz"
    np.savez_compressed(path, **arrays)
    print(f"{path.name}: {path.stat().st_size} bytes")


def main() -> int:
    """Write all reference files; return the exit status."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    try:
        torch: Any = importlib.import_module("torch")
        transformers: Any = importlib.import_module("transformers")
    except ImportError as error:
        print(
            f"{error}. This script needs torch and transformers; its docstring says how to get them.", file=sys.stderr
        )
        return 1
    torch.set_num_threads(1)

    def load(folder: str | Path) -> Any:
        model = transformers.GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        return model.eval()

    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    random_references(load, torch)
    mini_references(load, torch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
