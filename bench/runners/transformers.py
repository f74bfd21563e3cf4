"""Measures transformers on torch, eager, as ``generate`` would run it: key/value cache, one forward pass a step."""

from __future__ import annotations

import importlib
from typing import Any

from bench.job import Job
from bench.runners.harness import Prompts, Stepwise, run

torch: Any = importlib.import_module("torch")  # Any: no dependency of this project, so types are not at hand
transformers: Any = importlib.import_module("transformers")

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


class Transformers(Stepwise):
    """One batch whose texts are equally long, so that nothing is padded."""

    def __init__(self, job: Job) -> None:
        torch.set_num_threads(job.threads)
        torch.set_grad_enabled(False)
        dtype = getattr(torch, DTYPES[job.weights])
        self._model = transformers.GPT2LMHeadModel.from_pretrained(job.path, dtype=dtype, local_files_only=True).eval()
        self.version = f"transformers {transformers.__version__}, torch {torch.__version__.partition('+')[0]}"
        read = [value for name, value in self._model.named_parameters() if "wpe" not in name]
        self.weight_bytes = sum(value.numel() * value.element_size() for value in read)
        self._past: Any = None

    def begin(self, streams: int) -> None:
        """See :class:`Stepwise`."""
        self._past = None

    def extend(self, prompts: Prompts) -> list[int]:
        """See :class:`Stepwise`."""
        out = self._model(input_ids=torch.tensor(prompts), past_key_values=self._past, use_cache=True, logits_to_keep=1)
        self._past = out.past_key_values
        best: list[int] = out.logits[:, -1].argmax(-1).tolist()
        return best

    def step(self, tokens: list[int]) -> list[int]:
        """See :class:`Stepwise`."""
        return self.extend([[token] for token in tokens])


if __name__ == "__main__":
    run(Transformers)
