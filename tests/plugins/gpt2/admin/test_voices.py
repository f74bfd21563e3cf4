"""A voice per channel: model, preset and bounds, presets of the server's own, and the trail of all of it."""

from __future__ import annotations

from plugins.gpt2.presets import BUILT_IN, read_sampling
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import answered, begin, finished, opened, refused
from tests.plugins.gpt2.fake_source import FakeSource
from townhall_bot.loopback import Guild, Person
from townhall_bot.testkit import StartTownhall


def ends_with(opening: str, prompt: str, count: int) -> str:
    """What the fake model writes behind an opening that is not seen."""
    return f"**{prompt}**{greedy_text(opening + prompt, count)}"


async def test_a_channel_has_a_model_a_preset_and_bounds_of_its_own(
    start_townhall: StartTownhall, guild: Guild, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    set_up = await answered(
        townhall, admin, "/gpt2-config channel:#gpt2 preset:letter default_count:5 max_count:20 temperature:0"
    )
    gpt2, general = guild.channel("gpt2"), guild.channel("general")
    assert set_up.text == (
        f"In <#{gpt2.id}>: as on the server → Default count 5, Maximum count 20, Temperature 0, Preset letter"
    )
    changed = await answered(townhall, admin, "/gpt2-config channel:#gpt2 model:other")
    assert "Model other" in changed.text

    turn = await ada.type("/gpt2 prompt:Hello timing:True", channel=gpt2)
    assert await townhall.settled(turn) is None
    opening = BUILT_IN["letter"].opening
    assert turn.text.startswith(ends_with(opening, "Hello", 5)[:14])
    assert " · preset letter · other on " in turn.text
    assert f"{len(opening) + 5} + " in turn.text  # the opening is counted
    assert "My dear friend" not in turn.text
    long = await ada.type("/gpt2 prompt:Hello count:21", channel=gpt2)
    await townhall.settled(long)
    assert "on this server at most 20" in long.text

    usual = await ada.type("/gpt2 prompt:Hello count:5 timing:True", channel=general)
    assert await townhall.settled(usual) is None
    assert usual.text.startswith(f"**Hello**{greedy_text('Hello', 5)}")
    assert "preset" not in usual.text
    assert "· fake on" in usual.text

    panel = await answered(townhall, admin, "/gpt2-config")
    assert f"<#{gpt2.id}>: Default count 5, " in panel.text
    assert "Preset: none" in panel.text

    back = await answered(townhall, admin, "/gpt2-config channel:#gpt2")
    assert back.text.endswith("→ as on the server")
    trail = await answered(townhall, admin, "/gpt2-config audit:True")
    assert "Preset letter, Model other → as on the server" in trail.text


async def test_a_server_has_a_preset_and_presets_of_its_own(
    start_townhall: StartTownhall, admin: Person, ada: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall, FakeSource(script="x" * 11 + "one two STOP three "))
    panel = (await answered(townhall, admin, "/gpt2-config")).message
    form = await opened(admin, panel, "Presets…")
    wrong = await admin.submit(form, name="Pirate", opening="Arr. ", sampling="temperature 9", stop="STOP")
    await wrong.until(lambda turn: turn.messages)
    assert wrong.text.startswith("“temperature 9” is no sampling.")
    back = await opened(admin, wrong.message, "Back to the form")
    made = await admin.submit(back, sampling="temperature 0, top_p 0.5", ending="exact")
    await made.until(lambda turn: "Preset pirate: none → " in turn.text)
    assert [each["value"] for each in await admin.complete("/gpt2-config preset:")] == [
        *("letter", "story", "speech", "pirate", "none")
    ]
    said = await refused(townhall, admin, "/gpt2-config preset:poet")
    assert said == "There is no preset “poet”. There are: letter, story, speech, pirate."

    await answered(townhall, admin, "/gpt2-config preset:pirate")
    turn = await answered(townhall, ada, "/gpt2 prompt:Hello! count:15 timing:True")
    assert turn.text.startswith("**Hello!**one two \n-# ") or turn.text.startswith("**Hello!**one two\n-# ")
    assert " · preset pirate · " in turn.text
    again = await finished(await ada.press(turn.message, "Again"))
    assert " · preset pirate · " in again.text
    await answered(townhall, admin, "/gpt2-config preset:none")
    assert "preset" not in await townhall.bot.store.guild_settings("gpt2").all(guild.id)


async def test_a_preset_is_changed_in_a_form_that_shows_what_it_is(
    start_townhall: StartTownhall, admin: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    kept = townhall.bot.store.guild_settings("gpt2")
    pirate = {
        "opening": "Arr.\n\n",
        "sampling": {"temperature": 0.5, "top_k": 40.0},
        "ending": "exact",
        "stop": ["STOP", "#"],
    }
    empty: dict[str, object] = {"opening": "Verse. ", "sampling": {}, "ending": None, "stop": []}
    await kept.change_all(guild.id, {"preset:pirate": pirate, "preset:poet": empty}, actor_id=admin.id)
    admin.user.locale = "de"
    turn = await answered(townhall, admin, "/gpt2-config")
    panel = turn.message
    await admin.press(panel, "Stimmen …")
    await turn.until(lambda _: "Welche Stimme?" in panel.text)
    form = await admin.select(panel, "pirate")
    await form.until(lambda turn: turn.modal)
    assert form.modal is not None
    assert {
        row["components"][0]["custom_id"]: row["components"][0].get("value") for row in form.modal["components"]
    } == {
        "name": "pirate",
        "opening": "Arr.\n\n",
        "sampling": "temperature 0,5; top_k 40",
        "ending": "exact",
        "stop": "STOP\n#",
    }
    await admin.submit(form, opening="Ahoi! ")
    await turn.until(lambda _: "Stimme pirate: " in panel.text)
    assert await kept.all(guild.id) == {"preset:pirate": pirate | {"opening": "Ahoi! "}, "preset:poet": empty}
    # One that was opened and sent as it was stays as it is; another one begins empty.
    await admin.press(panel, "Stimmen …")
    await turn.until(lambda _: "Welche Stimme?" in panel.text)
    form = await admin.select(panel, "poet")
    await form.until(lambda turn: turn.modal)
    await admin.submit(form)
    await turn.until(lambda _: "Nichts" in panel.text)
    await admin.press(panel, "Stimmen …")
    await turn.until(lambda _: "Welche Stimme?" in panel.text)
    form = await opened(admin, panel, "Eine neue")
    sent = await admin.submit(form, name="Captain", opening="Now. ")
    assert await townhall.settled(sent) is None
    assert "Stimme captain: keine" in panel.text
    assert set(await kept.all(guild.id)) == {"preset:captain", "preset:pirate", "preset:poet"}


def test_a_sampling_is_read_as_people_write_it() -> None:
    assert read_sampling("temperature 0,9; top_k: 40") == {"temperature": 0.9, "top_k": 40}
    assert read_sampling("") == {}
    assert read_sampling("warmth 3") is None
    assert read_sampling("temperature warm") is None
    assert read_sampling("seed 3") is None


async def test_a_preset_has_a_name_that_fits_its_field(
    start_townhall: StartTownhall, admin: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    panel = (await answered(townhall, admin, "/gpt2-config")).message
    form = await opened(admin, panel, "Presets…")
    for name in ("  ", "ß" * 20):  # 40 letters where capitals do not count
        wrong = await admin.submit(form, name=name, opening="Arr. ")
        await wrong.until(lambda turn: turn.messages)
        assert wrong.text.startswith("A preset needs a name of at most 32 characters.")
    assert await townhall.bot.store.guild_settings("gpt2").all(guild.id) == {}
