"""The health page as a monitor sees it: alive, serving or not, and numbers that mean what their names say."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from plugins.ping.plugin import PingPlugin
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.ops.health import HealthPage
from townhall_bot.plugins import Health, Plugin
from townhall_bot.testkit import RunningTownhall, StartTownhall

PluginDoing = Callable[..., type[Plugin]]


async def get(page: HealthPage, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(page.url + path) as response:
        return response.status, await response.text()


async def serve(running: RunningTownhall) -> HealthPage:
    page = HealthPage(running.bot, "127.0.0.1", 0)
    await page.start()
    return page


def values(text: str) -> dict[str, float]:
    """Return each sample's value under its name and labels; fails where the text is not Prometheus's format."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


async def test_a_bot_that_serves_is_ready_and_one_that_drains_is_not(start_townhall: StartTownhall) -> None:
    running = await start_townhall(PingPlugin)
    page = await serve(running)
    assert (await get(page, "/healthz"))[0] == 200
    status, text = await get(page, "/readyz")
    assert (status, '"ready": true' in text, '"ping": {"ok": true' in text) == (200, True, True)
    await running.bot.drain(0)
    status, text = await get(page, "/readyz")
    assert (status, '"draining": true' in text) == (503, True)
    assert (await get(page, "/healthz"))[0] == 200
    await page.stop()


async def test_a_bot_without_its_gateway_is_alive_and_not_ready(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    running = await start_townhall(PingPlugin)
    page = await serve(running)
    await running.bot.close()
    assert (await get(page, "/readyz"))[0] == 503
    assert (await get(page, "/healthz"))[0] == 200
    await page.stop()


async def test_commands_are_counted_by_how_they_ended_and_timed(
    start_townhall: StartTownhall, ada: Person, plugin_doing: PluginDoing
) -> None:
    async def fail(interaction: discord.Interaction) -> None:
        raise RuntimeError("inside")

    running = await start_townhall(PingPlugin, plugin_doing(fail))
    page = await serve(running)
    for _ in range(3):
        await running.settled(await ada.type("/ping"))
    await running.settled(await ada.type("/act"))
    _, text = await get(page, "/metrics")
    numbers = values(text)
    assert numbers["townhall_commands_total{command=ping,outcome=done}"] == 3
    assert numbers["townhall_commands_total{command=act,outcome=failed}"] == 1
    assert numbers["townhall_interaction_ack_seconds_count{}"] == 4
    assert 0 < numbers["townhall_interaction_ack_seconds_sum{}"] < 4
    assert numbers["townhall_command_duration_seconds_count{command=ping}"] == 3
    assert numbers["townhall_discord_requests_total{method=POST,status=200}"] == 4
    assert numbers["townhall_plugin_healthy{plugin=ping}"] == 1
    assert numbers["townhall_guilds{}"] == 1
    assert numbers["townhall_gateway_events_total{event=connected}"] == 1
    assert str(ada.id) not in text
    await page.stop()


async def test_every_name_follows_the_conventions(start_townhall: StartTownhall) -> None:
    page = await serve(await start_townhall(PingPlugin))
    _, text = await get(page, "/metrics")
    for family in text_string_to_metric_families(text):
        assert re.match(r"(townhall|process)_[a-z0-9_]+$", family.name)
        assert family.documentation
        assert not re.search(r"_(ms|milliseconds|kb|mb|percent)$", family.name)
    await page.stop()


async def test_no_series_tells_when_another_was_created(start_townhall: StartTownhall) -> None:
    page = await serve(await start_townhall(Counting))
    _, text = await get(page, "/metrics")
    assert "townhall_counting_sheep_total" in text
    assert "_created" not in text
    await page.stop()


class Counting(Plugin):
    name = "counting"
    broken = False

    def commands(self) -> list[discord.app_commands.Command[Any, ..., Any]]:
        return []

    def metrics(self, registry: CollectorRegistry) -> None:
        if self.broken:
            raise RuntimeError("cannot count")
        Counter("townhall_counting_sheep_total", "Sheep.", registry=registry).inc(7)

    async def health(self) -> Health:
        return Health(False, "tired")


class CannotCount(Counting):
    broken = True


async def test_a_plugins_own_numbers_are_there_and_a_broken_one_takes_only_its_own_away(
    start_townhall: StartTownhall, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start_townhall(Counting)
    page = await serve(running)
    numbers = values((await get(page, "/metrics"))[1])
    assert numbers["townhall_counting_sheep_total{}"] == 7
    assert numbers["townhall_plugin_healthy{plugin=counting}"] == 0
    await page.stop()
    await running.stop()

    page = await serve(await start_townhall(CannotCount))
    numbers = values((await get(page, "/metrics"))[1])
    assert "townhall_counting_sheep_total{}" not in numbers
    assert "townhall_guilds{}" in numbers
    assert "plugin counting failed at metrics()" in caplog.text
    await page.stop()


async def test_a_port_that_is_taken_costs_the_page_and_not_the_bot(
    start_townhall: StartTownhall, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start_townhall(PingPlugin)
    first = await serve(running)
    port = int(first.url.rsplit(":", 1)[1])
    second = HealthPage(running.bot, "127.0.0.1", port)
    await second.start()
    assert f"no health page: 127.0.0.1 port {port}: Address already in use. Set TOWNHALL_HEALTH_" in caplog.text
    await HealthPage(running.bot, "x" * 70, port).start()
    assert "that is no host's name" in caplog.text
    assert await running.settled(await ada.type("/ping")) is None
    await second.stop()
    await first.stop()


async def test_a_page_that_others_can_read_is_warned_of(
    start_townhall: StartTownhall, caplog: pytest.LogCaptureFixture
) -> None:
    page = HealthPage((await start_townhall()).bot, "0.0.0.0", 0)
    await page.start()
    assert "can be read by other machines" in caplog.text
    await page.stop()


def test_every_metric_of_the_dashboard_exists() -> None:
    checkout = Path(__file__).parents[3]
    board = (checkout / "docs" / "grafana-dashboard.json").read_text()
    code = "".join(
        path.read_text() for folder in ("townhall_bot", "plugins") for path in (checkout / folder).rglob("*.py")
    )
    named = set(re.findall(r"\b(townhall_[a-z0-9_]+?)(?:_bucket|_sum|_count)?\b", board))
    assert named
    # A counter may be declared without the _total that prometheus-client gives it.
    missing = [n for n in sorted(named) if f'"{n}"' not in code and f'"{n.removesuffix("_total")}"' not in code]
    assert missing == []
