"""/gpt2-config: an admin chooses the server's model; the host's limits hold, and nothing is forgotten."""

from __future__ import annotations

import pytest

from tests.plugins.gpt2.fake_plugin import answered, begin
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import CommandRefused, LoopbackDiscord, Person
from townhall_bot.replies import Refusal
from townhall_bot.testkit import RunningTownhall, StartTownhall

CHANNEL_SELECT = 8


async def model_used(townhall: RunningTownhall, person: Person) -> str:
    turn = await answered(townhall, person, "/gpt2 prompt:Hello count:2 timing:True")
    return turn.text.rsplit("· ", 1)[1].split(" on ")[0]


async def test_without_options_it_shows_what_is_set_to_the_asker_alone(
    start_townhall: StartTownhall, admin: Person
) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, admin, "/gpt2-config")
    assert turn.message.ephemeral
    assert "**fake**" in turn.text
    assert "60 tokens, at most 300" in turn.text
    assert "other" in turn.text


async def test_a_change_is_told_used_and_remembered_after_a_restart(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    assert await model_used(townhall, ada) == "fake"
    turn = await answered(townhall, admin, "/gpt2-config model:other")
    assert turn.text.startswith("This server now uses **other**.")
    assert "It was fake before" in turn.text
    assert await model_used(townhall, ada) == "other"

    await townhall.stop()
    townhall = await begin(start_townhall)
    assert await model_used(townhall, ada) == "other"


async def test_who_changed_what_is_on_the_audit_trail(start_townhall: StartTownhall, admin: Person) -> None:
    townhall = await begin(start_townhall)
    await answered(townhall, admin, "/gpt2-config model:other")
    [entry] = await townhall.bot.store.guild_settings("gpt2").audit(admin.guild.id)
    assert (entry.actor_id, entry.key, entry.old, entry.new) == (admin.id, "model", None, "other")


async def test_another_server_keeps_its_own_model(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, admin: Person
) -> None:
    elsewhere = discord_server.add_guild("Elsewhere")
    elsewhere.add_channel("general")
    eve = Person(elsewhere.add_member("eve"))
    townhall = await begin(start_townhall)
    await answered(townhall, admin, "/gpt2-config model:other")
    assert await model_used(townhall, eve) == "fake"
    assert await model_used(townhall, admin) == "other"


async def test_a_member_is_refused_by_discord(start_townhall: StartTownhall, ada: Person) -> None:
    await begin(start_townhall)
    with pytest.raises(CommandRefused, match="Manage Server"):
        await ada.type("/gpt2-config model:other")


async def test_a_member_is_refused_by_the_bot_where_discord_lets_them_through(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    command = next(command for command in discord_server.commands if command.name == "gpt2-config")
    command.definition["default_member_permissions"] = None  # as an admin's override in the server's settings
    turn = await ada.type("/gpt2-config model:other")
    assert await townhall.settled(turn) is not None
    assert turn.message.ephemeral
    assert turn.text == "You need the permission Manage Server for this."
    assert await model_used(townhall, ada) == "fake"


async def test_while_the_new_model_comes_its_progress_is_shown_and_the_old_one_serves(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    gate = Gate()
    townhall = await begin(start_townhall, FakeSource(before_open=lambda name: None if name == "fake" else gate(name)))
    turn = await admin.type("/gpt2-config model:other")
    await turn.until(lambda turn: "other: downloading, 1 MB of 2 MB (50 %)" in turn.text)
    assert await model_used(townhall, ada) == "fake"
    gate.open()
    assert await townhall.settled(turn) is None
    assert await model_used(townhall, ada) == "other"


async def test_a_failure_leaves_the_old_model_and_says_why(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    turn = await admin.type("/gpt2-config model:bad")
    assert isinstance(await townhall.settled(turn), Refusal)
    assert "config.json is not there" in turn.text
    assert "This server goes on with fake." in turn.text
    assert turn.message.ephemeral
    assert await model_used(townhall, ada) == "fake"


async def test_the_hosts_list_holds_against_an_admin(start_townhall: StartTownhall, admin: Person) -> None:
    source = FakeSource()
    townhall = await begin(start_townhall, source)
    turn = await admin.type("/gpt2-config model:gpt2-xl")
    assert isinstance(await townhall.settled(turn), Refusal)
    assert "does not offer the model “gpt2-xl”" in turn.text
    assert "fake, other, bad" in turn.text
    assert "gpt2-xl" not in source.opened


async def test_a_choice_that_the_host_no_longer_offers_gives_way_to_the_default(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    await answered(townhall, admin, "/gpt2-config model:other")
    await townhall.stop()
    townhall = await begin(start_townhall, ALLOWED_MODELS="fake")
    assert await model_used(townhall, ada) == "fake"
    turn = await answered(townhall, admin, "/gpt2-config")
    assert "no longer offers other" in turn.text


async def test_the_list_of_models_is_live_and_marks_what_is_on_disk(
    start_townhall: StartTownhall, admin: Person, tmp_path_factory: pytest.TempPathFactory
) -> None:
    townhall = await begin(start_townhall, ALLOWED_MODELS="fake,townhall-mini,gpt2-xl")
    del townhall
    choices = await admin.complete("/gpt2-config model:")
    names = {str(choice["value"]): str(choice["name"]) for choice in choices}
    assert list(names) == ["fake", "townhall-mini", "gpt2-xl"]
    assert names["townhall-mini"].endswith("✓ on disk")
    assert "1.6B parameters" in names["gpt2-xl"]
    [only] = await admin.complete("/gpt2-config model:MINI")
    assert only["value"] == "townhall-mini"


async def test_options_and_panel_offer_the_same_channels(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, admin: Person
) -> None:
    """The panel offered text channels alone, the options announcements too, and neither voice, stages or forums."""
    townhall = await begin(start_townhall)
    command = next(each for each in discord_server.commands if each.name == "gpt2-config")
    options = {option["name"]: option.get("channel_types") for option in command.definition["options"]}
    turn = await admin.type("/gpt2-config")
    await townhall.settled(turn)
    menus = [row["components"][0] for row in turn.message.components if row["components"][0]["type"] == CHANNEL_SELECT]
    allowed, audit = (sorted(menu["channel_types"]) for menu in menus)
    assert allowed == sorted(options["allow_channel"]) == sorted(options["remove_channel"]) == [0, 2, 5, 13, 15]
    assert audit == sorted(options["audit_channel"]) == [0, 2, 5, 13]
