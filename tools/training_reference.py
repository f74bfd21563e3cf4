"""Make the reference that training is held to: torch's gradients of a small model, and its losses of 50 AdamW steps.

Needs torch and transformers, as ``pip install 'townhall-bot[bench]'`` brings them:

    python -m tools.training_reference tests/plugins/gpt2/training/reference.npz

The model is Hugging Face's own GPT2LMHeadModel in fp32 on one thread, of odd sizes, with the weights of :func:`small`.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.model.constants import GPT2Config, tensors

CONFIG = GPT2Config(n_layer=2, n_head=3, n_embd=27, n_positions=11, vocab_size=53, n_inner=37)
BATCH, CONTEXT, STEPS, WARM_UP, RATE, LOWEST = 2, 9, 50, 5, 2e-3, 0.1
BETAS, EPSILON, DECAY, CLIP = (0.9, 0.95), 1e-8, 0.1, 1.0


def small(config: GPT2Config = CONFIG) -> dict[str, npt.NDArray[np.float32]]:
    """Return weights under the checkpoint's names, large enough that every gradient counts."""
    rng = np.random.default_rng(13)
    made = {}
    for tensor in tensors(config):
        centre = 1.0 if tensor.kind == "norm" and tensor.part == "weight" else 0.0
        made[tensor.name] = (centre + 0.1 * rng.standard_normal(tensor.shape)).astype(np.float32)
    return made


def batches(config: GPT2Config = CONFIG) -> npt.NDArray[np.int32]:
    """Return the tokens of every step, (STEPS, BATCH, CONTEXT + 1); they repeat: there is something to learn."""
    rng = np.random.default_rng(14)
    some = rng.integers(0, config.vocab_size, (3, BATCH, CONTEXT + 1))
    return some[np.arange(STEPS) % 3].astype(np.int32)


def model_of(config: GPT2Config, weights: dict[str, npt.NDArray[np.float32]]) -> Any:
    """Return transformers' model with these weights, without dropout."""
    torch, transformers = importlib.import_module("torch"), importlib.import_module("transformers")
    described = transformers.GPT2Config(
        vocab_size=config.vocab_size,
        n_positions=config.n_positions,
        n_embd=config.n_embd,
        n_layer=config.n_layer,
        n_head=config.n_head,
        n_inner=config.n_inner,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        use_cache=False,
    )
    model = transformers.GPT2LMHeadModel(described)
    with torch.no_grad():
        for name, values in weights.items():
            model.transformer.get_parameter(name).copy_(torch.from_numpy(values))
    return model.train()


def loss_of(torch: Any, model: Any, tokens: npt.NDArray[np.int32]) -> Any:
    """Return the mean cross entropy of each token after those before it."""
    whole = torch.from_numpy(tokens.astype(np.int64))
    logits = model(whole[:, :-1]).logits.float()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), whole[:, 1:].flatten())


def optimiser_of(torch: Any, model: Any, rate: float = RATE) -> Any:
    """Return AdamW with decay on matrices only."""
    parameters = list(model.parameters())
    groups = [
        {"params": [each for each in parameters if each.dim() == 2], "weight_decay": DECAY},
        {"params": [each for each in parameters if each.dim() != 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=BETAS, eps=EPSILON)


def main() -> None:
    """Write the reference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    from plugins.gpt2.training.network.schedule import Cosine

    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    model, every = model_of(CONFIG, small()), batches()
    optimiser, schedule = optimiser_of(torch, model), Cosine(RATE, STEPS, WARM_UP, LOWEST)
    found: dict[str, Any] = {}
    losses, norms = [], []
    for step, tokens in enumerate(every):
        loss = loss_of(torch, model, tokens)
        optimiser.zero_grad()
        loss.backward()
        if step == 0:
            found = {name: model.transformer.get_parameter(name).grad.numpy().copy() for name in small()}
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)))
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        optimiser.step()
        losses.append(loss.item())
    np.savez_compressed(arguments.out, losses=np.array(losses), norms=np.array(norms), **found)
    print(f"{arguments.out}: {len(found)} gradients, loss {losses[0]:.4f} to {losses[-1]:.4f}")


if __name__ == "__main__":
    main()
