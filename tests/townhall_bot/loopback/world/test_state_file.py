"""A server that is there again the next day, and files that are not clobbered."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import discord
import pytest

from tests.townhall_bot.loopback.example_bot import ExampleBot, running
from townhall_bot.loopback import LoopbackDiscord, Person, TownhallWorld, point_discord_at
from townhall_bot.loopback.world.state_file import StateFile, StateFileError


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


@asynccontextmanager
async def a_day(path: Path) -> AsyncIterator[tuple[LoopbackDiscord, TownhallWorld, ExampleBot]]:
    """One start of the local Discord with its state in ``path``, the bot connected."""
    async with LoopbackDiscord(rate_scale=0.02) as server:
        world = server.townhall()
        file = StateFile(path, server.world)
        file.load()
        with point_discord_at(server):
            bot = ExampleBot()
            async with running(bot, server.token):
                await bot.tree.sync()
                yield server, world, bot
        file.save()


async def test_messages_files_and_buttons_are_there_the_next_day(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    async with a_day(path) as (_, world, _bot):
        ada = world.people["ada"]
        turn = await ada.type("/grow words:2")
        await turn.until(lambda turn: len(turn.messages) == 2)
        await ada.say("thank you", reply_to=turn.messages[0])
        secret = await ada.type("/think")
        await secret.until(lambda turn: "done thinking" in turn.text)
        drinks = await ada.type("/choose")
        await drinks.acknowledged()
        before = [(m.id, m.text, m.author.name) for m in ada.guild.channels[0].history.values()]
    async with a_day(path) as (_, world, bot):
        ada, general = world.people["ada"], world.channels["general"]
        assert [(m.id, m.text, m.author.name) for m in general.history.values()] == before
        grown, file, thanks, hidden, choice = general.history.values()
        assert file.attachments[0].text == "all of it"
        assert thanks.reference is grown
        assert hidden not in general.visible_to(world.people["ben"])
        assert grown.interaction is not None
        assert grown.interaction.command is not None
        assert grown.interaction.command.name == "grow"
        # The real client reads the old messages, and a select of yesterday reaches it.
        place = bot.get_channel(general.id)
        assert isinstance(place, discord.TextChannel)
        assert len([message async for message in place.history()]) == 4
        pressed = await ada.select(choice, "tea")
        assert (await bot.interaction(pressed)).message is not None
        # What is new has a larger id than everything old.
        assert (await ada.say("good morning")).id > choice.id


async def test_a_picture_in_a_card_is_found_the_next_day_too(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    async with a_day(path) as (_, world, bot):
        there = world.channels["general"].id
        channel = bot.get_partial_messageable(there)
        card = discord.Embed(title="A day").set_image(url="attachment://day.png")
        sent = await channel.send(embed=card, file=discord.File(io.BytesIO(b"a picture"), "day.png"))
    async with a_day(path) as (server, _, bot):
        message = await bot.get_partial_messageable(there).fetch_message(sent.id)
        address = message.embeds[0].image.url
        assert address is not None
        assert address.startswith(server.world.base_url)
        async with aiohttp.ClientSession() as session, session.get(address) as response:
            assert await response.read() == b"a picture"


async def test_people_and_places_that_were_added_are_there_too(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    async with a_day(path) as (server, world, _):
        room = world.guild.add_channel("later", topic="for later")
        carl = Person(world.guild.add_member("Carl"))
        world.guild.overwrite(room, carl, deny=discord.Permissions(send_messages=True))
        carl.speak("de", chosen=True)
        village = server.add_guild("Village")
        village.add_channel("square")
        await carl.say("just between us", channel=carl.direct_messages)
    async with a_day(path) as (server, world, bot):
        assert [channel.name for channel in world.guild.channels] == ["general", "gpt2", "later"]
        assert {guild.name for guild in bot.guilds} == {"Townhall", "Village"}
        again = Person(world.guild.members[carl.id])
        again.speak("en-US")  # the language of a browser, which gives way to the one that was chosen
        assert (again.name, again.user.locale) == ("Carl", "de")
        with pytest.raises(Exception, match="Send Messages"):
            await again.say("hello", channel=world.guild.channel("later"))
        assert [m.content for m in again.direct_messages.messages] == ["just between us"]


async def test_it_is_written_while_things_happen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("townhall_bot.loopback.world.state_file.KEEP_UP_SECONDS", 0.0)
    path = tmp_path / "state.json"
    async with LoopbackDiscord() as server:
        ada = server.townhall().people["ada"]
        file = StateFile(path, server.world)
        assert not file.load()
        saved = asyncio.Event()
        save = file.save

        def save_and_tell() -> None:
            save()
            saved.set()

        monkeypatch.setattr(file, "save", save_and_tell)
        keeping = asyncio.create_task(file.keep())
        await asyncio.sleep(0)  # let it subscribe
        await ada.say("remember this")
        await asyncio.wait_for(saved.wait(), 10)
        assert "remember this" in path.read_text()
        await ada.say("and this, at the last moment")
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    assert "at the last moment" in path.read_text()
    assert names(tmp_path) == ["state.json"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is damaged .it is not JSON"),
        ("[]", "was not written by `townhall local --state`"),
        ('{"format": "townhall-local", "version": 7}', "has version 7, this Townhall reads 1"),
        ('{"format": "townhall-local", "version": 1}', "is damaged .KeyError"),
        ('{"format": "townhall-local", "version": 1, "users": [{"id": 1}]}', "is damaged"),
    ],
)
async def test_a_file_that_cannot_be_used_is_left_as_it_is(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    async with LoopbackDiscord() as server:
        with pytest.raises(StateFileError, match=why):
            StateFile(path, server.world).load()
    assert path.read_text() == text


async def test_a_folder_that_does_not_exist_and_one_in_place_of_a_file_are_named(tmp_path: Path) -> None:
    async with LoopbackDiscord() as server:
        with pytest.raises(StateFileError, match="does not exist; create it first"):
            StateFile(tmp_path / "no" / "state.json", server.world).load()
        with pytest.raises(StateFileError, match="cannot be read"):
            StateFile(tmp_path, server.world).load()


async def test_a_failed_write_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with LoopbackDiscord() as server:
        ada: Person = server.townhall().people["ada"]
        file = StateFile(tmp_path / "state.json", server.world)
        file.save()
        await ada.say("lost")

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("townhall_bot.machine.files.os.fsync", full)
        file.save()
    assert "No space left on device" in caplog.text
    assert json.loads((tmp_path / "state.json").read_text())["messages"] == []
    assert names(tmp_path) == ["state.json"]
