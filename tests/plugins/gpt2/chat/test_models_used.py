"""Who wrote which text, where a server changed its model today."""

from __future__ import annotations

from plugins.gpt2.chat.models_used import DAY_S, SERVERS, ModelsUsed
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import answered, begin
from townhall_bot.loopback import ManualClock, Person
from townhall_bot.testkit import StartTownhall


async def test_a_text_names_its_model_where_there_was_another_one_today(
    start_townhall: StartTownhall, admin: Person
) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, admin, "/gpt2 prompt:Hello count:5")
    assert turn.text == f"**Hello**{greedy_text('Hello', 5)}"
    await answered(townhall, admin, "/gpt2-config model:other")
    turn = await answered(townhall, admin, "/gpt2 prompt:Hello count:5")
    assert turn.text.endswith("\n-# Written by other.")


def test_a_day_later_only_those_of_the_day_count(clock: ManualClock) -> None:
    used = ModelsUsed(clock=clock)
    assert not used.are_several(1, "one")
    assert not used.are_several(2, "other")
    assert used.are_several(1, "other")
    clock.advance(DAY_S + 1)
    assert not used.are_several(1, "other")
    assert not used.are_several(None, "one")
    for guild in range(3, SERVERS + 4):
        used.are_several(guild, "one")
    assert not used.are_several(1, "one")  # the longest silent ones are forgotten
