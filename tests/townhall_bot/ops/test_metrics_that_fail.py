from __future__ import annotations

from collections.abc import Callable

import discord
import pytest
from prometheus_client import CollectorRegistry, Gauge

from townhall_bot.plugins import Plugin
from townhall_bot.testkit import StartTownhall

PluginDoing = Callable[..., type[Plugin]]


async def test_a_number_that_cannot_be_read_takes_only_its_plugins_numbers_away(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(interaction: discord.Interaction) -> None: ...

    def broken() -> float:
        raise OSError("the gauge is stuck")

    class Stuck(plugin_doing(act, plugin="stuck")):  # type: ignore[misc] # a class made by a function
        def metrics(self, registry: CollectorRegistry) -> None:
            Gauge("townhall_stuck_level", "A level.", registry=registry).set_function(broken)

    running = await start_townhall(Stuck)
    page = running.bot.metrics.page().decode()
    assert "townhall_guilds" in page
    assert "townhall_stuck_level" not in page
    assert "the metrics of plugin stuck cannot be read" in caplog.text
