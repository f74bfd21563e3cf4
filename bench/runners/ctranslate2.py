"""Measures CTranslate2, which keeps the loop over steps to itself: a callback notes when each of them is done."""

from __future__ import annotations

import importlib
import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.job import Job
from bench.runners.harness import Prompts, run

ct2: Any = importlib.import_module("ctranslate2")  # Any: no dependency of this project, so types are not at hand


class CTranslate2:
    """One converted folder."""

    def __init__(self, job: Job) -> None:
        self._generator = ct2.Generator(
            job.path, device="cpu", compute_type=job.weights, intra_threads=job.threads, inter_threads=1
        )
        self._words: list[str] = json.loads((Path(job.path) / "vocabulary.json").read_text(encoding="utf-8"))
        self.version = f"ctranslate2 {ct2.__version__}"
        self.weight_bytes = (Path(job.path) / "model.bin").stat().st_size

    def decode_ms(self, prompts: Prompts, steps: int) -> list[float]:
        """See ``Engine``."""
        _, ends = self._generate(prompts, steps + 1)
        return [(after - before) * 1000 for before, after in pairwise(ends)]

    def prefill_ms(self, prompt: list[int]) -> float:
        """See ``Engine``."""
        begin, ends = self._generate([prompt], 1)
        return (ends[0] - begin) * 1000

    def _generate(self, prompts: Prompts, count: int) -> tuple[float, list[float]]:
        """Return when it began and when each of ``count`` tokens was there in every stream."""
        ends = [0.0] * count

        def note(result: Any) -> bool:
            ends[result.step] = time.perf_counter()
            return False

        texts = [[self._words[token] for token in prompt] for prompt in prompts]
        begin = time.perf_counter()
        self._generator.generate_batch(
            texts,
            max_length=count,
            min_length=count,
            sampling_topk=1,
            include_prompt_in_result=False,
            end_token=[],
            callback=note,
        )
        if not all(ends):
            raise RuntimeError(f"CTranslate2 made fewer than {count} tokens")
        return begin, ends


if __name__ == "__main__":
    run(CTranslate2)
