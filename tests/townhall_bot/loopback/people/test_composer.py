"""Typing a command: what Discord's client makes of it, and what it would not send."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from townhall_bot.loopback import CommandRefused, LoopbackDiscord, TownhallWorld
from townhall_bot.loopback.world.state import Command

TEXT = {"name": "prompt", "description": "The beginning", "type": 3, "required": True}
COUNT = {"name": "count", "description": "How many", "type": 4, "min_value": 1, "max_value": 200}
HEAT = {"name": "temperature", "description": "How wild", "type": 10, "min_value": 0, "max_value": 2}
TIMING = {"name": "timing", "description": "Show it", "type": 5}
SIZE = {
    "name": "size",
    "description": "Which",
    "type": 3,
    "choices": [{"name": "Medium size", "value": "gpt2-medium"}, {"name": "Small", "value": "gpt2"}],
}


@pytest.fixture
def world() -> TownhallWorld:
    server = LoopbackDiscord()
    set_up = server.townhall()
    entity = [
        {"name": "who", "description": "A person", "type": 6},
        {"name": "where", "description": "A channel", "type": 7, "channel_types": [0]},
        {"name": "role", "description": "A role", "type": 8},
    ]
    sub = {"name": "set", "description": "Set", "type": 1, "options": [TEXT]}
    group = {"name": "old", "description": "Old", "type": 2, "options": [sub]}
    definitions: list[dict[str, Any]] = [
        {"name": "gpt2", "description": "Ask", "options": [TEXT, COUNT, HEAT, TIMING, SIZE]},
        {"name": "find", "description": "Find", "options": entity},
        {"name": "model", "description": "Models", "options": [sub, group]},
        {"name": "config", "description": "Settings", "default_member_permissions": 32},
        {"name": "locked", "description": "Admins", "default_member_permissions": "0"},
        {"name": "server", "description": "In servers", "contexts": [0]},
    ]
    for number, definition in enumerate(definitions):
        server.world.commands[number] = Command(number, None, definition)
    return set_up


async def typed(world: TownhallWorld, text: str) -> dict[str, Any]:
    turn = await world.people["ada"].type(text)
    return {option["name"]: option["value"] for option in turn.interaction.data["options"]}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("/gpt2 prompt:Hello", {"prompt": "Hello"}),
        ("/gpt2 prompt:My fellow citizens count:40", {"prompt": "My fellow citizens", "count": 40}),
        ('/gpt2 prompt:"My fellow citizens" count:40', {"prompt": "My fellow citizens", "count": 40}),
        ('/gpt2 prompt:"count:3 is text" count:40', {"prompt": "count:3 is text", "count": 40}),
        ('/gpt2 prompt:She said "no" to me', {"prompt": 'She said "no" to me'}),
        ('/gpt2 prompt:"No," she said. "Never!"', {"prompt": 'No," she said. "Never!'}),
        ("/gpt2 prompt:a time: noon", {"prompt": "a time: noon"}),
        ("/gpt2 count:7 prompt: two\nlines", {"prompt": "two\nlines", "count": 7}),
        ("/GPT2 Prompt:x TIMING:True", {"prompt": "x", "timing": True}),
        ("/gpt2 prompt:x temperature:0.5 timing:false", {"prompt": "x", "temperature": 0.5, "timing": False}),
        ("/gpt2 prompt:x size:medium SIZE", {"prompt": "x", "size": "gpt2-medium"}),
        ("/gpt2 prompt:x size:gpt2", {"prompt": "x", "size": "gpt2"}),
    ],
)
async def test_values_are_read_as_they_are_meant(world: TownhallWorld, text: str, values: dict[str, Any]) -> None:
    assert await typed(world, text) == values


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gpt2 prompt:x", "a command starts with /"),
        ("/gpt prompt:x", "/config, /locked, /server. Did you mean /gpt2?"),
        ("/", "there is no command"),
        ("/gpt2", "/gpt2 needs prompt: The beginning"),
        ("/gpt2 hello", "cannot read 'hello'; its options are: prompt, count"),
        ("/gpt2 prompt:x prompt:y", "was given prompt twice"),
        ("/gpt2 prompt:x count:many", "count: expected a whole number, got 'many'"),
        ("/gpt2 prompt:x count:1.5", "count: expected a whole number, got '1.5'"),
        ("/gpt2 prompt:x count:201", "count: expected a whole number between 1 and 200, got 201"),
        ("/gpt2 prompt:x temperature:3", "temperature: expected a number between 0 and 2, got 3"),
        ("/gpt2 prompt:x temperature:nan", "temperature: expected a number between 0 and 2, got nan"),
        ("/gpt2 prompt:x timing:yes", "timing: expected True or False, got 'yes'"),
        ("/gpt2 prompt:x size:huge", "size: 'huge' is none of the choices: Medium size, Small"),
        ("/gpt2 prompt:" + "x" * 6001, "prompt: expected 0 to 6000 characters, got 6001"),
        ("/model", "/model needs one of its sub-commands"),
        ("/find who:nobody", "nobody and nothing called 'nobody'"),
    ],
)
async def test_what_discord_s_client_would_not_send_is_refused(world: TownhallWorld, text: str, why: str) -> None:
    with pytest.raises(CommandRefused) as refused:
        await typed(world, text)
    assert why in str(refused.value)


async def test_sub_commands_are_nested_as_discord_nests_them(world: TownhallWorld) -> None:
    turn = await world.people["ada"].type("/model old set prompt:x")
    assert turn.interaction.data["options"] == [
        {
            "name": "old",
            "type": 2,
            "options": [{"name": "set", "type": 1, "options": [{"name": "prompt", "type": 3, "value": "x"}]}],
        }
    ]


async def test_people_channels_and_roles_are_found_by_name_and_described(world: TownhallWorld) -> None:
    ben, gpt2 = world.people["ben"], world.channels["gpt2"]
    turn = await world.people["ada"].type("/find who:@ben where:#gpt2 role:admin")
    data = turn.interaction.data
    values = {option["name"]: option["value"] for option in data["options"]}
    assert values["who"] == str(ben.id)
    assert values["where"] == str(gpt2.id)
    assert data["resolved"]["users"][str(ben.id)]["username"] == "ben"
    assert data["resolved"]["channels"][str(gpt2.id)]["name"] == "gpt2"
    assert data["resolved"]["roles"][values["role"]]["name"] == "admin"
    by_mention = await typed(world, f"/find who:<@{ben.id}> where:<#{gpt2.id}>")
    assert by_mention == {"who": str(ben.id), "where": str(gpt2.id)}


async def test_permissions_decide_who_may_type_what(world: TownhallWorld) -> None:
    ada, admin, stranger = (world.people[name] for name in ("ada", "admin", "stranger"))
    await admin.type("/config")
    with pytest.raises(CommandRefused, match="/config needs Manage Server, which ada lacks"):
        await ada.type("/config")
    with pytest.raises(CommandRefused, match="/locked is for administrators; admin is none"):
        await admin.type("/locked")
    with pytest.raises(CommandRefused, match="stranger lacks Use Application Commands in #general"):
        await stranger.type("/gpt2 prompt:x")


async def test_a_server_command_is_not_offered_in_direct_messages(world: TownhallWorld) -> None:
    ada = world.people["ada"]
    await ada.type("/server")
    with pytest.raises(CommandRefused, match="no command /server here"):
        await ada.type("/server", channel=ada.direct_messages)


async def test_somebody_who_sees_no_channel_writes_nowhere(world: TownhallWorld) -> None:
    ada = world.people["ada"]
    for channel in world.guild.channels:
        world.guild.overwrite(channel, ada, deny=discord.Permissions(view_channel=True))
    with pytest.raises(CommandRefused, match="ada sees no channel"):
        await ada.say("hello?")


@pytest.mark.parametrize("text", ["/gpt2 prompt:Hello cuont:4", '/gpt2 prompt:"Hello you" cuont:4'])
async def test_a_mistyped_option_does_not_become_part_of_the_prompt(world: TownhallWorld, text: str) -> None:
    with pytest.raises(CommandRefused, match=r"has no option cuont. Did you mean count\?"):
        await typed(world, text)


@pytest.mark.parametrize("prompt", ["The cuont: a tale", "see http://example.org", "Note:this"])
async def test_other_words_with_a_colon_are_text(world: TownhallWorld, prompt: str) -> None:
    assert await typed(world, f"/gpt2 prompt:{prompt}") == {"prompt": prompt}
    assert await typed(world, '/gpt2 prompt:"a cuont:4"') == {"prompt": "a cuont:4"}
