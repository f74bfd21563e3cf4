"""Whatever goes wrong and however much is logged: what people write is not in the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import discord
import pytest

from townhall_bot.loopback import Person
from townhall_bot.ops import logs, request_ids
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import StartTownhall

PluginDoing = Callable[..., type[Plugin]]
SECRET = "the cat sleeps in the piano"


def test_not_even_at_debug_do_the_libraries_show_what_they_carry(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("DEBUG")
    for library in ("discord.gateway", "discord.http", "aiohttp.client"):
        logging.getLogger(library).debug("a payload: %s", SECRET)
        logging.getLogger(library).info("a payload: %s", SECRET)
    logging.getLogger("townhall.bot").debug("shown")
    told = capsys.readouterr().err
    assert "shown" in told
    assert SECRET not in told


async def test_a_handler_that_fails_is_logged_without_what_it_was_given(
    start_townhall: StartTownhall, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start_townhall()
    failed = asyncio.Event()

    async def on_heard(text: str) -> None:
        failed.set()
        raise RuntimeError("deaf")

    running.bot.on_heard = on_heard  # type: ignore[attr-defined] # discord.py finds handlers by name
    running.bot.dispatch("heard", SECRET)
    await failed.wait()
    await asyncio.sleep(0)  # discord.py logs it in the task's next step
    assert "the handler of on_heard failed" in caplog.text
    assert "RuntimeError: deaf" in caplog.text
    assert SECRET not in caplog.text


async def test_a_requests_number_does_not_stick_to_what_has_nothing_to_do_with_it(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, ada: Person
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("Done.")

    running = await start_townhall(plugin_doing(act))
    heard: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    await running.settled(await ada.type("/act"))

    async def on_socket_event_type(event: str) -> None:  # comes before an event is looked into
        if not heard.done():
            heard.set_result(request_ids.current.get())

    running.bot.on_socket_event_type = on_socket_event_type  # type: ignore[attr-defined] # found by its name
    await running.settled(await ada.type("/act"))
    assert await heard is None
