"""Panels and forms that are older than the process that answers: nothing of them was in the memory of the last one."""

from __future__ import annotations

import pytest

from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import answered, begin, finished, labels, menu, opened
from townhall_bot.loopback import Guild, LoopbackDiscord, ManualClock, Message, Person
from townhall_bot.store import StoreError
from townhall_bot.testkit import RunningTownhall, StartTownhall

MODEL, CHANNELS = range(2)


@pytest.fixture
def discord_server(discord_on_a_clock: LoopbackDiscord) -> LoopbackDiscord:
    return discord_on_a_clock


async def restarted(townhall: RunningTownhall, start_townhall: StartTownhall, clock: ManualClock) -> RunningTownhall:
    """Stop the bot and start another process's worth of it, when the panel's own token is long over."""
    await townhall.stop()
    clock.advance(20 * 60)
    return await begin(start_townhall)


async def test_a_panel_goes_on(start_townhall: StartTownhall, clock: ManualClock, admin: Person, guild: Guild) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, admin, "/gpt2-config max_count:50")
    turn = await answered(townhall, admin, "/gpt2-config")
    panel = turn.message
    townhall = await restarted(townhall, start_townhall, clock)

    await admin.select(panel, "#gpt2", custom_id=menu(panel, CHANNELS))
    await turn.until(lambda _: "Allowed channels: all →" in panel.text)
    await admin.select(panel, "other", custom_id=menu(panel, MODEL))
    await turn.until(lambda _: "This server now uses **other**." in panel.text)
    await admin.press(panel, "Answer mentions")
    await turn.until(lambda _: "Answers to mentions and replies: off → on" in panel.text)
    assert "Answer commands only" in labels(panel)
    trail = await admin.press(panel, "Changes")
    await trail.until(lambda turn: turn.messages)
    assert "Model: the host's default → other" in trail.text

    await admin.press(panel, "Reset")
    await turn.until(lambda _: "You can undo it." in panel.text)
    townhall = await restarted(townhall, start_townhall, clock)
    await admin.press(panel, "Reset everything")
    await turn.until(lambda _: "Maximum count: 50 → the host's default" in panel.text)
    townhall = await restarted(townhall, start_townhall, clock)
    await admin.press(panel, "Undo")
    await turn.until(lambda _: "Maximum count: the host's default → 50" in panel.text)
    kept = await townhall.bot.store.guild_settings("gpt2").all(guild.id)
    assert kept == {"max_count": 50, "model": "other", "mentions": True, "channels": [guild.channel("gpt2").id]}


async def test_what_a_reset_took_away_is_undone_by_the_answer_to_the_command(
    start_townhall: StartTownhall, clock: ManualClock, admin: Person
) -> None:
    townhall = await begin(start_townhall)
    await answered(townhall, admin, "/gpt2-config max_count:50")
    turn = await answered(townhall, admin, "/gpt2-config reset:True")
    await restarted(townhall, start_townhall, clock)
    await admin.press(turn.message, "Undo")
    await turn.until(lambda turn: "Maximum count: the host's default → 50" in turn.text)
    assert not turn.message.buttons


async def test_a_form_of_numbers_that_was_open_is_taken_and_what_was_wrong_comes_back(
    start_townhall: StartTownhall, clock: ManualClock, admin: Person
) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, admin, "/gpt2-config")
    panel = turn.message
    form = await opened(admin, panel, "Numbers…")
    await answered(townhall, admin, "/gpt2-config member_limit:1")  # meanwhile, and not touched in the form
    townhall = await restarted(townhall, start_townhall, clock)
    wrong = await admin.submit(form, max_count="50", temperature="9")
    await wrong.until(lambda turn: turn.messages)
    assert wrong.text.startswith("Temperature is 9; this host allows 0 to 2.")
    townhall = await restarted(townhall, start_townhall, clock)
    back = await opened(admin, wrong.message, "Back to the form")
    await admin.submit(back, temperature="0.5")
    await wrong.until(lambda turn: "Maximum count: the host's default → 50" in turn.text)
    assert "Temperature: the host's default → 0.5" in wrong.text
    assert "At a time: 1 a member" in wrong.text
    assert labels(wrong.message)[0] == "Numbers…"


async def test_a_preset_that_was_being_made_is_taken_and_comes_back_as_it_was_typed(
    start_townhall: StartTownhall, clock: ManualClock, admin: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    panel = (await answered(townhall, admin, "/gpt2-config")).message
    form = await opened(admin, panel, "Presets…")
    townhall = await restarted(townhall, start_townhall, clock)
    opening = "  ``` Arr. *No* <@1>\n\n" + "x" * 960 + " "
    wrong = await admin.submit(form, name="Pirate", opening=opening, sampling="temperature 9", stop="a\n#")
    await wrong.until(lambda turn: turn.messages)
    assert not wrong.message.pings
    townhall = await restarted(townhall, start_townhall, clock)
    back = await opened(admin, wrong.message, "Back to the form")
    sent = await admin.submit(back, sampling="temperature 1")
    assert await townhall.settled(sent) is None
    kept = await townhall.bot.store.guild_settings("gpt2").all(guild.id)
    assert kept == {
        "preset:pirate": {"opening": opening, "sampling": {"temperature": 1}, "ending": None, "stop": ["a", "#"]}
    }


async def test_a_form_has_another_id_each_time_or_a_phone_fills_it_with_what_the_first_one_held(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    panel = (await answered(townhall, admin, "/gpt2-config")).message
    text = (await answered(townhall, ada)).message
    for person, message, button in ((admin, panel, "Numbers…"), (admin, panel, "Presets…"), (ada, text, "Edit…")):
        first, second = [(await opened(person, message, button)).modal for _ in range(2)]
        assert first is not None
        assert second is not None
        assert first["custom_id"] != second["custom_id"]
        assert first["components"] == second["components"]


async def test_a_changed_prompt_is_taken_and_comes_back_as_it_was_typed(
    start_townhall: StartTownhall, clock: ManualClock, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada)
    form = await opened(ada, turn.message, "Edit…")
    townhall = await restarted(townhall, start_townhall, clock)
    wrong = await ada.submit(form, prompt="Goodbye,\n my ", count="many")
    await wrong.until(lambda turn: turn.messages)
    townhall = await restarted(townhall, start_townhall, clock)
    back = await opened(ada, wrong.message, "Back to the form")
    assert shown(back.modal)["prompt"] == "Goodbye,\n my "
    assert shown(back.modal)["count"] == "many"
    answer = await finished(await ada.submit(back, prompt="Goodbye", count="12"))
    assert answer.text == f"**Goodbye**{greedy_text('Goodbye', 12)}"


async def test_who_lost_the_right_meanwhile_is_refused_and_keeps_what_was_typed(
    start_townhall: StartTownhall, admin: Person, ada: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    panel = (await answered(townhall, admin, "/gpt2-config")).message
    form = await opened(admin, panel, "Numbers…")
    guild.members[admin.id].role_ids = list(guild.members[ada.id].role_ids)
    wrong = await admin.submit(form, max_count="50")
    await wrong.until(lambda turn: turn.messages)
    assert wrong.text.startswith("You need the permission Manage Server for this.")
    assert await townhall.bot.store.guild_settings("gpt2").all(guild.id) == {}


async def test_what_was_typed_comes_back_though_the_database_is_away(
    start_townhall: StartTownhall, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada)
    form = await opened(ada, turn.message, "Edit…")
    await townhall.stop()
    townhall = await begin(start_townhall)

    async def away(work: object) -> None:
        raise StoreError("the database is away", "Wait for it.", kind="away")

    with monkeypatch.context() as outage:
        outage.setattr(townhall.bot.store._db, "read", away)
        wrong = await ada.submit(form, prompt="Goodbye")
        await wrong.until(lambda turn: turn.messages)
        assert "the bot's database cannot be reached just now" in wrong.text
        assert "Goodbye" in str(wrong.message.embeds)
    back = await opened(ada, wrong.message, "Back to the form")
    answer = await finished(await ada.submit(back, count="12"))
    assert answer.text == f"**Goodbye**{greedy_text('Goodbye', 12)}"


async def test_what_was_typed_comes_back_to_its_sender_alone_where_no_text_could_begin(
    start_townhall: StartTownhall, ada: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada)
    form = await opened(ada, turn.message, "Edit…")
    kept = townhall.bot.store.guild_settings("gpt2")
    await kept.change(guild.id, "model", "bad", actor_id=1)
    wrong = await ada.submit(form, prompt="Goodbye")
    assert await townhall.settled(wrong) is not None
    told, given_back = wrong.messages
    assert "Copy it again." in told.content
    assert not told.embeds
    assert given_back.ephemeral
    await kept.change(guild.id, "model", None, actor_id=1)
    back = await opened(ada, given_back, "Back to the form")
    assert shown(back.modal)["prompt"] == "Goodbye"


async def test_a_form_that_this_version_does_not_have_says_so(start_townhall: StartTownhall, admin: Person) -> None:
    townhall = await begin(start_townhall)
    panel = (await answered(townhall, admin, "/gpt2-config")).message
    form = await opened(admin, panel, "Numbers…")
    wrong = await admin.submit(form, temperature="9")
    await wrong.until(lambda turn: turn.messages)
    button = wrong.message.components[0]["components"][0]
    button["custom_id"] = button["custom_id"].replace(":numbers:", ":dreams:")
    pressed = await admin.press(wrong.message, "Back to the form")
    await pressed.until(lambda turn: turn.messages)
    assert pressed.text.startswith("A newer version of this bot made this form")


async def test_a_panel_of_a_newer_version_says_so(start_townhall: StartTownhall, admin: Person) -> None:
    townhall = await begin(start_townhall)
    panel = (await answered(townhall, admin, "/gpt2-config")).message
    pressed = await admin.press(as_a_newer_version_made_it(panel), "gpt2-config:not_yet")
    await pressed.until(lambda turn: turn.messages)
    assert pressed.text.startswith("A newer version of this bot made this panel")


def as_a_newer_version_made_it(panel: Message) -> Message:
    """Give the panel's last button an id that this version does not know."""
    panel.components[-1]["components"][-1]["custom_id"] = "gpt2-config:not_yet"
    return panel


def shown(modal: object) -> dict[str, str]:
    """Return what a form's fields hold, by their ids."""
    assert isinstance(modal, dict)
    fields = [row["components"][0] for row in modal["components"]]
    return {field["custom_id"]: field.get("value", "") for field in fields}
