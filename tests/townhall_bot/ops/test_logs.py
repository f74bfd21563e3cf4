"""The log: for people or for machines, each line with the request it belongs to, and nothing that people wrote."""

import json
import logging
from collections.abc import Callable

import discord
import pytest

from townhall_bot.loopback import ManualClock, Person
from townhall_bot.ops import logs, request_ids
from townhall_bot.ops.repetition import Repetition
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import StartTownhall

PluginDoing = Callable[..., type[Plugin]]
Output = pytest.CaptureFixture[str]


def test_json_lines_carry_time_level_logger_message_and_request(capsys: Output) -> None:
    logs.set_up("INFO", style="json")
    token = request_ids.current.set("42")
    try:
        logging.getLogger("townhall.bot").info("hello %s", "there\nagain")
    finally:
        request_ids.current.reset(token)
    try:
        raise ValueError("bad")
    except ValueError:
        logging.getLogger("townhall.bot").exception("failed")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("INFO", "townhall.bot", "hello there\nagain")
    assert first["request"] == "42"
    assert first["at"].endswith("+00:00")
    assert "request" not in second
    assert "ValueError: bad" in second["exception"]


def test_what_is_said_again_and_again_is_cut_short_and_counted(capsys: Output) -> None:
    logs.set_up("INFO")
    clock = ManualClock(0.0)
    logging.root.handlers[0].filters[:] = [Repetition(clock)]
    library = logging.getLogger("asyncio")

    def say() -> None:
        for number in range(1000):
            library.error("socket.accept() out of system resource\nsocket: %s", number)
            logging.getLogger("townhall.bot").info("number %d", number)

    say()
    first = capsys.readouterr().err
    clock.advance(61)
    say()
    second = capsys.readouterr().err
    assert (first.count("out of system"), first.count("number ")) == (30, 1000)
    assert second.count("out of system") == 30
    assert "(and 970 more times since the last such line)" in second


def test_different_lines_are_not_taken_for_one(capsys: Output) -> None:
    logs.set_up("INFO")
    log = logging.getLogger("townhall.bot")
    for number in range(100):
        log.warning(f"plugin {number} is not well")
    assert capsys.readouterr().err.count("is not well") == 100


async def test_what_a_command_logs_names_its_request_and_so_do_its_tasks_and_buttons(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, ada: Person, capsys: Output
) -> None:
    log = logging.getLogger("townhall.plugin.stage")

    class View(discord.ui.View):
        @discord.ui.button(label="Go")
        async def go(self, interaction: discord.Interaction, button: object) -> None:
            log.info("pressed")
            await interaction.response.edit_message(content="Gone.")

    async def act(interaction: discord.Interaction) -> None:
        log.info("acting")
        await interaction.response.send_message("Press.", view=View())

    running = await start_townhall(plugin_doing(act))
    logs.set_up("INFO")
    turn = await ada.type("/act")
    await running.settled(turn)
    pressed = await ada.press(turn.message, "Go")
    await pressed.until(lambda _: turn.text == "Gone.", 5)
    lines = capsys.readouterr().err
    assert f"acting [request {turn.interaction_id}]" in lines
    assert f"pressed [request {pressed.interaction_id}]" in lines
    log.info("later")
    assert "[request" not in capsys.readouterr().err
