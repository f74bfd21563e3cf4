"""What a client sends that knows an older version of a command: it is told so, and the command does not run."""

from collections.abc import Sequence
from typing import Any

import discord
import pytest
from discord import app_commands

from townhall_bot.loopback import LoopbackDiscord, Person, Turn
from townhall_bot.loopback.world.enums import InteractionType
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import RunningTownhall


class Throwing(Plugin):
    """Has a command with an option of each kind, alone and in a group."""

    name = "throwing"
    thrown = 0

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any] | app_commands.Group]:
        async def throw(
            interaction: discord.Interaction,
            dice: app_commands.Range[int, 1, 10] = 1,
            force: app_commands.Range[float, 0, 1] = 0.5,
            name: app_commands.Range[str, 2, 8] = "Ada",
            loud: bool = False,
        ) -> None:
            Throwing.thrown += 1
            await interaction.response.send_message("Thrown.")

        group = app_commands.Group(name="again", description="Once more.")
        group.add_command(app_commands.Command(name="throw", description="Throw.", callback=throw))
        return (app_commands.Command(name="throw", description="Throw.", callback=throw), group)


@pytest.fixture
def townhall_plugins() -> Sequence[type[Plugin]]:
    return [Throwing]


Option = tuple[str, int, object]


async def send(running: RunningTownhall, server: LoopbackDiscord, person: Person, option: Option, name: str) -> Turn:
    command = next(command for command in server.commands if command.name == name)
    options: list[dict[str, Any]] = [dict(zip(("name", "type", "value"), option, strict=True))]
    if name == "again":
        options = [{"name": "throw", "type": 1, "options": options}]
    data = {"id": str(command.id), "name": name, "type": 1, "options": options}
    interaction = server.world.interact(
        InteractionType.COMMAND, person.user, person.guild.channels[0], data, command=command
    )
    turn = Turn(server.world, person, interaction)
    await running.settled(turn)
    return turn


@pytest.mark.parametrize("name", ["throw", "again"])
@pytest.mark.parametrize(
    ("option", "answer"),
    [
        (("dice", 4, 11), "dice is 11; allowed is 1 to 10."),
        (("dice", 4, 0), "dice is 0; allowed is 1 to 10."),
        (("dice", 3, "many"), "This command has changed."),
        (("dice", 4, True), "This command has changed."),
        (("force", 10, 1.5), "force is 1.5; allowed is 0.0 to 1.0."),
        (("force", 3, "1"), "This command has changed."),
        (("name", 3, "x"), "name has 1 characters; allowed are 2 to 8."),
        (("name", 4, 3), "This command has changed."),
        (("loud", 3, "true"), "This command has changed."),
    ],
)
async def test_what_does_not_fit_is_refused_with_a_reason(
    townhall: RunningTownhall, discord_server: LoopbackDiscord, ada: Person, option: Option, answer: str, name: str
) -> None:
    before = Throwing.thrown
    turn = await send(townhall, discord_server, ada, option, name)
    assert turn.text.startswith(answer)
    assert turn.message.ephemeral
    assert Throwing.thrown == before


@pytest.mark.parametrize(
    "option", [("dice", 4, 10), ("force", 10, 1), ("force", 10, 0.25), ("name", 3, "Grace"), ("loud", 5, True)]
)
async def test_what_fits_is_done(
    townhall: RunningTownhall, discord_server: LoopbackDiscord, ada: Person, option: Option
) -> None:
    assert (await send(townhall, discord_server, ada, option, "throw")).text == "Thrown."
