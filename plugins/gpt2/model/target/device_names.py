"""What devices are called: one spelling for each, made when a name comes in, so that nobody has to parse it again."""

from __future__ import annotations

import re

CPU = "CPU"
DEVICES = (CPU, "CUDA", "NV", "AMD", "METAL", "CL", "QCOM", "WEBGPU")
"""tinygrad's devices that a model may be put on, by its names."""

_NAME = re.compile(r"([A-Za-z]+)(?::(0|[1-9][0-9]{0,3}))?", re.ASCII)


def canonical(name: str) -> str:
    """Return a device's name as tinygrad writes it: ``cpu`` is CPU, ``cuda:0`` is CUDA, ``cuda:1`` CUDA:1.

    Raises ValueError with the names that there are.
    """
    match = _NAME.fullmatch(name)
    kind, number = (match[1].upper(), int(match[2] or 0)) if match else ("", 0)
    if kind not in DEVICES or (is_cpu(kind) and number):
        raise ValueError(f"it must be one of {', '.join(DEVICES)}, and CUDA:1 for the second GPU of a kind")
    return f"{kind}:{number}" if number else kind


def is_cpu(device: str) -> bool:
    """Tell whether a device, by its canonical name, is this machine's own processor."""
    return device == CPU
