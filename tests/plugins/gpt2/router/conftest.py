"""A house of several machines in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.plugins.gpt2.router.fake_fleet import House


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    try:
        yield made
    finally:
        await made.end()
