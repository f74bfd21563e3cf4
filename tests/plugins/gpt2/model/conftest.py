"""Models that capture a step when it is first taken: a test that decodes need not wait for the compilers of prefill."""

from __future__ import annotations

import pytest

from plugins.gpt2.model.gpt2 import GPT2


@pytest.fixture
def steps_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the warm-up, in which serving compiles and captures all steps that it may ever take."""
    monkeypatch.setattr(GPT2, "warm_up", lambda self: iter(()))
