"""/gpt2-config in full: options and panel, the host's bounds, places, the audit trail, and where it is posted."""

from __future__ import annotations

import pytest

from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import answered, begin, menu, opened, refused
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import Channel, Guild, Person
from townhall_bot.replies import Refusal
from townhall_bot.testkit import RunningTownhall, StartTownhall

MODEL, CHANNELS, ROLES, AUDIT = range(4)


async def channel_of_changes(townhall: RunningTownhall, admin: Person) -> Channel:
    """Have changes posted to a channel of their own."""
    log = admin.guild.add_channel("log")
    await answered(townhall, admin, "/gpt2-config audit_channel:#log")
    return log


async def test_numbers_change_by_options_and_hold_for_members(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, admin, "/gpt2-config default_count:5 max_count:20 member_limit:1")
    assert turn.message.ephemeral
    assert turn.text.splitlines() == [
        "Default count: the host's default → 5",
        "Maximum count: the host's default → 20",
        "Texts a member may have at a time: the host's default → 1",
    ]
    assert (await answered(townhall, ada, "/gpt2 prompt:Hello")).text == f"**Hello**{greedy_text('Hello', 5)}"
    assert await refused(townhall, ada, "/gpt2 prompt:Hello count:21") == (
        "count is 21; on this server at most 20 tokens may be asked for."
    )
    shown = await answered(townhall, admin, "/gpt2-config")
    assert "A request: 5 tokens, at most 20" in shown.text
    assert "At a time: 1 a member, 16 a server" in shown.text


@pytest.mark.usefixtures("lively")
async def test_a_servers_own_limit_is_told_when_it_is_reached(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    gate = Gate()
    townhall = await begin(start_townhall, FakeSource(before_step=gate))
    await answered(townhall, admin, "/gpt2-config member_limit:1")
    first = await ada.type("/gpt2 prompt:Hello count:3")
    await first.until(lambda turn: "Reading" in turn.text)
    assert "You have 1 text on the way" in await refused(townhall, ada, "/gpt2 prompt:Again count:3")
    gate.open()
    assert await townhall.settled(first) is None


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("max_count:900", "Maximum count is 900; this host allows 1 to 300."),
        ("default_count:0", "Default count is 0; this host allows 1 to 300."),
        ("temperature:3", "Temperature is 3; this host allows 0 to 2."),
        ("member_limit:9", "Texts a member may have at a time is 9; this host allows 1 to 2."),
        ("server_limit:17", "Texts this server may have at a time is 17; this host allows 1 to 16."),
        ("default_count:50 max_count:20", "Default count is 50, above this server's maximum count of 20."),
    ],
)
async def test_the_hosts_bounds_hold_against_an_admin_with_the_reason(
    start_townhall: StartTownhall, admin: Person, option: str, words: str
) -> None:
    townhall = await begin(start_townhall)
    assert words in await refused(townhall, admin, f"/gpt2-config {option}")
    assert await townhall.bot.store.guild_settings("gpt2").all(admin.guild.id) == {}


async def test_a_host_that_lowers_its_bounds_is_obeyed_at_once(
    start_townhall: StartTownhall, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    await answered(townhall, admin, "/gpt2-config max_count:200 default_count:100")
    await townhall.stop()
    townhall = await begin(start_townhall, MAX_COUNT="10", DEFAULT_COUNT="10")
    assert (await answered(townhall, ada, "/gpt2 prompt:Hello")).text == f"**Hello**{greedy_text('Hello', 10)}"


async def test_members_may_ask_in_allowed_channels_only(
    start_townhall: StartTownhall, guild: Guild, admin: Person, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    general, gpt2 = guild.channel("general"), guild.channel("gpt2")
    await answered(townhall, admin, "/gpt2-config allow_channel:#gpt2")
    turn = await ada.type("/gpt2 prompt:Hello count:3", channel=general)
    assert isinstance(await townhall.settled(turn), Refusal)
    assert turn.text == f"GPT-2 may not be used in this channel. It may in: <#{gpt2.id}>."
    assert turn.message.ephemeral
    turn = await ada.type("/gpt2 prompt:Hello count:3", channel=gpt2)
    assert await townhall.settled(turn) is None
    await answered(townhall, admin, "/gpt2-config remove_channel:#gpt2")
    turn = await ada.type("/gpt2 prompt:Hello count:3", channel=general)
    assert await townhall.settled(turn) is None


async def test_a_role_can_be_asked_for(start_townhall: StartTownhall, admin: Person, ada: Person, ben: Person) -> None:
    townhall = await begin(start_townhall)
    # In the local Discord each person has a role by their name.
    await answered(townhall, admin, f"/gpt2-config allow_role:@{ada.name}")
    await answered(townhall, ada, "/gpt2 prompt:Hello count:3")
    assert "Only members with one of these roles" in await refused(townhall, ben, "/gpt2 prompt:Hello count:3")
    message = await ben.say("Once upon a time")
    turn = await ben.use_menu("Continue with GPT-2", message)
    assert isinstance(await townhall.settled(turn), Refusal)


async def test_the_audit_trail_tells_who_changed_what_and_when(
    start_townhall: StartTownhall, admin: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    empty = await answered(townhall, admin, "/gpt2-config audit:True")
    assert "Nobody has changed anything yet." in empty.text
    await answered(townhall, admin, "/gpt2-config max_count:20")
    await answered(townhall, admin, "/gpt2-config model:other")
    await answered(townhall, admin, "/gpt2-config reset:True")
    turn = await answered(townhall, admin, "/gpt2-config audit:True")
    lines = turn.text.splitlines()[1:]
    assert [line.split(f"<@{admin.id}> ")[1] for line in lines] == [
        "Model: other → the host's default",
        "Maximum count: 20 → the host's default",
        "Model: the host's default → other",
        "Maximum count: the host's default → 20",
    ]
    assert all(line.startswith("<t:") for line in lines)
    assert turn.message.ephemeral


async def test_changes_are_posted_to_the_channel_of_choice_and_ping_nobody(
    start_townhall: StartTownhall, admin: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    log = await channel_of_changes(townhall, admin)
    await answered(townhall, admin, "/gpt2-config model:other")
    await answered(townhall, admin, "/gpt2-config reset:True")
    assert [message.text for message in log.messages] == [
        f"🛠️ <@{admin.id}> changed GPT-2's settings: Changes are posted to: nowhere → <#{log.id}>",
        f"🛠️ <@{admin.id}> changed GPT-2's settings: Model: the host's default → other",
        f"🛠️ <@{admin.id}> changed GPT-2's settings: \n"  # one command, one message
        f"- Changes are posted to: <#{log.id}> → nowhere\n"
        "- Model: other → the host's default",
    ]
    assert not any(message.pings for message in log.messages)


async def test_that_changes_are_posted_no_longer_is_the_last_thing_posted(
    start_townhall: StartTownhall, admin: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    log = await channel_of_changes(townhall, admin)
    panel = (await answered(townhall, admin, "/gpt2-config")).message
    chosen = await admin.select(panel, custom_id=menu(panel, AUDIT))
    await chosen.until(lambda turn: f"Changes are posted to: <#{log.id}> → nowhere" in panel.text)
    assert log.messages[-1].text.endswith(f"Changes are posted to: <#{log.id}> → nowhere")


async def test_an_admin_hears_where_a_change_could_not_be_posted(
    start_townhall: StartTownhall, admin: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    log = await channel_of_changes(townhall, admin)
    guild.channels.remove(log)
    del guild.world.channels[log.id]
    turn = await answered(townhall, admin, "/gpt2-config max_count:20")
    assert f"I could not post this to <#{log.id}>." in turn.text


async def test_the_panel_changes_the_model_places_and_numbers(
    start_townhall: StartTownhall, admin: Person, guild: Guild
) -> None:
    townhall = await begin(start_townhall)
    panel = (await answered(townhall, admin, "/gpt2-config")).message
    assert panel.ephemeral

    chosen = await admin.select(panel, "other", custom_id=menu(panel, MODEL))
    await chosen.until(lambda turn: "This server now uses **other**." in turn.text)
    await chosen.until(lambda turn: "**other**" in panel.text)

    await admin.select(panel, "#gpt2", custom_id=menu(panel, CHANNELS))
    gpt2 = guild.channel("gpt2")
    await chosen.until(lambda turn: f"Allowed channels: all → <#{gpt2.id}>" in panel.text)
    await admin.select(panel, custom_id=menu(panel, CHANNELS))
    await chosen.until(lambda turn: f"Allowed channels: <#{gpt2.id}> → all" in panel.text)

    form = await opened(admin, panel, "Numbers…")
    await admin.submit(form, max_count="50", temperature="0.5")
    await chosen.until(lambda turn: "Maximum count: the host's default → 50" in panel.text)
    assert "Temperature: 0.5" in panel.text
    form = await opened(admin, panel, "Numbers…")
    wrong = await admin.submit(form, member_limit="many")
    await wrong.until(lambda turn: turn.messages)
    assert wrong.text.splitlines()[0] == "Texts a member may have at a time must be a number, not “many”."

    trail = await admin.press(panel, "Changes")
    await trail.until(lambda turn: turn.messages)
    assert "Maximum count: the host's default → 50" in trail.text
    await admin.press(panel, "Reset")
    await chosen.until(lambda turn: "You can undo it." in panel.text)
    await admin.press(panel, "Reset everything")
    await chosen.until(lambda turn: "Model: other → the host's default" in panel.text)
    assert "**fake**" in panel.text


async def test_the_panel_refuses_who_no_longer_manages_the_server(
    start_townhall: StartTownhall, admin: Person, guild: Guild, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    panel = (await answered(townhall, admin, "/gpt2-config")).message
    guild.members[admin.id].role_ids = list(guild.members[ada.id].role_ids)
    press = await admin.press(panel, "Reset")
    await press.until(lambda turn: turn.messages)
    assert press.text == "You need the permission Manage Server for this."
