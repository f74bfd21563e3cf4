"""How a start ends where Discord does not let the bot in, or the gateway closes: in a line, and with which status."""

from __future__ import annotations

import asyncio

import aiohttp
import discord
import pytest

from plugins.ping.plugin import PingPlugin
from tests.townhall_bot.answers.stage import check_log, worth_reading
from tests.townhall_bot.answers.table import MANY, Answer, Case, cases
from townhall_bot.cli.run import why_ended
from townhall_bot.loopback import LoopbackDiscord, Person
from townhall_bot.testkit import StartTownhall

LOGIN = ("/users/@me", "/oauth2/applications/@me")


async def check_start(
    case: Case, start: StartTownhall, server: LoopbackDiscord, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Start the bot and compare what the host reads, also as the reason of its end, and the status."""
    case.answer.befall(server, "GET", path, always=case.row.always)
    if case.row.cells["exit"] == "runs":
        assert (await start(PingPlugin)).bot.connected
        check_log(case, worth_reading(caplog))
        check_asked(case, server, path)
        return
    with pytest.raises((discord.DiscordException, aiohttp.ClientError)) as raised:
        await start(PingPlugin)
    check_ending(case, raised.value)
    check_asked(case, server, path)


def check_ending(case: Case, error: Exception) -> None:
    ending = why_ended(error)
    assert ending is not None, error
    said, status = ending
    assert str(status) == case.row.cells["exit"]
    assert [words for words in case.row.quoted("the host reads") if words not in said] == []
    assert len(said.splitlines()) == 1
    assert len(said) < 500


def check_asked(case: Case, server: LoopbackDiscord, path: str) -> None:
    asked = sum(request.route == path for request in server.requests)
    assert (asked >= (MANY if case.row.always else 2)) == case.row.again, asked


@pytest.mark.parametrize("path", LOGIN)
@pytest.mark.parametrize("case", cases("Logging in"), ids=str)
async def test_logging_in(
    case: Case,
    path: str,
    start_townhall: StartTownhall,
    discord_server: LoopbackDiscord,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await check_start(case, start_townhall, discord_server, path, caplog)


@pytest.mark.parametrize("case", cases("How many sessions are left"), ids=str)
async def test_how_many_sessions_are_left(
    case: Case, start_townhall: StartTownhall, discord_server: LoopbackDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    await check_start(case, start_townhall, discord_server, "/gateway/bot", caplog)


@pytest.mark.parametrize("case", cases("The gateway closes"), ids=str)
async def test_the_gateway_closes(
    case: Case,
    start_townhall: StartTownhall,
    discord_server: LoopbackDiscord,
    ada: Person,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Discord does not take final codes back: the bot is to end, not to try again."""
    townhall = await start_townhall(PingPlugin)
    serving = next(task for task in asyncio.all_tasks() if task.get_name() == "townhall-serve")
    sessions = discord_server.gateway.identified
    if case.answer == Answer(0):
        discord_server.faults.cut_gateway()
    else:
        await discord_server.faults.drop_gateway(case.answer.status)
    if case.row.again:
        turn = await ada.type("/ping")
        assert await townhall.settled(turn) is None
        assert "Pong" in turn.text
        assert case.row.cells["exit"] == "runs"
        check_log(case, worth_reading(caplog))
        return
    await asyncio.wait({serving}, timeout=10)
    error = serving.exception()
    assert isinstance(error, Exception)
    check_ending(case, error)
    assert discord_server.gateway.identified == sessions
