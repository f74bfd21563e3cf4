"""What people see where Discord does not take a first answer."""

import asyncio
import logging
from collections.abc import Iterator

import discord
import pytest

from tests.townhall_bot.answers.stage import Stage, check, check_log, worth_reading
from tests.townhall_bot.answers.table import Case, cases

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTE = ("POST", "/interactions/{interaction_id}/{interaction_token}/callback")


@pytest.mark.parametrize("case", cases("A first answer"), ids=str)
async def test_a_first_answer(case: Case, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def act(interaction: discord.Interaction) -> None:
        case.answer.befall(stage.server, *ROUTE, always=case.row.always)
        await interaction.response.send_message("the text")

    check(case, await stage.play(case, act, *ROUTE, caplog))


class _Heard(logging.Handler):
    """Knows when the first warning was logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.anything = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "discord.app_commands.tree":
            self.anything.set()


@pytest.fixture
def heard() -> Iterator[_Heard]:
    handler = _Heard()
    logging.root.addHandler(handler)
    yield handler
    logging.root.removeHandler(handler)


@pytest.mark.parametrize("case", cases("Suggestions while somebody types"), ids=str)
async def test_suggestions(case: Case, stage: Stage, heard: _Heard, caplog: pytest.LogCaptureFixture) -> None:
    case.answer.befall(stage.server, *ROUTE, always=case.row.always)
    turn = await stage.ada.ask_choices(["act"], {"word": "a"})
    if case.row.quoted("who types sees"):
        await turn.acknowledged()
    else:
        await asyncio.wait_for(heard.anything.wait(), 5)
        assert turn.response is None
    check_log(case, worth_reading(caplog))
