"""Training beside torch: tokens a second and peak memory, in turns in one run, each engine in a process of its own.

    pip install 'townhall-bot[bench]'
    python -m bench.training --model gpt2 --batch 2 --context 512 --threads 2

torch runs transformers' model in a plain loop (loss, backward, clipping, AdamW), in fp32 and under bf16 autocast; ours
multiplies in fp32, and in bf16 where the processor does so faster. All begin with the same random weights and take the
same batches.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.model.constants import OFFICIAL_CONFIGS, GPT2Config
from plugins.gpt2.model.target import compiler
from plugins.gpt2.training.precision import Precision
from tools.training_reference import loss_of, model_of, optimiser_of

ENGINES = ("townhall-fp32", "townhall-bf16", "torch-fp32", "torch-bf16")
CONFIGS = OFFICIAL_CONFIGS | {"townhall-mini": GPT2Config(6, 5, 320, 512, 8192, 1280)}
RATE = 1e-4

Step = Callable[[npt.NDArray[np.int32]], float]


def weights_of(config: GPT2Config) -> dict[str, npt.NDArray[np.float32]]:
    """Return GPT-2's initialisation, about."""
    from plugins.gpt2.model.constants import tensors

    rng = np.random.default_rng(1)
    made = {}
    for tensor in tensors(config):
        scale = 0.02 if len(tensor.shape) == 2 else 0.0
        values = scale * rng.standard_normal(tensor.shape, np.float32)
        made[tensor.name] = values + np.float32(tensor.kind == "norm" and tensor.part == "weight")
    return made


def townhall(config: GPT2Config, batch: int, context: int, threads: int, precision: Precision) -> Step:
    """Return a step of ours."""
    compiler.use()
    from plugins.gpt2.training.trainer import Cosine, Trainer

    made = Trainer(
        config,
        weights_of(config),
        method="full",
        batch=batch,
        context=context,
        schedule=Cosine(RATE, 10**6, lowest=1.0),
        seed=1,
        threads=threads,
        precision=precision,
    )
    return lambda tokens: made.step(tokens).loss


def torch_loop(config: GPT2Config, threads: int, *, narrow: bool) -> Step:
    """Return a step of torch."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(threads)
    model = model_of(config, weights_of(config))
    optimiser = optimiser_of(torch, model, RATE)

    def step(tokens: npt.NDArray[np.int32]) -> float:
        with torch.autocast("cpu", torch.bfloat16) if narrow else nullcontext():
            loss = loss_of(torch, model, tokens)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        return float(loss.item())

    return step


def work(arguments: argparse.Namespace) -> None:
    """Take a step for every line that comes, and tell its seconds, its loss and the peak of memory in bytes."""
    config = CONFIGS[arguments.model]
    whose, precision = arguments.engine.split("-")
    if whose == "townhall":
        step = townhall(config, arguments.batch, arguments.context, arguments.threads, precision)
    else:
        step = torch_loop(config, arguments.threads, narrow=precision == "bf16")
    for line in sys.stdin:
        rng = np.random.default_rng(int(line))
        tokens = rng.integers(0, config.vocab_size, (arguments.batch, arguments.context + 1)).astype(np.int32)
        started = time.perf_counter()
        loss = step(tokens)
        seconds = time.perf_counter() - started
        print(seconds, loss, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)


def ask(worker: Any, number: int) -> tuple[float, float, float]:
    """Have a worker take a step."""
    worker.stdin.write(f"{number}\n")
    worker.stdin.flush()
    seconds, loss, memory = worker.stdout.readline().split()
    return float(seconds), float(loss), float(memory)


def main() -> None:
    """Run all engines in turns and print what they did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=CONFIGS, default="gpt2")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        work(arguments)
        return
    environment = os.environ | {"OMP_NUM_THREADS": str(arguments.threads)}
    engines = [engine for engine in ENGINES if engine != "townhall-bf16" or compiler.multiplies_bf16()]
    workers = {
        engine: subprocess.Popen(
            [sys.executable, "-m", "bench.training", *sys.argv[1:], "--engine", engine],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for engine in engines
    }
    found: dict[str, list[tuple[float, float, float]]] = {engine: [] for engine in engines}
    for turn in range(arguments.turns + 1):  # the first is a rehearsal
        for engine, worker in workers.items():
            found[engine].append(ask(worker, turn))
    for worker in workers.values():
        worker.communicate()
    tokens = arguments.batch * arguments.context
    print(f"{arguments.model}, {arguments.batch} × {arguments.context} tokens a step, {arguments.threads} threads")
    for engine, steps in found.items():
        seconds = statistics.median(step[0] for step in steps[1:])
        loss, memory = steps[-1][1], steps[-1][2]
        print(f"{engine:14} {tokens / seconds:8.0f} tokens/s  {memory / 1e6:6.0f} MB at most  loss {loss:.4f}")


if __name__ == "__main__":
    main()
