"""``/gpt2-story``: begins a story in a thread, adds a line to it, gives it out as a file."""

from __future__ import annotations

import contextlib
from typing import Any

import discord
from discord import app_commands

from plugins.gpt2.chat.message_format import verbatim
from plugins.gpt2.conversation.stories import MOST, Interaction, Stories
from plugins.gpt2.conversation.story_text import BEGINS
from plugins.gpt2.messages import TEXTS
from townhall_bot.discordpy.answers import FAILURES
from townhall_bot.replies import Refusal
from townhall_bot.replies.sanitize import sanitize

MAX_PROMPT = 1000
MAX_LINE = 500
"""Characters: with them and its text, a step is one message."""
NAME = 60
"""Characters of a thread's name."""


def story_command(stories: Stories) -> app_commands.Command[Any, ..., Any]:
    """Return the command, with the host's bounds."""
    low, high = stories.responder.settings.count_bounds
    ranges: Any = app_commands.Range  # a class to discord.py, a form of Annotated to type checkers
    count_option = ranges[int, int(low), int(min(high, MOST))]

    async def gpt2_story(
        interaction: discord.Interaction,
        prompt: app_commands.Range[str, 1, MAX_PROMPT] | None = None,
        add: app_commands.Range[str, 1, MAX_LINE] | None = None,
        count: int | None = None,
        file: bool = False,
    ) -> None:
        words = TEXTS.for_user(interaction)
        if sum((prompt is not None, add is not None, file)) != 1:
            raise Refusal(words("story.one_of"))
        if file:
            await interaction.response.defer(ephemeral=True, thinking=True)
            await interaction.edit_original_response(attachments=[await stories.file(interaction)])
            return
        rules = await stories.responder.rules.of(interaction.guild_id)
        rules.check_place(interaction)
        tokens = count or min(rules.default_count, MOST)
        if prompt is not None:
            await _begin(stories, interaction, prompt, tokens)
            return
        stories.thread(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        await stories.go_on(interaction, str(add).strip(), tokens)
        await interaction.delete_original_response()  # the step itself is what there is to see

    gpt2_story.__annotations__["count"] = count_option | None
    described = {name: TEXTS.english(f"story.option.{name}") for name in ("prompt", "add", "count", "file")}
    callback = app_commands.describe(**described)(app_commands.guild_only(gpt2_story))
    return app_commands.Command(
        name="gpt2-story",
        description=TEXTS.english("story.description"),
        callback=callback,
    )


async def _begin(stories: Stories, interaction: Interaction, prompt: str, count: int) -> None:
    channel = interaction.channel
    title = " ".join(prompt.split())
    name = title if len(title) <= NAME else f"{title[: NAME - 1].rsplit(' ', 1)[0]}…"
    _check_may_begin(interaction)
    stories.check_may_write(interaction)

    async def open_thread() -> discord.Thread:
        await interaction.response.send_message(f"{BEGINS}**{verbatim(sanitize(name))}**")
        if isinstance(channel, discord.Thread):
            return channel
        assert isinstance(channel, discord.TextChannel)  # as was checked
        message = await interaction.original_response()
        try:
            thread = await channel.create_thread(name=name[:100], message=discord.Object(message.id))
        except FAILURES:
            with contextlib.suppress(*FAILURES):
                await interaction.delete_original_response()  # a title without a story
            raise
        where = TEXTS.for_channel(interaction)("story.opened", thread=thread.mention)
        await interaction.edit_original_response(content=where)
        return thread

    await stories.begin(interaction, prompt, count, open_thread)


def _check_may_begin(interaction: Interaction) -> None:
    """Raise Refusal where no thread can be begun, or not by this member or the bot."""
    words, channel = TEXTS.for_user(interaction), interaction.channel
    mine, theirs = interaction.app_permissions, interaction.permissions
    if not isinstance(channel, discord.Thread):
        if not isinstance(channel, discord.TextChannel):
            raise Refusal(words("story.where"))
        if not mine.create_public_threads:
            raise Refusal(words("story.bot_lacks", permission=words("story.create")))
        if not theirs.create_public_threads:
            raise Refusal(words("story.you_lack"))
