"""Which commands people find, and what the host reads, where Discord does not take a registration."""

from __future__ import annotations

from typing import Any

import pytest

from tests.townhall_bot.answers.stage import Stage, check_log, worth_reading
from tests.townhall_bot.answers.table import MANY, Case, cases
from townhall_bot.discordpy import registration
from townhall_bot.discordpy.answers import PutOff
from townhall_bot.plugins.command_sync import CommandSync

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKING = ("GET", "/applications/{application_id}/commands")
ROUTE = ("PUT", "/applications/{application_id}/commands")


def names(stage: Stage) -> list[str]:
    return sorted(f"/{command.name}" for command in stage.server.commands)


@pytest.mark.parametrize("case", cases("Registering commands"), ids=str)
async def test_registering_commands(case: Case, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    bot, mine = stage.townhall.bot, stage.townhall.bot.plugins["stage"]
    sync = CommandSync(bot.tree, bot.store, None, always=True)
    await sync.run([bot.plugins["privacy"]])
    before, asked = names(stage), len(stage.server.requests)
    by_plugin = case.row.cells["again"] == "by plugin"
    for _ in range(2 if by_plugin else 1):  # all at once, then alone
        case.answer.befall(stage.server, *ROUTE, always=case.row.always and not by_plugin)
    await sync.run([mine, bot.plugins["privacy"]])
    asked = sum((request.method, request.route) == ROUTE for request in stage.server.requests[asked:])
    assert names(stage) == sorted({*before, *case.row.quoted("people find")})
    assert (mine.failure is not None) == by_plugin
    mine.failure = None
    if not by_plugin:
        check_log(case, worth_reading(caplog))
        assert not case.row.always or (asked >= MANY) == case.row.again


@pytest.mark.parametrize("case", cases("Asking which commands there are"), ids=str)
async def test_asking_which_commands_there_are(case: Case, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    bot = stage.townhall.bot
    sync, plugins = CommandSync(bot.tree, bot.store, None, always=False), list(bot.plugins.values())
    await sync.run(plugins)
    before, requests = names(stage), len(stage.server.requests)
    case.answer.befall(stage.server, *ASKING, always=case.row.always)
    await sync.run(plugins)
    assert names(stage) == before
    check_log(case, worth_reading(caplog))
    asked = sum((request.method, request.route) == ASKING for request in stage.server.requests[requests:])
    assert (asked >= (MANY if case.row.always else 2)) == case.row.again


async def test_a_limit_of_a_minute_is_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bot = stage.townhall.bot
    limits = [PutOff(0.001), PutOff(3600)]
    register = registration.register

    async def limited(*arguments: Any) -> Any:
        if limits:
            raise limits.pop(0)
        return await register(*arguments)

    monkeypatch.setattr(registration, "register", limited)
    sync = CommandSync(bot.tree, bot.store, None, always=True)
    await sync.run(list(bot.plugins.values()))
    assert [record.levelname for record in worth_reading(caplog)] == ["WARNING", "ERROR"]
    limits.append(PutOff(0.001))
    await sync.run(list(bot.plugins.values()))
    assert names(stage) == ["/act", "/privacy"]
