"""What /gpt2-config does at its edges: where it may be used, full lists, long trails, half a success."""

from __future__ import annotations

import pytest

from tests.plugins.gpt2.fake_plugin import begin
from townhall_bot.loopback import CommandRefused, Person
from townhall_bot.replies import Refusal
from townhall_bot.testkit import RunningTownhall, StartTownhall


@pytest.fixture
async def townhall(start_townhall: StartTownhall) -> RunningTownhall:
    return await begin(start_townhall)


async def test_there_is_nothing_to_configure_in_direct_messages(townhall: RunningTownhall, admin: Person) -> None:
    with pytest.raises(CommandRefused):
        await admin.type("/gpt2-config", channel=admin.direct_messages)


@pytest.mark.parametrize("option", ["allow_channel:#gpt2", "allow_role:@ada"])
async def test_a_list_of_places_holds_as_many_as_one_menu(
    townhall: RunningTownhall, admin: Person, option: str
) -> None:
    kept = townhall.bot.store.guild_settings("gpt2")
    for key in ("channels", "roles"):
        await kept.change(admin.guild.id, key, list(range(1, 26)), actor_id=admin.id)
    turn = await admin.type(f"/gpt2-config {option}")
    assert isinstance(await townhall.settled(turn), Refusal)
    assert "25" in turn.text
    assert (await kept.all(admin.guild.id)).items() >= {"channels": list(range(1, 26))}.items()


async def test_a_long_audit_trail_shows_as_much_as_a_message_holds(townhall: RunningTownhall, admin: Person) -> None:
    kept = townhall.bot.store.guild_settings("gpt2")
    for first in range(20):
        ids = [10**17 + first + number for number in range(25)]
        await kept.change(admin.guild.id, "channels", ids, actor_id=admin.id)
    turn = await admin.type("/gpt2-config audit:True")
    assert await townhall.settled(turn) is None
    assert f"<#{10**17 + 19}>" in turn.text  # the newest is there


async def test_what_was_changed_is_told_even_where_the_model_beside_it_fails(
    townhall: RunningTownhall, admin: Person
) -> None:
    turn = await admin.type("/gpt2-config default_count:50 model:bad")
    assert isinstance(await townhall.settled(turn), Refusal)
    assert "Default count: the host's default → 50" in turn.text
    assert "bad" in turn.text
    assert await townhall.bot.store.guild_settings("gpt2").all(admin.guild.id) == {"default_count": 50}
