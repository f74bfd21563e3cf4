"""The real client against the local Discord: what people and a bot can do together."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import discord
import pytest

from tests.townhall_bot.loopback.example_bot import Connect, ExampleBot
from townhall_bot.loopback import Change, CommandRefused, LoopbackDiscord, ResponseType, TownhallWorld


async def test_a_client_logs_in_and_finds_the_server(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    assert bot.user is not None
    assert bot.user.id == server.world.bot.id
    assert [guild.name for guild in bot.guilds] == ["Townhall"]
    assert [channel.name for channel in bot.guilds[0].text_channels] == ["general", "gpt2"]


async def test_a_wrong_token_is_refused(connect: Connect, server: LoopbackDiscord) -> None:
    client = ExampleBot()
    with pytest.raises(discord.LoginFailure):
        await client.login("wrong")
    await client.close()


async def test_an_answer_grows_by_edits_and_ends_with_a_file(bot: ExampleBot, world: TownhallWorld) -> None:
    turn = await world.people["ada"].type("/grow words:3 unit:see")
    assert await turn.acknowledged() is ResponseType.DEFERRED_MESSAGE
    await turn.until(lambda turn: len(turn.messages) == 2)
    answer, followup = turn.messages
    assert answer.versions == ["", "see", "see see", "see see see"]
    assert followup.content == "that was it"
    assert followup.attachments[0].text == "all of it"
    assert turn.text == "see see see\nthat was it\n[file answer.txt, 9 bytes]"


async def test_a_deferred_answer_shows_as_thinking_until_its_text_comes(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    edit = server.faults.hold("PATCH", "/webhooks/*/messages/@original")
    turn = await world.people["ada"].type("/grow words:1")
    await edit.arrived.wait()
    assert turn.message.thinking
    assert turn.text == ""
    edit.release()
    await turn.until(lambda turn: turn.text)
    assert not turn.message.thinking


async def test_several_people_see_their_answers_grow_at_the_same_time(bot: ExampleBot, world: TownhallWorld) -> None:
    names = ["ada", "ben", "admin"]
    turns = await asyncio.gather(*(world.people[name].type("/grow words:4") for name in names))
    await asyncio.gather(*(turn.until(lambda turn: len(turn.messages) == 2) for turn in turns))
    assert {turn.messages[0].content for turn in turns} == {"hear hear hear hear"}
    general = world.channels["general"].messages
    places = [general.index(turn.messages[0]) for turn in turns]
    follow_ups = [general.index(turn.messages[1]) for turn in turns]
    assert max(places) < min(follow_ups), "the answers ran one after the other"


async def test_somebody_presses_a_button_while_the_answer_runs(bot: ExampleBot, world: TownhallWorld) -> None:
    turn = await world.people["ada"].type("/run")
    await turn.until(lambda turn: turn.text == "running")
    press = await world.people["ben"].press(turn.message, "Stop")
    await press.acknowledged()
    assert press.text == "stopping"
    await turn.until(lambda turn: turn.text == "stopped")
    assert not turn.message.buttons


async def test_an_ephemeral_answer_is_seen_by_its_asker_alone(bot: ExampleBot, world: TownhallWorld) -> None:
    turn = await world.people["admin"].type("/config")
    await turn.acknowledged()
    general = world.channels["general"]
    assert turn.message.ephemeral
    assert turn.message in general.visible_to(world.people["admin"])
    assert turn.message not in general.visible_to(world.people["ada"])
    assert turn.message not in general.messages


async def test_buttons_that_cannot_be_pressed_say_why(bot: ExampleBot, world: TownhallWorld) -> None:
    ada, ben = world.people["ada"], world.people["ben"]
    turn = await ada.type("/run")
    await turn.until(lambda turn: turn.text == "running")
    with pytest.raises(CommandRefused, match="no button 'Again'; there are: Stop"):
        await ada.press(turn.message, "Again")
    await ada.press(turn.message, "Stop")
    await turn.until(lambda turn: turn.text == "stopped")
    with pytest.raises(CommandRefused, match="there are: none"):
        await ada.press(turn.message, "Stop")
    secret = await world.people["admin"].type("/config")
    await secret.acknowledged()
    with pytest.raises(CommandRefused, match="ben does not see that message"):
        await ben.press(secret.message, "Stop")


async def test_an_option_completes_while_it_is_typed(bot: ExampleBot, world: TownhallWorld) -> None:
    choices = await world.people["ada"].complete("/colour name:gr")
    assert [choice["name"] for choice in choices] == ["green", "grey"]


async def test_a_form_is_opened_filled_in_and_sent(bot: ExampleBot, world: TownhallWorld) -> None:
    ada = world.people["ada"]
    turn = await ada.type("/form")
    assert await turn.acknowledged() is ResponseType.MODAL
    with pytest.raises(CommandRefused, match="Your note: expected 0 to 20 characters, got 21"):
        await ada.submit(turn, note="x" * 21)
    with pytest.raises(CommandRefused, match="must be filled in"):
        await ada.submit(turn)
    sent = await ada.submit(turn, Your_note="remember me")
    await sent.acknowledged()
    assert sent.text == "noted: remember me"


async def test_a_select_menu_takes_one_of_its_options(bot: ExampleBot, world: TownhallWorld) -> None:
    ada = world.people["ada"]
    turn = await ada.type("/choose")
    await turn.acknowledged()
    with pytest.raises(CommandRefused, match="none of the choices: Tea, Coffee"):
        await ada.select(turn.message, "Milk")
    await (await ada.select(turn.message, "Coffee")).acknowledged()
    assert turn.text == "chosen: coffee"


async def test_a_message_menu_gets_the_message_s_text_without_any_intent(bot: ExampleBot, world: TownhallWorld) -> None:
    message = await world.people["ben"].say("quiet words")
    turn = await world.people["ada"].use_menu("Shout", message)
    await turn.acknowledged()
    assert turn.text == "QUIET WORDS"


async def test_options_carry_people_and_files(bot: ExampleBot, world: TownhallWorld) -> None:
    ada = world.people["ada"]
    greeting = await ada.type("/greet who:@ben")
    reading = await ada.type("/read", files={"file": ("poem.txt", b"roses are red")})
    await greeting.acknowledged()
    await reading.acknowledged()
    assert greeting.text == "Hello ben"
    assert reading.text == "roses are red"


async def test_commands_work_in_direct_messages(bot: ExampleBot, world: TownhallWorld) -> None:
    ada = world.people["ada"]
    turn = await ada.type("/echo text:between us", channel=ada.direct_messages)
    await turn.acknowledged()
    assert turn.text == "between us"
    assert turn.channel.guild is None


async def test_the_bot_writes_edits_and_deletes_ordinary_messages(bot: ExampleBot, world: TownhallWorld) -> None:
    channel = bot.guilds[0].text_channels[0]
    message = await channel.send("first", embed=discord.Embed(title="A title", description="A text"))
    reply = await message.reply("and more")
    await message.edit(content="changed", embed=None)
    shown = world.channels["general"].messages
    assert [each.text for each in shown] == ["changed", "and more"]
    assert shown[1].reference is shown[0]
    assert [each.content async for each in channel.history()] == ["and more", "changed"]
    await reply.delete()
    assert [each.text for each in world.channels["general"].messages] == ["changed"]


async def test_the_bot_writes_to_a_person_directly(bot: ExampleBot, world: TownhallWorld) -> None:
    ada = world.people["ada"]
    await (await bot.fetch_user(ada.id)).send("psst")
    assert [message.content for message in ada.direct_messages.messages] == ["psst"]


async def test_commands_keep_their_ids_when_they_are_synced_again(bot: ExampleBot, server: LoopbackDiscord) -> None:
    before = {command.name: command.id for command in server.commands}
    bot.tree.remove_command("echo")
    await bot.tree.sync()
    after = {command.name: command.id for command in server.commands}
    del before["echo"]
    assert after == before


async def add_command(server: LoopbackDiscord, name: str) -> Any:
    """Add one global command, which discord.py has no public way for; return Discord's answer."""
    headers = {"Authorization": f"Bot {server.token}"}
    async with aiohttp.ClientSession(server.api_url + "/", headers=headers) as session:
        path = f"applications/{server.world.application.id}/commands"
        async with session.post(path, json={"name": name, "description": "One more", "type": 1}) as answer:
            return await answer.json()


async def test_single_commands_are_added_changed_and_removed(bot: ExampleBot, server: LoopbackDiscord) -> None:
    added = await add_command(server, "extra")
    assert {command.name for command in await bot.tree.fetch_commands()} >= {"extra", "echo"}
    command = await bot.tree.fetch_command(int(added["id"]))
    changed = await command.edit(description="Changed")
    assert changed.description == "Changed"
    again = await add_command(server, "extra")
    assert again["id"] == added["id"]
    await changed.delete()
    assert "extra" not in {command.name for command in server.commands}


async def test_the_bot_reacts_and_cleans_up_where_it_may(bot: ExampleBot, world: TownhallWorld) -> None:
    ada, general = world.people["ada"], world.channels["general"]
    rights = discord.Permissions(add_reactions=True, manage_messages=True)
    world.guild.overwrite(general, world.guild.world.bot, allow=rights)
    for word in ("one", "two", "three"):
        await ada.say(word)
    message = (await bot.messages(3))[-1]
    await message.add_reaction("👍")
    assert general.messages[-1].reactions == {"👍": [world.guild.world.bot.id]}
    assert bot.user is not None
    await message.remove_reaction("👍", bot.user)
    assert general.messages[-1].reactions == {}
    channel = bot.guilds[0].text_channels[0]
    await channel.delete_messages([discord.Object(each.id) for each in general.messages[:2]])
    assert [each.content for each in general.messages] == ["three"]


async def test_typing_is_shown(bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld) -> None:
    heard: list[Change] = []
    server.world.subscribe(heard.append)
    await bot.guilds[0].text_channels[1].typing()
    assert [(change.kind, change.channel) for change in heard] == [("typing", world.channels["gpt2"])]


async def test_a_server_s_own_command_hides_the_global_one(bot: ExampleBot, world: TownhallWorld) -> None:
    place = discord.Object(world.guild.id)

    @bot.tree.command(name="echo", description="The server's own", guild=place)
    async def echo(interaction: discord.Interaction, text: str) -> None:
        await interaction.response.send_message(f"here: {text}")

    await bot.tree.sync(guild=place)
    turn = await world.people["ada"].type("/echo text:hello")
    await turn.acknowledged()
    assert turn.text == "here: hello"


async def test_the_ready_made_server_has_the_same_ids_at_every_start(
    server: LoopbackDiscord, world: TownhallWorld
) -> None:
    other = LoopbackDiscord()
    assert other.townhall().guild.id == world.guild.id
    assert other.world.bot.id == server.world.bot.id
    assert {n: p.id for n, p in other.townhall().people.items()} == {n: p.id for n, p in world.people.items()}


async def test_every_request_and_answer_fits_discord_s_description(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld, needs_description: None
) -> None:
    ada = world.people["ada"]
    grow = await ada.type("/grow words:2")
    await grow.until(lambda turn: len(turn.messages) == 2)
    run = await ada.type("/run")
    await run.acknowledged()
    await (await ada.press(run.message, "Stop")).acknowledged()
    form = await ada.type("/form")
    await form.acknowledged()
    await (await ada.submit(form, note="hello")).acknowledged()
    await ada.complete("/colour name:g")
    channel = bot.guilds[0].text_channels[0]
    message = await channel.send("text", file=discord.File(__file__))
    await message.reply("reply", embed=discord.Embed(title="title"))
    await (await bot.fetch_user(ada.id)).send("direct")
    await bot.fetch_guild(world.guild.id)
    await bot.guilds[0].fetch_roles()
    await bot.guilds[0].fetch_channels()
    await bot.guilds[0].fetch_member(ada.id)
    await bot.tree.fetch_commands()
    await bot.application_info()
    requests = server.requests
    assert len({request.route for request in requests}) > 12
    assert [r for r in requests if r.schema_errors or r.answer_errors or r.status >= 400] == []
