"""/privacy: a member reads what is stored, in their language, and has it deleted, also after a restart."""

from collections.abc import Sequence
from typing import Any

import discord
import pytest
from discord import app_commands

from plugins.ping.plugin import PingPlugin
from townhall_bot.i18n import Words
from townhall_bot.loopback import Person
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import StartTownhall


class Diary(Plugin):
    """Counts who used it."""

    name = "diary"

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
        async def note(interaction: discord.Interaction) -> None:
            await self.context.records.add("use", {"times": 1}, user_id=interaction.user.id)
            await interaction.response.send_message("Noted.")

        return (app_commands.Command(name="note", description="Note it.", callback=note),)

    def privacy(self, words: Words) -> str:
        return "how often you used it."

    async def delete_member_data(self, user_id: int) -> int:
        return await self.context.records.delete_member(user_id)


class Locked(Diary):
    async def delete_member_data(self, user_id: int) -> int:
        raise RuntimeError("the key is lost")


async def test_a_member_reads_what_each_plugin_stores(start_townhall: StartTownhall, ada: Person) -> None:
    running = await start_townhall(Diary, PingPlugin, settings={"TOWNHALL_KEEP_RECORDS_DAYS": "7"})
    turn = await ada.type("/privacy")
    assert await running.settled(turn) is None
    assert turn.message.ephemeral
    assert "**diary**: how often you used it." in turn.text
    assert "**ping**: Nothing." in turn.text
    assert "deleted after 7 days" in turn.text
    assert "no prompts" in turn.text


async def test_a_german_member_reads_it_in_german(start_townhall: StartTownhall, ada: Person) -> None:
    running = await start_townhall(PingPlugin)
    ada.user.locale = "de"
    turn = await ada.type("/privacy")
    await running.settled(turn)
    assert "Was über dich gespeichert ist" in turn.text
    pressed = await ada.press(turn.message, "Meine Daten löschen")
    await pressed.until(lambda pressed: "Es gab nichts über dich zu löschen." in pressed.text, 5)


async def test_delete_my_data_deletes_mine_alone_and_says_how_much_also_after_a_restart(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    running = await start_townhall(Diary)
    for person in (ada, ada, ben):
        await running.settled(await person.type("/note"))
    turn = await ada.type("/privacy")
    await running.settled(turn)
    await running.stop()

    running = await start_townhall(Diary)
    pressed = await ada.press(turn.message, "Delete my data")
    await pressed.until(lambda pressed: "2 records about you were deleted" in pressed.text, 5)
    records = running.bot.store.records("diary")
    assert (await records.of_member(ada.id), await records.of_member(ben.id)) == (0, 1)


async def test_a_plugin_that_cannot_delete_is_named_and_the_others_delete(
    start_townhall: StartTownhall, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    class Second(Diary):
        name = "second"

        def commands(self) -> Sequence[app_commands.Command[Any, ..., Any]]:
            return ()

    running = await start_townhall(Locked, Second)
    await running.bot.store.records("second").add("use", {}, user_id=ada.id)
    turn = await ada.type("/privacy")
    await running.settled(turn)
    pressed = await ada.press(turn.message, "Delete my data")
    await pressed.until(lambda pressed: "1 record about you was deleted" in pressed.text, 5)
    assert "(diary) could not delete your data" in pressed.text
    assert str(pressed.interaction_id) in pressed.text
    assert "plugin diary failed at delete_member_data()" in caplog.text


async def test_no_setting_takes_privacy_away(start_townhall: StartTownhall) -> None:
    running = await start_townhall(settings={"TOWNHALL_PLUGINS": "ping"})
    assert running.bot.plugins["privacy"].running
