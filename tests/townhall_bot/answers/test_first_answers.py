"""What people see where Discord does not take a first answer."""

import discord
import pytest

from tests.townhall_bot.answers.stage import Stage, check
from tests.townhall_bot.answers.table import Case, cases

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTE = ("POST", "/interactions/{interaction_id}/{interaction_token}/callback")


@pytest.mark.parametrize("case", cases("A first answer"), ids=str)
async def test_a_first_answer(case: Case, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def act(interaction: discord.Interaction) -> None:
        case.answer.befall(stage.server, *ROUTE, always=case.row.always)
        await interaction.response.send_message("the text")

    check(case, await stage.play(case, act, *ROUTE, caplog))
