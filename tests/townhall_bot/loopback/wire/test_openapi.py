"""The check against Discord's own description."""

from __future__ import annotations

import logging
from pathlib import Path

import aiohttp
import pytest

from townhall_bot.loopback import LoopbackDiscord, TownhallWorld
from townhall_bot.loopback.server import ROUTES
from townhall_bot.loopback.wire import openapi

MESSAGES = "/channels/{channel_id}/messages"
CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"


@pytest.fixture
def checker(needs_description: None) -> openapi.RequestChecker:
    found = openapi.checker(openapi.find_description())
    assert found is not None
    return found


def test_every_route_is_one_of_discord_s(checker: openapi.RequestChecker) -> None:
    assert [route for route in ROUTES if not checker.knows(route.method, route.path)] == []


def test_good_requests_pass(checker: openapi.RequestChecker) -> None:
    assert checker.faults("POST", MESSAGES, {"content": "hello", "attachments": [{"id": 0, "filename": "a"}]}) == []
    assert checker.faults("POST", CALLBACK, {"type": 5, "data": {"flags": 64}}) == []
    assert checker.faults("GET", "/users/@me", None) == []
    assert checker.faults("POST", MESSAGES, {"content": "x", "message_reference": {"message_id": 123}}) == []


def test_wrong_requests_are_told_by_field(checker: openapi.RequestChecker) -> None:
    assert "content" in checker.faults("POST", MESSAGES, {"content": 5})[0]
    assert checker.faults("POST", CALLBACK, {"type": 99}) != []
    assert "takes no body" in checker.faults("GET", "/users/@me", {})[0]
    assert "needs a body" in checker.faults("POST", CALLBACK, None)[0]
    assert "not in Discord's description" in checker.faults("GET", "/nowhere", None)[0]
    assert checker.answer_faults("GET", "/users/@me", 200, {"id": "1"}) != []


@pytest.mark.usefixtures("breaks_the_description")
async def test_what_a_faulty_request_says_stays_out_of_the_log(
    server: LoopbackDiscord, world: TownhallWorld, needs_description: None, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"{server.api_url}/channels/{world.channels['general'].id}/messages"
    headers = {"Authorization": f"Bot {server.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        await session.post(url, json={"content": ["a private prompt"]})
    assert server.requests[-1].schema_errors
    assert "breaks Discord's description" in caplog.text
    assert "private" not in caplog.text


def test_without_the_description_nothing_is_checked_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="townhall.loopback"):
        assert openapi.checker(None) is None
    assert openapi.DESCRIPTION_VARIABLE in caplog.text


def test_the_environment_names_the_description(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(openapi.DESCRIPTION_VARIABLE, str(tmp_path / "missing.json"))
    assert openapi.find_description() is None
    (tmp_path / "there.json").write_text("{}")
    monkeypatch.setenv(openapi.DESCRIPTION_VARIABLE, str(tmp_path / "there.json"))
    assert openapi.find_description() == tmp_path / "there.json"
