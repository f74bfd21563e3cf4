"""The buttons below a text. All they need is in their ids and on their message, so they outlive a restart."""

from __future__ import annotations

import asyncio
import contextlib
import re
from datetime import timedelta
from typing import Any, ClassVar, Self

import discord

from plugins.gpt2.chat import message_format, variants
from plugins.gpt2.chat.button_id import TEMPLATE, ButtonId, UnknownVersion, pack, unpack
from plugins.gpt2.chat.edit_form import EditForm
from plugins.gpt2.chat.generation_options import GenerationOptions
from plugins.gpt2.chat.look import Buttons
from plugins.gpt2.chat.message_format import SMALL_PRINT, Shown
from plugins.gpt2.chat.prompt_cache import origin_of
from plugins.gpt2.chat.responder import Responder
from plugins.gpt2.messages import TEXTS, Message, message
from plugins.gpt2.protocol import MAX_PROMPT_CHARS
from townhall_bot.discordpy.answers import FAILURES, is_refused, reason
from townhall_bot.replies import Refusal

LOOKS = {
    "pick": (discord.ButtonStyle.primary, "👍"),
    "stop": (discord.ButtonStyle.danger, "⏹️"),
    "again": (discord.ButtonStyle.secondary, "🔁"),
    "continue": (discord.ButtonStyle.primary, "▶️"),
    "edit": (discord.ButtonStyle.secondary, "✏️"),
    "delete": (discord.ButtonStyle.secondary, "🗑️"),
}
READ_S = 2.0
"""What is read comes before the first answer, for which Discord waits 3 seconds."""
PAGES = 5
"""How many messages after the first are looked at for the pages of one text."""


class AnswerButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=TEMPLATE):
    """One button. :func:`bound` makes the class that knows the plugin's responder."""

    responder: ClassVar[Responder]
    edit_form: ClassVar[EditForm]

    def __init__(self, item: discord.ui.Button[Any], told: ButtonId) -> None:
        super().__init__(item)
        self.action = told.action
        self.asker = told.asker
        self.number = told.number
        self.packed = told.packed

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Return the button that was pressed."""
        assert isinstance(item, discord.ui.Button)  # no other component has such an id
        return cls(item, ButtonId.of(match))

    @classmethod
    def labelled(cls, interaction: discord.Interaction[Any], told: ButtonId) -> Self:
        """Return a button in the words of this interaction's channel."""
        style, emoji = LOOKS[told.action]
        label = TEXTS.for_channel(interaction)(f"button.{told.action}", number=told.number)
        item: discord.ui.Button[Any] = discord.ui.Button(style=style, emoji=emoji, label=label, custom_id=str(told))
        return cls(item, told)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Do what the button says. Raises Refusal where whoever pressed may not."""
        self._check_may(interaction)
        await getattr(self, f"_{self.action}")(interaction)

    def _check_may(self, interaction: discord.Interaction[Any]) -> None:
        if interaction.user.id == self.asker:
            return
        if self.action == "pick":
            self._check_vote(interaction)
            return
        shared = self.action in ("stop", "delete")
        if not (shared and interaction.guild is not None and interaction.permissions.manage_messages):
            words = TEXTS.for_user(interaction)
            raise Refusal(words(f"refused.{self.action if shared else 'other'}", asker=f"<@{self.asker}>"))

    def _check_vote(self, interaction: discord.Interaction[Any]) -> None:
        """Raise Refusal while the choice is the asker's alone."""
        assert interaction.message is not None  # a component has its message
        words, wait_s = TEXTS.for_user(interaction), self.responder.settings.vote_after_s
        if not wait_s:
            raise Refusal(words("refused.pick", asker=f"<@{self.asker}>"))
        since = interaction.message.edited_at or interaction.message.created_at
        opens = since + timedelta(seconds=wait_s)
        if interaction.created_at < opens:
            when = discord.utils.format_dt(opens, "R")
            raise Refusal(words("refused.pick_yet", asker=f"<@{self.asker}>", when=when))

    async def _pick(self, interaction: discord.Interaction[Any]) -> None:
        assert interaction.message is not None  # a component has its message
        text = variants.text_of(interaction.message, self.number)
        if text is None:
            raise Refusal(TEXTS.for_user(interaction)("refused.no_text"))
        words = TEXTS.for_channel(interaction)
        note = words("answer.picked", number=self.number, who=interaction.user.mention)
        content = variants.picked(interaction.message, text, note)
        view = finished_view(type(self), interaction, self.asker, 0, self.packed)
        await interaction.response.edit_message(content=content, embeds=[], view=view)

    def _check_meant(self, interaction: discord.Interaction[Any]) -> None:
        """Raise Refusal where the buttons have only just come, so that *Stop* may have been meant."""
        assert interaction.message is not None  # a component has its message
        origin = origin_of(interaction.message)
        if origin is not None and self.responder.recent_ends.is_fresh(origin):
            words = TEXTS.for_user(interaction)
            raise Refusal(words("refused.too_soon", button=words(f"button.{self.action}")))

    async def _stop(self, interaction: discord.Interaction[Any]) -> None:
        if await self.responder.service.cancel(self.number) or self.responder.knows(self.number):
            await interaction.response.defer()  # the text's own last edit shows that it was stopped
            return
        # From before a restart: nobody writes on this text any more.
        assert interaction.message is not None  # a component has its message
        words = TEXTS.for_channel(interaction)
        lines = [line for line in interaction.message.content.split("\n") if not line.startswith(SMALL_PRINT)]
        view = finished_view(type(self), interaction, self.asker, 0, self.packed)
        content = "\n".join([*lines, SMALL_PRINT + words("answer.interrupted")])
        await interaction.response.edit_message(content=content, view=view)

    async def _again(self, interaction: discord.Interaction[Any]) -> None:
        self._check_meant(interaction)
        options = self._options(interaction)
        shown = await self._first(interaction)
        await self.responder.answer(interaction, shown.prompt, options, notice=cut_before(shown))

    async def _continue(self, interaction: discord.Interaction[Any]) -> None:
        self._check_meant(interaction)
        options = self._options(interaction)
        whole = await self._whole(interaction)
        if not whole.text.strip():
            raise Refusal(TEXTS.for_user(interaction)("refused.no_text"))
        notice, text = cut_before(whole), whole.text[-MAX_PROMPT_CHARS:]
        await self.responder.answer(interaction, text, options, notice=notice, continued=True)

    async def _edit(self, interaction: discord.Interaction[Any]) -> None:
        self._options(interaction)
        await self.edit_form.begin(interaction, await self._first(interaction), self.packed)

    async def _delete(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer()
        assert interaction.message is not None  # a component has its message
        self.responder.prompt_cache.forget(interaction.message)  # its pages are of one request
        left = False
        try:
            for page in await pages(interaction, self.number):
                with contextlib.suppress(discord.NotFound):
                    await page.delete()
        except FAILURES:
            left = True
        await interaction.delete_original_response()  # (without the bot's own right to see the channel)
        if left:
            await interaction.followup.send(TEXTS.for_user(interaction)("answer.left"), ephemeral=True)

    def _options(self, interaction: discord.Interaction[Any]) -> GenerationOptions:
        """Return the options that the text was written with. Raises Refusal where a newer version packed them."""
        try:
            return unpack(self.packed)
        except UnknownVersion as error:
            raise Refusal(TEXTS.for_user(interaction)("refused.newer")) from error

    async def _first(self, interaction: discord.Interaction[Any]) -> Shown:
        """Return what the message shows that begins the text. Raises Refusal where it cannot be read."""
        assert interaction.message is not None  # a component has its message
        message = interaction.message
        if self.number not in (0, message.id):
            try:
                async with asyncio.timeout(READ_S):
                    message = await message.channel.fetch_message(self.number)
            except FAILURES as error:
                raise _unread(interaction, error) from error
        shown = await self.responder.prompt_cache.read(message)
        if not shown.whole:
            raise Refusal(TEXTS.for_user(interaction)("refused.no_prompt"))
        return shown

    async def _whole(self, interaction: discord.Interaction[Any]) -> Shown:
        """Return prompt and text of an answer as one text, over all its messages or from its file."""
        assert interaction.message is not None  # a component has its message
        try:
            async with asyncio.timeout(READ_S):
                begin, *rest = [*await pages(interaction, self.number), interaction.message]
                file = await attached_text(begin)
        except FAILURES as error:
            raise _unread(interaction, error) from error
        if file is not None:
            return Shown("", file)
        shown = await self.responder.prompt_cache.read(begin)
        texts = [shown.whole, *(message_format.parse(page.content).whole for page in rest)]
        return Shown("", " ".join(texts), shown.cut)


def _unread(interaction: discord.Interaction[Any], error: Exception) -> Refusal:
    """Return what to say where Discord does not give out the beginning of a text."""
    words = TEXTS.for_user(interaction)
    for_good = is_refused(error) and reason(error) != "barred"
    return Refusal(words("refused.not_read" if for_good else "refused.not_read_now"))


def bound(to: Responder, form: EditForm) -> type[AnswerButton]:
    """Return the class of buttons that act through these."""

    class Bound(AnswerButton, template=TEMPLATE):
        responder = to
        edit_form = form

    return Bound


def views(button: type[AnswerButton]) -> Buttons:
    """Return what puts buttons of that class below texts."""

    def growing(interaction: discord.Interaction[Any], request_id: int, options: GenerationOptions) -> discord.ui.View:
        stop = ButtonId("stop", interaction.user.id, request_id, pack(options))
        return _view([button.labelled(interaction, stop)])

    def finished(interaction: discord.Interaction[Any], first: int, options: GenerationOptions) -> discord.ui.View:
        return finished_view(button, interaction, interaction.user.id, first, pack(options))

    def choosing(interaction: discord.Interaction[Any], options: GenerationOptions, count: int) -> discord.ui.View:
        asker, packed = interaction.user.id, pack(options)
        picks = [ButtonId("pick", asker, number, packed) for number in range(1, count + 1)]
        return _view([button.labelled(interaction, each) for each in (*picks, ButtonId("delete", asker, 0, packed))])

    return Buttons(growing, finished, choosing)


def finished_view(
    button: type[AnswerButton], interaction: discord.Interaction[Any], asker: int, first: int, packed: str
) -> discord.ui.View:
    """Return the buttons below a finished text, which belong to ``asker``."""
    actions = ("again", "continue", "edit", "delete")
    return _view([button.labelled(interaction, ButtonId(action, asker, first, packed)) for action in actions])


def _view(buttons: list[AnswerButton]) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for each in buttons:
        view.add_item(each)
    return view


async def pages(interaction: discord.Interaction[Any], first: int) -> list[discord.Message]:
    """Return the messages before the buttons' own that belong to the same text.

    Raises one of ``FAILURES`` where they cannot be read. A first one that was deleted has left none.
    """
    message = interaction.message
    assert message is not None  # a component has its message
    if first in (0, message.id):
        return []
    try:
        begin = await message.channel.fetch_message(first)
    except discord.NotFound:
        return []
    between = [
        each
        async for each in message.channel.history(after=begin, before=message, limit=PAGES, oldest_first=True)
        if each.author == message.author and origin_of(each) == origin_of(begin) is not None
    ]
    return [begin, *between]


async def attached_text(message: discord.Message) -> str | None:
    """Return the text file of a long answer, None where the message has none."""
    for attachment in message.attachments:
        if attachment.filename == "text.txt" and attachment.size < 100_000:
            return (await attachment.read()).decode("utf-8", "replace")
    return None


def cut_before(shown: Shown) -> Message | None:
    """Return what to say where only the end of a prompt is used."""
    return message("notice.cut_before") if shown.cut else None
