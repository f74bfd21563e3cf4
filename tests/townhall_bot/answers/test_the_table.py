"""The tables leave nothing out: what Discord documents, and what the bot tells apart, has its row for each request."""

from __future__ import annotations

import re

import pytest

from tests.townhall_bot.answers.table import DOCUMENT, Answer, Row, headings, rows
from townhall_bot.cli.run import FINAL_CLOSES
from townhall_bot.discordpy.answers import Code

FROM_ANYBODY = {
    Answer(401), Answer(405), Answer(409), Answer(429), Answer(429, long=True), Answer(429, page=True),
    Answer(500), Answer(502), Answer(503), Answer(504), Answer(0), Answer(200, page=True), Answer(403, page=True),
    Answer(403, 40333),
}  # fmt: skip
"""What each request can get: from Discord, from what stands before it, and from the network."""
BODY = {50035, 50109}
MESSAGE = {10003, 10008, 50001, 50013, 50083, 160005, 40005, 200000, 240000}
UPLOAD = {50045, 50046, 50146, 400001}
TOKEN = {10015, 50027}
BY_TOKEN = BODY | MESSAGE | TOKEN | {50006, 200001}
DOCUMENTED = {
    "A first answer": BY_TOKEN | UPLOAD | {10062, 40060, 40004, 40006, 130000},
    "Suggestions while somebody types": BODY | TOKEN | {10062, 40060, 40005, 130000},
    "The end of a text": BY_TOKEN | UPLOAD | {50005, 20022, 30046, 40062, 130000},
    "Another edit of a command": BY_TOKEN | UPLOAD | {50005, 20022, 30046, 40062, 130000},
    "A further page": BY_TOKEN | {20016, 20028, 20029, 40094, 130000},
    "An edit by the bot's own right": MESSAGE | {50035, 50005, 20022, 30046},
    "A message by the bot's own right": BODY
    | MESSAGE
    | {20016, 20028, 20029, 40003, 40004, 50006, 50007, 50008, 130000},
    "Deleting a message": TOKEN | {10003, 10008, 50001, 50013, 50021, 50083, 160005},
    "Reading what a button needs": {50001, 50013, 50035, 130000},
    "Reading a file": set(),
    "Registering commands": BODY
    | {10002, 10004, 10063, 20012, 30032, 30034, 40005, 40041, 50001},
    "Asking which commands there are": {10002, 10004, 20012, 50001, 50035},
    "Logging in": set(),
    "How many sessions are left": set(),
}  # fmt: skip
"""Codes by request, from Discord's documentation ("JSON Error Codes"): those that this request can get."""
CLOSES = {1000, 1001, *range(4000, 4015)}
"""The documentation has no 4006 any more; discord.py expects it still."""


def answers(heading: str) -> list[Answer]:
    return [answer for row in rows(heading) for answer in row.answers]


@pytest.mark.parametrize("heading", DOCUMENTED)
def test_a_request_has_a_row_for_each_code_and_no_other(heading: str) -> None:
    codes = {answer.code for answer in answers(heading)} - {0, 40333}
    assert codes == DOCUMENTED[heading]


@pytest.mark.parametrize("heading", sorted(set(DOCUMENTED) - {"Reading a file"}))
def test_a_request_has_a_row_for_what_any_request_can_get(heading: str) -> None:
    assert {str(answer) for answer in FROM_ANYBODY - set(answers(heading))} == set()


def test_each_heading_is_tested() -> None:
    assert set(headings()) == {*DOCUMENTED, "The gateway closes"}


def test_the_gateways_codes_are_all_there() -> None:
    closes = answers("The gateway closes")
    assert {answer.status for answer in closes} == {*CLOSES, 0}
    final = {answer.status for row in rows("The gateway closes") if not row.again for answer in row.answers}
    assert final == set(FINAL_CLOSES)


def test_each_code_that_the_bot_tells_apart_has_a_row() -> None:
    told = {answer.code for heading in DOCUMENTED for answer in answers(heading)}
    assert {code.name for code in Code if code not in told} == set()


@pytest.mark.parametrize("heading", [*DOCUMENTED, "The gateway closes"])
def test_no_answer_stands_twice(heading: str) -> None:
    listed = [(str(answer), row.always) for row in rows(heading) for answer in row.answers]
    assert sorted(listed) == sorted(set(listed))


@pytest.mark.parametrize("heading", [*DOCUMENTED, "The gateway closes"])
def test_cells_say_what_can_be_tested(heading: str) -> None:
    for row in rows(heading):
        assert row.cells["again"] in ("yes", "no", "by plugin")
        assert row.cells.get("how often", "once") in ("once", "always")
        assert _read_without_quotes(row)


def _read_without_quotes(row: Row) -> bool:
    """Tell whether a row that logs nothing says so."""
    read = row.cells["the host reads"]
    return "“" in read or read == "nothing"


def test_codes_are_in_one_place() -> None:
    """A number of Discord's in a second place is one that is forgotten when it changes."""
    numbers = "|".join(str(code.value) for code in Code)
    strays = [
        f"{path.relative_to(DOCUMENT.parents[1])}: {found.group()}"
        for room in ("townhall_bot", "plugins")
        for path in (DOCUMENT.parents[1] / room).rglob("*.py")
        if "loopback" not in path.parts and path.name != "answers.py"
        for found in re.finditer(rf"\b({numbers})\b", path.read_text(encoding="utf-8"))
    ]
    assert not strays
