"""A Discord on this machine for every test, with the bot and this plugin in it."""

from __future__ import annotations

import pytest
from townhall_quotes.plugin import QuotesPlugin

from townhall_bot.plugins import Plugin

pytest_plugins = ["townhall_bot.testkit"]


@pytest.fixture
def townhall_plugins() -> list[type[Plugin]]:
    return [QuotesPlugin]
