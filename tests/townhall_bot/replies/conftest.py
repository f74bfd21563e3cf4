"""What is tried again is tried again at once."""

import pytest

from townhall_bot import patience


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSES", (0.0,) * 3)
    monkeypatch.setattr(patience, "FIRST_ANSWER_PAUSES", (0.0,) * 3)
