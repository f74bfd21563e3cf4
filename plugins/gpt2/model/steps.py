"""One captured size of the network: token ids in, logits out, nothing of Python or tinygrad's planning in between."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
from tinygrad import Tensor, dtypes

from plugins.gpt2.model import device
from plugins.gpt2.model.transformer import Transformer

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


class Step(Protocol):
    """Runs the network on a fixed number of slots, of which a fixed number is wanted."""

    @property
    def ready(self) -> bool:
        """Whether the first run takes no longer than the others."""
        ...

    @property
    def kernels(self) -> int | None:
        """How many launches a run takes, where they can be counted."""
        ...

    def run(self, inputs: Ints, wanted: Ints) -> Floats:
        """Return logits (O, V padded), the caller's to keep; inputs (3, B): tokens, positions, rows; wanted (O,)."""
        ...


class JitStep:
    """A step that tinygrad's TinyJit captures at its first run and replays from then on; for any device."""

    def __init__(self, network: Transformer, slots: int, wanted: int, where: str) -> None:
        self.network = network
        self.inputs = Tensor.zeros(3, slots, dtype=dtypes.int32, device=where).contiguous().realize()
        self.wanted = Tensor.zeros(wanted, dtype=dtypes.int32, device=where).contiguous().realize()
        self.jit = device.captured(self._logits)

    @property
    def ready(self) -> bool:
        """See :class:`Step`; the first run captures."""
        return False

    @property
    def kernels(self) -> int | None:
        """See :class:`Step`; tinygrad may have put any number of them into one graph."""
        return None

    def _logits(self, inputs: Tensor, wanted: Tensor, attended: object) -> Tensor:
        return self.network(inputs, wanted).realize()

    def launch(self, inputs: Ints, wanted: Ints) -> Tensor:
        """Run and return the tensor itself, which the next run overwrites."""
        device.write(self.inputs, inputs)
        device.write(self.wanted, wanted)
        attended = self.network.launcher.attended(self.network.blocks[0].attention.cache, int(inputs[1].max()))
        logits: Tensor = self.jit(self.inputs, self.wanted, attended)
        return logits

    def run(self, inputs: Ints, wanted: Ints) -> Floats:
        """See :class:`Step`."""
        return device.read(self.launch(inputs, wanted)).reshape(len(wanted), -1)
