"""A discord.py client with a small command tree: what a bot of anybody's could look like."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import discord
from discord import app_commands

from townhall_bot.loopback import Turn


class StopView(discord.ui.View):
    def __init__(self, pressed: asyncio.Event) -> None:
        super().__init__(timeout=None)
        self.pressed = pressed

    @discord.ui.button(label="Stop", custom_id="stop")
    async def stop_it(self, interaction: discord.Interaction, _: discord.ui.Button[StopView]) -> None:
        self.pressed.set()
        await interaction.response.send_message("stopping", ephemeral=True)


class Drinks(discord.ui.View):
    @discord.ui.select(
        options=[discord.SelectOption(label="Tea", value="tea"), discord.SelectOption(label="Coffee", value="coffee")]
    )
    async def choose(self, interaction: discord.Interaction, select: discord.ui.Select[Drinks]) -> None:
        await interaction.response.edit_message(content=f"chosen: {select.values[0]}")


class NoteForm(discord.ui.Modal, title="A note"):
    note: discord.ui.TextInput[NoteForm] = discord.ui.TextInput(label="Your note", custom_id="note", max_length=20)

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"noted: {self.note.value}")


INTENTS = discord.Intents(guilds=True, guild_messages=True, dm_messages=True)


class ExampleBot(discord.Client):
    """The unmodified client with a small command tree; it counts what a test may wait for."""

    def __init__(self, intents: discord.Intents | None = None, **options: Any) -> None:
        # discord.py waits two seconds for servers that come late; here they come at once.
        super().__init__(intents=intents or INTENTS, guild_ready_timeout=0.02, **options)
        self.tree = app_commands.CommandTree(self)
        self.seen: asyncio.Queue[discord.Message] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.failures: asyncio.Queue[app_commands.AppCommandError] = asyncio.Queue()
        self.tree.error(self.on_command_failure)
        self._arrived: dict[int, asyncio.Future[discord.Interaction]] = {}
        add_commands(self)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Identify at once; discord.py would wait five seconds before a second time."""

    async def on_command_failure(self, _: discord.Interaction, error: app_commands.AppCommandError) -> None:
        await self.failures.put(error)

    async def refusal(self) -> discord.HTTPException:
        """Return what Discord answered to the next command that fails."""
        error = await asyncio.wait_for(self.failures.get(), 10)
        cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
        assert isinstance(cause, discord.HTTPException), cause
        return cause

    async def interaction(self, turn: Turn) -> discord.Interaction:
        """Wait for the client's own object of a turn."""
        return await asyncio.wait_for(self._arrival(turn.interaction_id), 10)

    def _arrival(self, interaction_id: int) -> asyncio.Future[discord.Interaction]:
        return self._arrived.setdefault(interaction_id, asyncio.get_running_loop().create_future())

    async def messages(self, count: int) -> list[discord.Message]:
        """Wait for the next messages that the client is told of."""
        return [await asyncio.wait_for(self.seen.get(), 10) for _ in range(count)]

    async def on_message(self, message: discord.Message) -> None:
        await self.seen.put(message)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self._arrival(interaction.id).set_result(interaction)


def add_commands(bot: ExampleBot) -> None:
    tree = bot.tree

    @tree.command(description="Say it back")
    async def echo(interaction: discord.Interaction, text: str) -> None:
        await interaction.response.send_message(text)

    @tree.command(description="Think, then grow the answer by edits")
    @app_commands.describe(words="How many words", unit="Which word")
    @app_commands.choices(unit=[app_commands.Choice(name=word, value=word) for word in ("hear", "see")])
    async def grow(interaction: discord.Interaction, words: app_commands.Range[int, 1, 9], unit: str = "hear") -> None:
        await interaction.response.defer(thinking=True)
        for count in range(1, words + 1):
            await interaction.edit_original_response(content=" ".join([unit] * count))
        file = discord.File(io.BytesIO(b"all of it"), "answer.txt")
        await interaction.followup.send("that was it", file=file)

    @tree.command(description="Runs until somebody stops it")
    async def run(interaction: discord.Interaction) -> None:
        pressed = asyncio.Event()
        await interaction.response.send_message("running", view=StopView(pressed))
        await pressed.wait()
        await interaction.edit_original_response(content="stopped", view=None)

    @tree.command(description="Waits at a gate before its first answer")
    async def late(interaction: discord.Interaction) -> None:
        await bot.gate.wait()
        await interaction.response.send_message("here I am")

    @tree.command(description="Only for those who run the server")
    @app_commands.default_permissions(manage_guild=True)
    async def config(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("configured", ephemeral=True)

    @tree.command(description="Opens a form")
    async def form(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(NoteForm())

    @tree.command(description="Thinks in private, answers by a follow-up")
    async def think(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True, ephemeral=True)
        await interaction.followup.send("done thinking")

    @tree.command(description="Offers drinks")
    async def choose(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("what would you like?", view=Drinks())

    add_commands_with_options(tree)


def add_commands_with_options(tree: app_commands.CommandTree[ExampleBot]) -> None:
    @tree.command(description="Greets a person")
    async def greet(interaction: discord.Interaction, who: discord.Member) -> None:
        await interaction.response.send_message(f"Hello {who.display_name}")

    @tree.command(description="Reads a file")
    async def read(interaction: discord.Interaction, file: discord.Attachment) -> None:
        await interaction.response.send_message((await file.read()).decode())

    @tree.command(description="Knows colours")
    async def colour(interaction: discord.Interaction, name: str) -> None:
        await interaction.response.send_message(name)

    @colour.autocomplete("name")
    async def suggest(_: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        colours = ("red", "green", "grey")
        return [app_commands.Choice(name=c, value=c) for c in colours if c.startswith(current)]

    group = app_commands.Group(name="model", description="Models")

    @group.command(name="set", description="Choose a model")
    async def set_model(interaction: discord.Interaction, name: str) -> None:
        await interaction.response.send_message(f"model {name}")

    tree.add_command(group)

    @tree.context_menu(name="Shout")
    async def shout(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(message.content.upper())


Connect = Callable[..., Awaitable[ExampleBot]]


async def hearing(client: discord.Client, event: str) -> asyncio.Task[Any]:
    """Listen for an event from now on; await what is returned for what the client heard."""
    task = asyncio.create_task(client.wait_for(event, timeout=10))
    await asyncio.sleep(0)  # the task begins to listen
    return task


@asynccontextmanager
async def running(bot: discord.Client, token: str) -> AsyncIterator[None]:
    """Run a client as ``Client.run`` does, without its own event loop, until the block ends."""
    task = asyncio.create_task(bot.start(token))
    ready = asyncio.create_task(bot.wait_until_ready())
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        if task.done():
            await task
        await asyncio.wait_for(ready, 1)
        yield
    finally:
        ready.cancel()
        await bot.close()
        await asyncio.gather(task, return_exceptions=True)
