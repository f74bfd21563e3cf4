"""Measures llama.cpp through the C functions that llama-cpp-python binds: no Python work inside a step.

``use_extra_bufts`` is off but for weights called ``…-repacked``: Q8_0 crashed in the repacking for AMX on the machine
of the first measurements.
"""

from __future__ import annotations

import ctypes
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.job import Job
from bench.runners.harness import Prompts, Stepwise, run

C: Any = importlib.import_module("llama_cpp")  # Any: it is no dependency of this project, so types are not at hand

CONTEXT = 1024
"""Positions of each stream, as many as the official models have."""
BATCH = 512
"""Tokens of one call; llama.cpp's own default splits longer prompts likewise."""


@C.llama_log_callback  # type: ignore[untyped-decorator]  # ctypes: it has no types
def _silent(_level: int, _text: bytes, _data: Any) -> None:
    """Drop llama.cpp's own log."""


class LlamaCpp(Stepwise):
    """One GGUF file. The context is made anew when the number of streams changes, so that one stream is not slowed."""

    def __init__(self, job: Job) -> None:
        self._none = ctypes.c_void_p(None)
        C.llama_log_set(_silent, self._none)
        C.llama_backend_init()
        parameters = C.llama_model_default_params()
        parameters.use_extra_bufts = job.weights.endswith("-repacked")
        parameters.n_gpu_layers = 0
        self._model = C.llama_model_load_from_file(job.path.encode(), parameters)
        if not self._model:
            raise OSError(f"{job.path}: llama.cpp cannot load this file")
        self.version = f"llama-cpp-python {C.__version__}"
        self.weight_bytes = Path(job.path).stat().st_size
        self._words = job.vocabulary
        self._threads = job.threads
        self._context: Any = None
        self._streams = self._position = 0
        self._batch = C.llama_batch_init(BATCH, 0, max(job.streams))
        self.begin(1)

    def begin(self, streams: int) -> None:
        """See :class:`Stepwise`."""
        self._position = 0
        if streams == self._streams:
            C.llama_memory_clear(C.llama_get_memory(self._context), True)
            return
        if self._context is not None:
            C.llama_free(self._context)
        parameters = C.llama_context_default_params()
        parameters.n_ctx = CONTEXT * streams
        parameters.n_seq_max = streams
        parameters.n_batch = BATCH
        parameters.n_threads = parameters.n_threads_batch = self._threads
        self._context = C.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise MemoryError(f"llama.cpp cannot make a context of {streams} streams")
        self._streams = streams

    def extend(self, prompts: Prompts) -> list[int]:
        """See :class:`Stepwise`."""
        length = len(prompts[0])
        best = []
        for stream, prompt in enumerate(prompts):
            for at in range(0, length, BATCH):
                piece = prompt[at : at + BATCH]
                last = at + len(piece) == length
                self._run([(token, self._position + at + n, stream) for n, token in enumerate(piece)], last=last)
            best.append(self._best(min(BATCH, length - at) - 1))
        self._position += length
        return best

    def step(self, tokens: list[int]) -> list[int]:
        """See :class:`Stepwise`."""
        self._run([(token, self._position, stream) for stream, token in enumerate(tokens)], every=True)
        self._position += 1
        return [self._best(stream) for stream in range(len(tokens))]

    def _run(self, items: list[tuple[int, int, int]], *, every: bool = False, last: bool = False) -> None:
        """Work on (token, position, stream); ``every`` or the ``last`` of them gets logits."""
        batch = self._batch
        batch.n_tokens = len(items)
        for n, (token, position, stream) in enumerate(items):
            batch.token[n], batch.pos[n] = token, position
            batch.n_seq_id[n], batch.seq_id[n][0] = 1, stream
            batch.logits[n] = every or (last and n == len(items) - 1)
        if status := C.llama_decode(self._context, batch):
            raise RuntimeError(f"llama_decode failed with status {status}")

    def _best(self, index: int) -> int:
        logits: npt.NDArray[np.float32] = np.ctypeslib.as_array(
            C.llama_get_logits_ith(self._context, index), (self._words,)
        )
        return int(logits.argmax())


if __name__ == "__main__":
    run(LlamaCpp)
