from __future__ import annotations

import asyncio
from collections.abc import Callable

import discord

from townhall_bot.loopback import Person
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import StartTownhall

PluginDoing = Callable[..., type[Plugin]]


async def test_a_plugin_that_could_not_start_still_deletes_what_it_has_of_a_member(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, ada: Person
) -> None:
    async def act(interaction: discord.Interaction) -> None: ...

    class Broken(plugin_doing(act, plugin="broken")):  # type: ignore[misc] # a class made by a function
        async def start(self) -> None:
            raise OSError("no paper")

        async def delete_member_data(self, user_id: int) -> int:
            return await self.context.records.delete_member(user_id)  # type: ignore[no-any-return] # as above

    running = await start_townhall(Broken)
    records = running.bot.store.records("broken")
    await records.add("use", {}, user_id=ada.id)
    turn = await ada.type("/privacy")
    await running.settled(turn)
    async with asyncio.timeout(10):
        pressed = await ada.press(turn.message, "Delete my data")
        await pressed.until(lambda pressed: "1 record about you was deleted" in pressed.text, 5)
    assert await records.of_member(ada.id) == 0
