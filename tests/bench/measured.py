"""Results as the measuring programs print them, with round numbers."""

from __future__ import annotations

from typing import Any

MACHINE: dict[str, Any] = {
    "cpu": "A Processor",
    "architecture": "x86_64",
    "system": "Linux 6",
    "cores": 2,
    "l3_mb": 32.0,
    "memory_gb": 16.0,
    "features": ["avx2"],
    "python": "3.11.0",
    "load_average": 0.1,
}


def figures(step_ms: float) -> dict[str, Any]:
    """Return one peer's medians."""
    return {
        "version": "engine 1",
        "weight_bytes": 125_000_000,
        "load_ms": 500.0,
        "first_token_ms": 900.0,
        "start_peak_bytes": 200_000_000,
        "peak_bytes": 300_000_000,
        "decode_ms": {"1": step_ms},
        "prefill_ms": {},
        "context_ms": {},
    }


COMPARED: dict[str, Any] = {
    "kind": "compare",
    "model": "gpt2",
    "random_weights": True,
    "machine": MACHINE,
    "load_average_after": 2.0,
    "began": "2026-01-01 00:00 UTC",
    "threads": 2,
    "repeats": 3,
    "steps": 64,
    "medians": {"townhall-int8": figures(5.0), "llama-cpp-q8_0": figures(10.0)},
    "failed": {},
}
BANDWIDTH: dict[str, Any] = {
    "kind": "bandwidth",
    "machine": MACHINE,
    "threads": 2,
    "gb_per_s": {"128": {"1": 20.0, "2": 40.0}, "1024": {"1": 18.0, "2": 30.0}},
}
