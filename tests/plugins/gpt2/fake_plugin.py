"""The plugin with fake models, as tests start it, and what its tests do again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, TypedDict, Unpack

from plugins.gpt2.plugin import GPT2Plugin
from plugins.gpt2.protocol import TextGenerator
from plugins.gpt2.service.model_catalog import ModelCatalog
from plugins.gpt2.service.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import Message, Person, Turn
from townhall_bot.replies import Refusal
from townhall_bot.testkit import RunningTownhall, StartTownhall

HOST = {
    "MODEL": "fake",
    "ALLOWED_MODELS": "fake,other,bad",
    "TEMPERATURE": "0",
    "REPETITION_PENALTY": "1",
    "ENDING": "exact",
}
"""What the host has set: texts are what ``greedy_text`` foresees."""
FINISHED = ["Again", "Continue", "Edit…", "Delete"]
"""The buttons below a text that is done."""


class ServiceArguments(TypedDict, total=False):
    """What a test may give :class:`GPT2Service` besides its settings and models."""

    clock: Callable[[], float]
    available_memory: Callable[[], int | None]


def plugin_with(source: FakeSource, **service_arguments: Unpack[ServiceArguments]) -> type[GPT2Plugin]:
    """Return the plugin with these models, on a machine whose memory is never short unless a test says so."""
    arguments: ServiceArguments = {"available_memory": lambda: None, **service_arguments}

    class WithFakeModels(GPT2Plugin):
        def make_service(self, settings: GPT2Settings, catalog: ModelCatalog) -> TextGenerator:
            return GPT2Service(settings, source, catalog=catalog, **arguments)

    return WithFakeModels


def host_settings(**changes: str) -> dict[str, str]:
    """Return the host's environment, with ``changes`` to :data:`HOST`."""
    return {f"TOWNHALL_GPT2_{name}": value for name, value in (HOST | changes).items()}


async def begin(start_townhall: StartTownhall, source: FakeSource | None = None, **changes: str) -> RunningTownhall:
    """Start the bot with these models and ``changes`` to the host's settings."""
    return await start_townhall(plugin_with(source or FakeSource()), settings=host_settings(**changes))


class HalfWritten(NamedTuple):
    """A text of 30 tokens that goes on where the gate opens."""

    townhall: RunningTownhall
    turn: Turn
    gate: Gate


async def half_written(
    start_townhall: StartTownhall, person: Person, command: str = "/gpt2 prompt:Hello count:30", **changes: str
) -> HalfWritten:
    """Start the bot and have it write the first tokens of a text."""
    gate = Gate(after=6)
    townhall = await begin(start_townhall, FakeSource(before_step=gate), **changes)
    turn = await person.type(command)
    await turn.until(lambda turn: "Writing" in turn.text)
    return HalfWritten(townhall, turn, gate)


async def interrupted(start_townhall: StartTownhall, person: Person) -> Turn:
    """Return a text of which six tokens were written when the bot was killed; the bot runs again."""
    townhall, turn, gate = await half_written(start_townhall, person)
    await turn.until(lambda turn: greedy_text("Hello", 6) in turn.text)
    before = turn.message.content, list(turn.message.components)
    stopping = asyncio.create_task(townhall.stop())
    await turn.until(lambda turn: "stopping" in turn.text)
    gate.open()
    await stopping
    turn.message.content, turn.message.components = before  # as a process that was killed leaves it
    await begin(start_townhall)
    return turn


async def answered(townhall: RunningTownhall, person: Person, command: str = "/gpt2 prompt:Hello count:20") -> Turn:
    """Type a command that succeeds."""
    turn = await person.type(command)
    assert await townhall.settled(turn) is None
    return turn


async def refused(townhall: RunningTownhall, person: Person, command: str) -> str:
    """Type a command that is refused; return the reason that the person reads."""
    turn = await person.type(command)
    assert isinstance(await townhall.settled(turn), Refusal)
    return turn.text


async def opened(person: Person, message: Message, button: str) -> Turn:
    """Press a button that opens a form."""
    turn = await person.press(message, button)
    return await turn.until(lambda turn: turn.modal)


def labels(message: Message) -> list[str]:
    """Return what a message's buttons say."""
    return [str(button["label"]) for button in message.buttons]


async def finished(turn: Turn) -> Turn:
    """Wait until a text has the buttons of one that is done."""
    return await turn.until(lambda turn: turn.messages and labels(turn.messages[-1]) == FINISHED)


def menu(message: Message, row: int) -> str:
    """Return the id of the menu in a row of the panel of /gpt2-config."""
    return str(message.components[row]["components"][0]["custom_id"])
