"""What people see where Discord does not delete a message."""

import discord
import pytest

from tests.townhall_bot.answers.stage import Stage, check
from tests.townhall_bot.answers.table import Case, cases

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTE = ("DELETE", "/webhooks/{webhook_id}/{webhook_token}/messages/@original")


@pytest.mark.parametrize("case", cases("Deleting a message"), ids=str)
async def test_deleting(case: Case, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("the text")
        case.answer.befall(stage.server, *ROUTE, always=case.row.always)
        await interaction.delete_original_response()

    played = await stage.play(case, act, *ROUTE, caplog)
    if not case.row.always:
        assert played.turn.messages == []
    check(case, played, text="")
