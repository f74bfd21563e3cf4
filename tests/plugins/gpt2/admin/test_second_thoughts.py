"""Mistakes of an admin: a reset is asked about and undone, a form keeps what was typed, a refusal says what holds."""

from __future__ import annotations

from tests.plugins.gpt2.fake_plugin import answered, begin, labels, opened, refused
from townhall_bot.loopback import Guild, Person
from townhall_bot.testkit import StartTownhall


async def test_reset_asks_once_and_can_be_undone(start_townhall: StartTownhall, admin: Person, guild: Guild) -> None:
    townhall = await begin(start_townhall)
    kept = townhall.bot.store.guild_settings("gpt2")
    await answered(townhall, admin, "/gpt2-config max_count:20 member_limit:1 allow_channel:#gpt2")
    before = await kept.all(guild.id)
    turn = await answered(townhall, admin, "/gpt2-config")
    panel = turn.message
    await admin.press(panel, "Reset")
    await turn.until(lambda _: "You can undo it." in panel.text)
    await admin.press(panel, "Back to the settings")
    await turn.until(lambda _: "You can undo it." not in panel.text)
    assert await kept.all(guild.id) == before
    await admin.press(panel, "Reset")
    await turn.until(lambda _: "You can undo it." in panel.text)
    await admin.press(panel, "Reset everything")
    await turn.until(lambda _: "Maximum count: 20 → the host's default" in panel.text)
    assert "at most 300" in panel.text
    assert await kept.all(guild.id) == {}
    # What was set since then stays.
    await answered(townhall, admin, "/gpt2-config max_count:30")
    await admin.press(panel, "Undo")
    await turn.until(lambda _: "Texts a member may have at a time: the host's default → 1" in panel.text)
    assert await kept.all(guild.id) == before | {"max_count": 30}
    assert "at most 30\n" in panel.text
    assert labels(panel)[-1] == "Reset"


async def test_a_reset_that_is_pressed_twice_can_be_undone(
    start_townhall: StartTownhall, admin: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    await answered(townhall, admin, "/gpt2-config max_count:20")
    panel = (await answered(townhall, admin, "/gpt2-config")).message
    assert await townhall.settled(await admin.press(panel, "Reset")) is None
    twice = [await admin.press(panel, "Reset everything") for _ in range(2)]
    for each in twice:
        assert await townhall.settled(each) is None
    assert labels(panel)[-1] == "Undo"
    assert await townhall.settled(await admin.press(panel, "Undo")) is None
    assert await townhall.bot.store.guild_settings("gpt2").all(guild.id) == {"max_count": 20}


async def test_a_reset_by_the_command_can_be_undone_too(
    start_townhall: StartTownhall, admin: Person, guild: Guild, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    await answered(townhall, admin, "/gpt2-config model:other")
    turn = await answered(townhall, admin, "/gpt2-config reset:True")
    roles = guild.members[admin.id].role_ids
    guild.members[admin.id].role_ids = list(guild.members[ada.id].role_ids)
    late = await admin.press(turn.message, "Undo")
    await late.until(lambda turn: turn.messages)
    assert late.text == "You need the permission Manage Server for this."
    guild.members[admin.id].role_ids = roles
    await admin.press(turn.message, "Undo")
    await turn.until(lambda turn: "Model: the host's default → other" in turn.text)
    nothing = await answered(townhall, admin, "/gpt2-config reset:True")
    assert "Model: other → the host's default" in nothing.text
    nothing = await answered(townhall, admin, "/gpt2-config reset:True")
    assert not nothing.message.buttons


async def test_a_reset_of_presets_and_of_what_uses_them_can_be_undone(
    start_townhall: StartTownhall, admin: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    kept = townhall.bot.store.guild_settings("gpt2")
    await kept.change(guild.id, "preset:pirate", {"opening": "Arr. ", "sampling": {}}, actor_id=admin.id)
    await answered(townhall, admin, "/gpt2-config preset:pirate")
    await answered(townhall, admin, "/gpt2-config preset:pirate channel:#gpt2")
    before = await kept.all(guild.id)
    turn = await answered(townhall, admin, "/gpt2-config reset:True")
    undone = await admin.press(turn.message, "Undo")
    assert await townhall.settled(undone) is None
    assert await kept.all(guild.id) == before


async def test_undoing_a_reset_leaves_alone_what_was_set_and_set_back_since(
    start_townhall: StartTownhall, admin: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    await answered(townhall, admin, "/gpt2-config max_count:20 allow_channel:#gpt2")
    turn = await answered(townhall, admin, "/gpt2-config reset:True")
    await answered(townhall, admin, "/gpt2-config allow_channel:#gpt2")
    await answered(townhall, admin, "/gpt2-config remove_channel:#gpt2")  # everywhere, and that is meant
    undone = await admin.press(turn.message, "Undo")
    assert await townhall.settled(undone) is None
    assert await townhall.bot.store.guild_settings("gpt2").all(guild.id) == {"max_count": 20}


async def test_the_form_of_numbers_says_what_is_allowed_and_keeps_what_was_typed(
    start_townhall: StartTownhall, admin: Person
) -> None:
    townhall = await begin(start_townhall, TEMPERATURE="0.8")
    admin.user.locale = "de"
    panel = (await answered(townhall, admin, "/gpt2-config")).message
    assert "Temperatur: 0,8" in panel.text
    form = await opened(admin, panel, "Zahlen …")
    assert form.modal is not None
    fields = [row["components"][0] for row in form.modal["components"]]
    assert [field["label"] for field in fields] == [
        "Übliche Anzahl (1–300)",
        "Höchste Anzahl (1–300)",
        "Temperatur (0–2)",
        "Texte eines Mitglieds auf einmal (1–2)",
        "Texte dieses Servers auf einmal (1–16)",
    ]
    assert fields[2]["value"] == "0,8"
    wrong = await admin.submit(form, max_count="50", temperature="3,5")
    await wrong.until(lambda turn: turn.messages)
    assert wrong.text.splitlines()[0] == (
        "Temperatur ist 3,5; dieser Betreiber erlaubt 0 bis 2. Deshalb wurde nichts eingestellt."
    )
    back = await opened(admin, wrong.message, "Zurück zum Formular")
    changed = await admin.submit(back, temperature="0,5")
    await changed.until(lambda turn: "Temperatur: Vorgabe des Betreibers → 0,5" in turn.text)
    assert "Höchste Anzahl: Vorgabe des Betreibers → 50" in changed.text


async def test_where_one_of_several_options_is_refused_nothing_is_set_and_that_is_said(
    start_townhall: StartTownhall, admin: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    kept = townhall.bot.store.guild_settings("gpt2")
    await answered(townhall, admin, "/gpt2-config member_limit:1")
    for command in ("max_count:20 temperature:3", "reset:True temperature:3", "model:other temperature:3"):
        said = await refused(townhall, admin, f"/gpt2-config {command}")
        assert said == "Temperature is 3; this host allows 0 to 2. So nothing was set."
    assert await kept.all(guild.id) == {"member_limit": 1}
    assert await refused(townhall, admin, "/gpt2-config temperature:3") == "Temperature is 3; this host allows 0 to 2."
