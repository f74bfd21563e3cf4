"""What Discord refuses, as the real client reports it: status, code, and the fields at fault."""

from __future__ import annotations

import io
from typing import Any

import aiohttp
import discord
import pytest

from tests.townhall_bot.loopback.example_bot import ExampleBot
from townhall_bot.discordpy import registration
from townhall_bot.loopback import LoopbackDiscord, ManualClock, ResponseType, TownhallWorld, Turn


def refusal_of(error: discord.HTTPException) -> tuple[int, int]:
    return error.status, error.code


async def deferred(bot: ExampleBot, world: TownhallWorld) -> tuple[Turn, discord.Interaction]:
    """A turn that runs, with the client's own object to answer by."""
    turn = await world.people["ada"].type("/run")
    await turn.acknowledged()
    return turn, await bot.interaction(turn)


async def test_a_first_answer_after_three_seconds_comes_too_late(
    clock: ManualClock, bot: ExampleBot, world: TownhallWorld
) -> None:
    turn = await world.people["ada"].type("/late")
    clock.advance(3.1)
    assert turn.failed
    assert "did not respond" in str(turn)
    bot.gate.set()
    assert refusal_of(await bot.refusal()) == (404, 10062)
    assert turn.messages == []


async def test_a_first_answer_just_in_time_is_taken(clock: ManualClock, bot: ExampleBot, world: TownhallWorld) -> None:
    turn = await world.people["ada"].type("/late")
    clock.advance(2.9)
    bot.gate.set()
    await turn.acknowledged()
    assert turn.ack_seconds == pytest.approx(2.9)
    assert turn.text == "here I am"


async def test_a_second_first_answer_is_refused(bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld) -> None:
    turn, interaction = await deferred(bot, world)
    # The client itself refuses too; only one that lost its memory would ask Discord.
    forgetful = discord.InteractionResponse(interaction)
    with pytest.raises(discord.HTTPException) as refused:
        await forgetful.send_message("again")
    assert refusal_of(refused.value) == (400, 40060)
    assert turn.text == "running"


async def test_a_token_ends_after_fifteen_minutes(clock: ManualClock, bot: ExampleBot, world: TownhallWorld) -> None:
    turn, interaction = await deferred(bot, world)
    clock.advance(14 * 60)
    await interaction.edit_original_response(content="still there")
    assert turn.text == "still there"
    clock.advance(61)
    with pytest.raises(discord.HTTPException) as refused:
        await interaction.edit_original_response(content="too late")
    assert refusal_of(refused.value) == (401, 50027)
    with pytest.raises(discord.HTTPException) as refused:
        await interaction.followup.send("too late")
    assert refusal_of(refused.value) == (401, 50027)
    assert turn.text == "still there"


async def test_an_ordinary_edit_outlives_the_token(clock: ManualClock, bot: ExampleBot, world: TownhallWorld) -> None:
    turn, interaction = await deferred(bot, world)
    original = await interaction.original_response()
    clock.advance(16 * 60)
    channel = bot.guilds[0].text_channels[0]
    await channel.get_partial_message(original.id).edit(content="by the channel")
    assert turn.text == "by the channel"


async def test_a_wrong_interaction_token_is_refused(bot: ExampleBot, world: TownhallWorld) -> None:
    await deferred(bot, world)
    webhook = discord.Webhook.partial(bot.application_id or 0, "wrong", client=bot)
    with pytest.raises(discord.HTTPException) as refused:
        await webhook.send("hello")
    assert refusal_of(refused.value) == (401, 50027)


async def test_a_follow_up_before_the_first_answer_has_no_webhook(bot: ExampleBot, world: TownhallWorld) -> None:
    turn = await world.people["ada"].type("/late")
    interaction = await bot.interaction(turn)
    with pytest.raises(discord.NotFound) as refused:
        await interaction.followup.send("first?")
    assert refused.value.code == 10015


async def test_a_deleted_answer_cannot_be_edited(bot: ExampleBot, world: TownhallWorld) -> None:
    turn, interaction = await deferred(bot, world)
    await interaction.delete_original_response()
    assert turn.messages == []
    with pytest.raises(discord.NotFound) as refused:
        await interaction.edit_original_response(content="gone?")
    assert refused.value.code == 10008


async def test_a_follow_up_takes_the_place_of_thinking(bot: ExampleBot, world: TownhallWorld) -> None:
    turn = await world.people["ada"].type("/think")
    assert await turn.acknowledged() is ResponseType.DEFERRED_MESSAGE
    await turn.until(lambda turn: turn.text)
    assert [message.text for message in turn.messages] == ["done thinking"]
    assert turn.message.ephemeral, "the deferral was ephemeral, so is what takes its place"


LONG_EMBEDS = [discord.Embed(description="x" * 3001), discord.Embed(description="y" * 3000)]


@pytest.mark.usefixtures("breaks_the_description")
@pytest.mark.parametrize(
    ("content", "field", "why"),
    [
        ({"content": "x" * 2001}, "content", "Must be 2000 or fewer in length."),
        ({"embeds": LONG_EMBEDS}, "embeds", "Embed size exceeds maximum size of 6000"),
        ({"embed": discord.Embed(title="x" * 257)}, "embeds.0.title", "Must be 256 or fewer in length."),
        ({"embed": discord.Embed(description="x" * 4097)}, "embeds.0.description", "Must be 4096 or fewer"),
        (
            {"embed": discord.Embed().add_field(name="n", value="v" * 1025)},
            "embeds.0.fields.0.value",
            "Must be between 1 and 1024 in length.",
        ),
        ({"embed": discord.Embed().set_image(url="file:///etc/passwd")}, "embeds.0.image.url", "is not supported"),
    ],
)
async def test_over_long_messages_are_refused_by_field(
    bot: ExampleBot, world: TownhallWorld, content: dict[str, Any], field: str, why: str
) -> None:
    turn, interaction = await deferred(bot, world)
    with pytest.raises(discord.HTTPException) as refused:
        await interaction.followup.send(**content)
    assert refusal_of(refused.value) == (400, 50035)
    assert f"In {field}: " in refused.value.text
    assert why in refused.value.text
    with pytest.raises(discord.HTTPException) as refused:
        await bot.guilds[0].text_channels[0].send(**content)
    assert f"In {field}: " in refused.value.text
    assert turn.text == "running"


@pytest.mark.usefixtures("breaks_the_description")
async def test_a_first_answer_s_faults_stand_under_data(bot: ExampleBot, world: TownhallWorld) -> None:
    turn = await world.people["ada"].type("/echo text:" + "x" * 2001)
    refused = await bot.refusal()
    assert refusal_of(refused) == (400, 50035)
    assert "In data.content: Must be 2000 or fewer in length." in refused.text
    assert turn.response is None


@pytest.mark.usefixtures("breaks_the_description")
async def test_a_refused_edit_changes_nothing(bot: ExampleBot, world: TownhallWorld) -> None:
    turn, interaction = await deferred(bot, world)
    with pytest.raises(discord.HTTPException):
        await interaction.edit_original_response(content="fine", embed=discord.Embed(title="x" * 300))
    assert turn.text == "running"
    assert turn.message.edits == 0


async def test_an_empty_message_is_refused(bot: ExampleBot, world: TownhallWorld) -> None:
    _, interaction = await deferred(bot, world)
    with pytest.raises(discord.HTTPException) as refused:
        await interaction.followup.send("   ")
    assert refusal_of(refused.value) == (400, 50006)
    with pytest.raises(discord.HTTPException) as refused:
        await interaction.edit_original_response(content="", view=None)
    assert refusal_of(refused.value) == (400, 50006)


async def test_files_over_the_limit_are_refused(bot: ExampleBot, world: TownhallWorld) -> None:
    _, interaction = await deferred(bot, world)
    file = discord.File(io.BytesIO(bytes(10 * 1024 * 1024 + 1)), "big.bin")
    with pytest.raises(discord.HTTPException) as refused:
        await interaction.followup.send(file=file)
    assert refusal_of(refused.value) == (413, 40005)


async def test_a_malformed_command_is_refused_at_sync(bot: ExampleBot) -> None:
    commands = [{"name": "Bad Name", "description": "", "type": 1}]
    with pytest.raises(discord.HTTPException) as refused:
        await registration.register(bot, commands, None)
    assert refusal_of(refused.value) == (400, 50035)
    assert "In 0.name: Command name is invalid" in refused.value.text
    assert "In 0.description: Must be between 1 and 100 in length." in refused.value.text


async def test_what_the_bot_may_not_do_is_refused(bot: ExampleBot, world: TownhallWorld) -> None:
    channel = bot.guilds[0].text_channels[0]
    general = world.channels["general"]
    theirs = await world.people["ada"].say("mine")
    partial = channel.get_partial_message(theirs.id)
    with pytest.raises(discord.Forbidden) as refused:
        await partial.edit(content="yours")
    assert refused.value.code == 50005
    with pytest.raises(discord.Forbidden) as refused:
        await partial.delete()
    assert refused.value.code == 50013
    world.guild.overwrite(general, world.guild.world.bot, deny=discord.Permissions(send_messages=True))
    with pytest.raises(discord.Forbidden) as refused:
        await channel.send("hello")
    assert refused.value.code == 50013
    world.guild.overwrite(general, world.guild.world.bot, deny=discord.Permissions(view_channel=True))
    with pytest.raises(discord.Forbidden) as refused:
        await channel.send("hello")
    assert refused.value.code == 50001


async def test_what_does_not_exist_is_unknown(bot: ExampleBot) -> None:
    channel = bot.guilds[0].text_channels[0]
    for asked, code in (
        (bot.fetch_channel(1), 10003),
        (bot.fetch_guild(1), 10004),
        (bot.guilds[0].fetch_member(1), 10007),
        (channel.fetch_message(1), 10008),
        (bot.fetch_user(1), 10013),
    ):
        with pytest.raises(discord.NotFound) as refused:
            await asked
        assert refused.value.code == code


async def test_unknown_routes_are_answered_as_discord_does_and_logged(
    server: LoopbackDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Authorization": f"Bot {server.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(f"{server.api_url}/no/such/thing") as answer:
            assert answer.status == 404
            assert await answer.json() == {"message": "404: Not Found", "code": 0}
        async with session.delete(f"{server.api_url}/users/@me") as answer:
            assert answer.status == 405
    assert "/no/such/thing is no route" in caplog.text


async def test_a_request_without_the_token_is_unauthorized(server: LoopbackDiscord) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.api_url}/users/@me") as answer,
    ):
        assert answer.status == 401
        assert await answer.json() == {"message": "401: Unauthorized", "code": 0}


@pytest.mark.usefixtures("breaks_the_description")
async def test_bodies_that_are_no_json_or_no_object_are_refused(server: LoopbackDiscord) -> None:
    place = server.townhall().channels["general"]
    url = f"{server.api_url}/channels/{place.id}/messages"
    headers = {"Authorization": f"Bot {server.token}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for broken in ("{", r'{"content": "\ud800"}', "[" * 100_000):
            async with session.post(url, data=broken) as answer:
                assert (await answer.json())["code"] == 50109
        async with session.post(url, data="[]") as answer:
            assert (await answer.json())["code"] == 50035
        async with session.post(url, data='{"embeds": "none", "content": 5}') as answer:
            assert set((await answer.json())["errors"]) == {"embeds", "content"}
