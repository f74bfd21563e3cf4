"""A plugin that uses what Discord offers, one thing a command, at the pace of the test."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import Any, Literal

import discord
from discord import app_commands

from townhall_bot.plugins import Plugin, PluginContext
from townhall_bot.replies import LiveReply

# The smallest PNG that shows something: one pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080600000"
    "01f15c4890000000d49444154789c63606060f80f0001040100c5d3a2"
    "8b0000000049454e44ae426082"
)
LONG = "\n\n".join(f"Chapter {number}. " + "It was a long story. " * 40 for number in range(1, 12))
EVIL = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'


class Opinion(discord.ui.Modal, title="Your opinion"):
    """A form with a short and a long field."""

    name: discord.ui.TextInput[Opinion] = discord.ui.TextInput(label="Name", custom_id="name", min_length=3)
    why: discord.ui.TextInput[Opinion] = discord.ui.TextInput(
        label="Why", custom_id="why", style=discord.TextStyle.paragraph, required=False
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Say it back."""
        await interaction.response.send_message(f"{self.name.value} says: {self.why.value or 'nothing'}")


class Choices(discord.ui.View):
    """A button that counts, one that opens a form, one that is never answered, and two selects."""

    def __init__(self) -> None:
        super().__init__(timeout=None)
        self.pressed = 0

    @discord.ui.button(label="Count", style=discord.ButtonStyle.primary)
    async def count(self, interaction: discord.Interaction, _: discord.ui.Button[Choices]) -> None:
        """Count the presses."""
        self.pressed += 1
        await interaction.response.edit_message(content=f"Pressed {self.pressed} times", view=self)

    @discord.ui.button(label="Opinion", emoji="✏️")
    async def opinion(self, interaction: discord.Interaction, _: discord.ui.Button[Choices]) -> None:
        """Open the form."""
        await interaction.response.send_modal(Opinion())

    @discord.ui.button(label="Silent", style=discord.ButtonStyle.danger)
    async def silent(self, interaction: discord.Interaction, _: discord.ui.Button[Choices]) -> None:
        """Leave it unanswered."""

    @discord.ui.select(
        placeholder="Some drinks",
        min_values=1,
        max_values=2,
        options=[
            discord.SelectOption(label=label, value=label.lower(), description=f"A cup of {label.lower()}")
            for label in ("Tea", "Coffee", "Milk")
        ],
    )
    async def drinks(self, interaction: discord.Interaction, select: discord.ui.Select[Choices]) -> None:
        """Say what was chosen."""
        await interaction.response.edit_message(content=f"Chosen: {', '.join(sorted(select.values))}", view=self)

    @discord.ui.select(cls=discord.ui.UserSelect, placeholder="Somebody")
    async def somebody(self, interaction: discord.Interaction, select: discord.ui.UserSelect[Choices]) -> None:
        """Say who was chosen."""
        await interaction.response.edit_message(content=f"Chosen: {select.values[0].mention}", view=self)


@app_commands.command(description="Tell a story that is too long for a message")
async def saga(interaction: discord.Interaction) -> None:
    await interaction.response.defer(thinking=True)
    async with LiveReply(interaction) as reply:
        await reply.finish(LONG, plain=LONG)


@app_commands.command(description="Say something to the asker alone")
async def whisper(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("Only for you.", ephemeral=True)


@app_commands.command(description="Show buttons and menus")
async def choices(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("Choose!", view=Choices())


@app_commands.command(description="Show a card and a picture")
async def card(interaction: discord.Interaction) -> None:
    embed = discord.Embed(title="A card", description="with **bold** text", colour=0x5046D8)
    embed.add_field(name="Left", value="1").add_field(name="Right", value="2").set_footer(text="the end")
    embed.set_image(url="https://pictures.example/remote.png")
    await interaction.response.send_message(embed=embed, file=discord.File(io.BytesIO(PIXEL), "dot.png"))


@app_commands.command(description="Repeat a text, whatever it is")
async def repeat(interaction: discord.Interaction, text: str) -> None:
    await interaction.response.send_message(text)


@app_commands.command(description="Show hostile text in every place there is")
async def evil(interaction: discord.Interaction) -> None:
    embed = discord.Embed(title=EVIL, description=EVIL)
    embed.add_field(name=EVIL, value=EVIL).set_footer(text=EVIL).set_author(name=EVIL)
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label=EVIL[:80], custom_id="evil"))
    options = [discord.SelectOption(label=EVIL[:100], value="evil", description=EVIL[:100])]
    view.add_item(discord.ui.Select(placeholder=EVIL[:150], options=options, custom_id="evil select"))
    files = [
        discord.File(io.BytesIO(EVIL.encode()), "evil.html"),
        discord.File(io.BytesIO(EVIL.encode()), "evil.svg"),
        discord.File(io.BytesIO(EVIL.encode()), f"{EVIL[:40]}.txt"),
    ]
    await interaction.response.send_message(EVIL, embed=embed, view=view, files=files)


@app_commands.command(description="Know some colours")
async def colour(interaction: discord.Interaction, name: str) -> None:
    await interaction.response.send_message(f"Colour: {name}")


@colour.autocomplete("name")
async def known(_: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
    names = ("red", "green", "grey")
    return [app_commands.Choice(name=f"{n} paint", value=n) for n in names if n.startswith(current)]


@app_commands.command(description="Greet somebody")
async def greet(interaction: discord.Interaction, who: discord.Member, where: discord.TextChannel) -> None:
    await interaction.response.send_message(f"Hello {who.mention}, see you in {where.mention}")


@app_commands.command(description="Read a file")
async def read(interaction: discord.Interaction, file: discord.Attachment) -> None:
    await interaction.response.send_message(f"{file.filename}: {(await file.read()).decode()}")


@app_commands.command(description="Only for those who run the server")
@app_commands.default_permissions(manage_guild=True)
async def rule(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("You rule.", ephemeral=True)


@app_commands.context_menu(name="Shout")
async def shout(interaction: discord.Interaction, message: discord.Message) -> None:
    await interaction.response.send_message(message.content.upper())


@app_commands.context_menu(name="Wave")
async def wave(interaction: discord.Interaction, member: discord.Member) -> None:
    await interaction.response.send_message(f"{interaction.user.display_name} waves at {member.display_name}")


class StagePlugin(Plugin):
    """Its growing text waits for ``steps``: the test puts in what shall stand there next, None for the end."""

    name = "stage"

    def __init__(self, context: PluginContext) -> None:
        super().__init__(context)
        self.steps: asyncio.Queue[str | None] = asyncio.Queue()

    def commands(self) -> Sequence[app_commands.Command[Any, ..., Any] | app_commands.ContextMenu]:
        """Bring a command for each thing to see."""

        @app_commands.command(description="Tell a story that grows")
        @app_commands.describe(
            title="What it is about", count="How many lines", mood="In which mood", loud="In capitals"
        )
        async def story(
            interaction: discord.Interaction,
            title: app_commands.Range[str, 2, 40],
            count: app_commands.Range[int, 1, 9] = 3,
            mood: Literal["happy", "sad"] = "happy",
            loud: bool = False,
        ) -> None:
            await interaction.response.defer(thinking=True)
            text = f"**{title}** ({count}, {mood}, {loud})"
            while (step := await self.steps.get()) is not None:
                text += step
                await interaction.edit_original_response(content=text)
            await interaction.edit_original_response(content=text, view=Choices())

        return [story, saga, whisper, choices, card, repeat, evil, colour, greet, read, rule, shout, wave]
