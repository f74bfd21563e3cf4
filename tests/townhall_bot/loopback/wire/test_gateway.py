"""The gateway: who gets in, what each sees, and what survives a broken connection."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import discord
import pytest

from tests.townhall_bot.loopback.example_bot import Connect, ExampleBot, hearing, running
from townhall_bot.loopback import LoopbackDiscord, TownhallWorld, point_discord_at

CONTENT = discord.Intents(guilds=True, guild_messages=True, message_content=True)


async def test_events_of_a_broken_connection_arrive_after_the_resume(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    await server.faults.drop_gateway()
    turn = await world.people["ada"].type("/echo text:while you were away")
    await turn.acknowledged()
    assert turn.text == "while you were away"
    assert (server.gateway.identified, server.gateway.resumed) == (1, 1)


async def test_an_answer_goes_on_growing_while_the_gateway_drops(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    edit = server.faults.hold("PATCH", "/webhooks/*/messages/@original")
    turn = await world.people["ada"].type("/grow words:3")
    await edit.arrived.wait()
    await server.faults.drop_gateway()
    edit.release()
    await turn.until(lambda turn: len(turn.messages) == 2)
    assert turn.messages[0].content == "hear hear hear"


async def test_a_client_that_is_asked_to_reconnect_resumes(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    await server.faults.ask_to_reconnect()
    await bot.wait_for("resumed", timeout=10)
    turn = await world.people["ada"].type("/echo text:here again")
    await turn.acknowledged()
    assert (server.gateway.identified, server.gateway.resumed) == (1, 1)


async def test_a_client_whose_session_is_invalid_identifies_anew(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    ready = await hearing(bot, "ready")
    await server.faults.invalidate_sessions()
    await ready
    turn = await world.people["ada"].type("/echo text:new session")
    await turn.acknowledged()
    assert (server.gateway.identified, server.gateway.resumed) == (2, 0)


async def test_a_session_that_was_forgotten_cannot_be_resumed(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    ready = await hearing(bot, "ready")
    server.gateway.forget_sessions()
    await server.faults.drop_gateway()
    await ready
    assert (server.gateway.identified, server.gateway.resumed) == (2, 0)


async def test_privileged_intents_need_a_switch(server: LoopbackDiscord, world: TownhallWorld) -> None:
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with running(ExampleBot(CONTENT), server.token):
            pass
    server.world.application.privileged = discord.Intents(message_content=True)
    async with running(ExampleBot(CONTENT), server.token):
        pass


async def test_without_the_intent_a_message_s_text_stays_hidden(bot: ExampleBot, world: TownhallWorld) -> None:
    assert bot.user is not None
    ada = world.people["ada"]
    await ada.say("between people")
    await ada.say(f"hello {bot.user.mention}")
    await ada.say("in private", channel=ada.direct_messages)
    await bot.guilds[0].text_channels[0].send("my own words")
    seen = await bot.messages(4)
    assert [message.content for message in seen] == ["", f"hello {bot.user.mention}", "in private", "my own words"]


async def test_with_the_intent_a_message_s_text_is_there(
    connect: Connect, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    server.world.application.privileged = discord.Intents(message_content=True)
    bot = await connect(ExampleBot(CONTENT), sync=False)
    await world.people["ada"].say("between people")
    assert [message.content for message in await bot.messages(1)] == ["between people"]


async def test_an_intent_that_was_not_asked_for_brings_nothing(connect: Connect, world: TownhallWorld) -> None:
    bot = await connect(ExampleBot(discord.Intents(guilds=True)), sync=False)
    await world.people["ada"].say("nobody hears me")
    await world.people["ada"].say("still not")
    room = world.guild.add_channel("later")
    channel = await bot.wait_for("guild_channel_create", timeout=5)
    assert channel.name == room.name
    assert bot.seen.empty()


async def test_members_are_named_only_with_their_intent(
    connect: Connect, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    bot = await connect(sync=False)
    assert [member.name for member in bot.guilds[0].members] == ["townhall"]
    assert bot.guilds[0].member_count == 5
    server.world.application.privileged = discord.Intents(members=True)
    curious = ExampleBot(discord.Intents(guilds=True, members=True))
    await connect(curious, sync=False)
    assert {member.name for member in curious.guilds[0].members} >= {"admin", "ada", "ben", "stranger"}
    joined = await hearing(curious, "member_join")
    world.guild.add_member("carl")
    assert (await joined).name == "carl"


async def test_the_bot_hears_of_servers_it_joins_and_leaves(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    joined = await hearing(bot, "guild_join")
    other = server.add_guild("Village")
    assert (await joined).name == "Village"
    left = await hearing(bot, "guild_remove")
    server.world.remove_guild(other)
    assert (await left).name == "Village"
    assert [guild.name for guild in bot.guilds] == ["Townhall"]


async def test_each_shard_gets_its_own_servers(server: LoopbackDiscord, world: TownhallWorld) -> None:
    homes = [world.guild, *(server.add_guild(f"Guild {number}") for number in range(3))]
    shares = []
    for shard in range(2):
        bot = ExampleBot(shard_id=shard, shard_count=2)
        async with running(bot, server.token):
            shares.append({guild.id for guild in bot.guilds})
    assert shares[0] | shares[1] == {guild.id for guild in homes}
    assert not shares[0] & shares[1]


async def test_an_autosharded_client_connects(server: LoopbackDiscord, world: TownhallWorld) -> None:
    client = discord.AutoShardedClient(intents=discord.Intents(guilds=True), guild_ready_timeout=0.02)
    async with running(client, server.token):
        assert [guild.name for guild in client.guilds] == ["Townhall"]


async def test_two_servers_do_not_know_each_other(server: LoopbackDiscord, bot: ExampleBot) -> None:
    async with LoopbackDiscord() as other:
        other.add_guild("Elsewhere")
        with point_discord_at(other):
            client = ExampleBot()
            async with running(client, other.token):
                assert [guild.name for guild in client.guilds] == ["Elsewhere"]
    assert [guild.name for guild in bot.guilds] == ["Townhall"]


async def closing_code(server: LoopbackDiscord, *payloads: Any) -> int | None:
    """Send payloads to the gateway as a broken client would; return the code it closes with."""
    async with aiohttp.ClientSession() as session, session.ws_connect(server.gateway_url) as socket:
        hello = await socket.receive_json(timeout=5)
        assert hello["op"] == 10
        for payload in payloads:
            await socket.send_str(payload if isinstance(payload, str) else json.dumps(payload))
        while (message := await socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type is aiohttp.WSMsgType.CLOSE
        return socket.close_code


def identify(server: LoopbackDiscord, **changed: Any) -> dict[str, Any]:
    return {"op": 2, "d": {"token": server.token, "intents": 1, "properties": {}} | changed}


async def test_broken_clients_are_closed_with_discord_s_codes(server: LoopbackDiscord) -> None:
    resume = {"op": 6, "d": {"token": "wrong", "session_id": "x", "seq": 1}}
    assert await closing_code(server, {"op": 99}) == 4001
    assert await closing_code(server, "no json") == 4002
    assert await closing_code(server, {"op": 2, "d": None}) == 4002
    assert await closing_code(server, r'{"op": 1, "d": "\ud800"}') == 4002
    assert await closing_code(server, '{"op": 1e400}') == 4002
    assert await closing_code(server, "[" * 100_000) == 4002
    assert await closing_code(server, identify(server, shard="abc")) == 4002
    assert await closing_code(server, {"op": 3, "d": {}}) == 4003
    assert await closing_code(server, identify(server, token="wrong")) == 4004
    assert await closing_code(server, resume) == 4004
    assert await closing_code(server, identify(server), identify(server)) == 4005
    assert await closing_code(server, *[{"op": 1, "d": None}] * 121) == 4008
    assert await closing_code(server, identify(server, shard=[2, 2])) == 4010
    assert await closing_code(server, identify(server, intents=1 << 40)) == 4013
    assert await closing_code(server, identify(server, intents=1 << 15)) == 4014


async def test_a_client_whose_heart_stops_is_closed() -> None:
    async with LoopbackDiscord(heartbeat_seconds=0.02) as server:
        assert await closing_code(server, identify(server)) == 4009


async def test_a_client_that_beats_stays() -> None:
    async with LoopbackDiscord(heartbeat_seconds=0.05) as server:
        server.townhall()
        with point_discord_at(server):
            bot = ExampleBot(enable_debug_events=True)
            async with running(bot, server.token):
                for _ in range(4):
                    await bot.wait_for("socket_raw_receive", check=lambda text: '"op": 11' in text, timeout=5)
                assert server.gateway.identified == 1
