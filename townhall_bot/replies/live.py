"""A text that grows in the chat by edits, at a pace Discord accepts, and always ends with its final state."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import discord

from townhall_bot.discordpy import retries
from townhall_bot.i18n.core_texts import TEXTS
from townhall_bot.replies.paging import MESSAGE_LIMIT, length, split, tail
from townhall_bot.replies.sanitize import sanitize

log = logging.getLogger("townhall.replies")

MAX_PAGES = 3
"""A text of more pages than this becomes a file: a wall of messages pushes everyone else's talk away."""
MAX_NOTE = 600
"""Characters of small print: several sentences in any language, and far from what a message holds."""
NO_TEXT = frozenset(TEXTS.of(locale)("reply.no_text") for locale in TEXTS.locales)
"""What stands in place of an empty text, in every language."""
UNKNOWN_MESSAGE = 10008
_TOKEN_GONE = frozenset({10015, 50027})
"""Discord's codes for an interaction token that has expired (after 15 minutes)."""
_UNREACHABLE = (discord.HTTPException, aiohttp.ClientError, OSError)


class LiveReply:
    """Shows a growing text as the response of ``interaction``, which has been deferred (or not yet answered).

    :meth:`show` may be called for every token: the latest text wins, edits happen at most every ``interval`` seconds.
    :meth:`finish` must be called in the end. ``view`` holds the buttons while the text grows; ``ephemeral`` says that
    the answer is for the asker alone. Text is sanitized (:mod:`townhall_bot.replies.sanitize`), and nothing in it
    mentions anyone.
    """

    def __init__(
        self,
        interaction: discord.Interaction[Any],
        *,
        interval: float = 1.2,
        clock: Callable[[], float] = time.monotonic,
        view: discord.ui.View | None = None,
        ephemeral: bool = False,
    ) -> None:
        self._interaction = interaction
        self._words = TEXTS.for_user(interaction) if ephemeral else TEXTS.for_channel(interaction)
        self._interval = interval
        self._clock = clock
        self._view = view
        self._latest = self._on_screen = ""
        self._changed = asyncio.Event()
        self._editing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._next_edit = clock()
        self._message_id: int | None = None
        self._ephemeral = ephemeral
        self._finished = False

    async def __aenter__(self) -> LiveReply:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def show(self, text: str, *, note: str = "") -> None:
        """Show ``text`` with a small ``note`` below it as soon as the pace allows. Never waits, never fails."""
        if self._finished:
            return
        below = _small(note)
        self._latest = self._non_empty(tail(sanitize(text), MESSAGE_LIMIT - length(below)) + below)
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._keep_up(), name="live-reply")

    async def finish(
        self, text: str, *, note: str = "", view: discord.ui.View | None = None, plain: str | None = None
    ) -> bool:
        """Show the final state, in several messages or with a file where it is long; ``view`` goes below the last.

        ``plain`` is what a file holds in place of ``text``: the same without the escapes that a chat needs.
        Where the interaction's token has expired, the text goes to the channel instead, unless the answer was for
        the asker alone. Returns whether the text arrived; its loss is logged.
        """
        await self.stop()
        first, *rest = _pages(sanitize(text), _small(note))
        file = None
        if len(rest) >= MAX_PAGES:
            below = _small(self._words("reply.in_file")) + _small(note)
            first, rest, file = (
                split(sanitize(text), MESSAGE_LIMIT - length(below) - 2)[0] + " …" + below,
                [],
                plain or text,
            )
        arrived = await self._deliver(self._final_edit, self._non_empty(first), None if rest else view, file)
        for number, page in enumerate(rest, 1):
            arrived &= await self._deliver(self._follow_up, page, view if number == len(rest) else None, None)
        if not arrived:
            log.error("request %s: its answer did not arrive", self._interaction.id)
        return arrived

    async def stop(self) -> None:
        """Stop editing. An edit on its way is waited for, so that it cannot overwrite what comes after."""
        self._finished = True
        async with self._editing:
            if self._task is not None:
                self._task.cancel()
        if self._task is not None:
            await asyncio.wait([self._task])

    def _non_empty(self, content: str) -> str:
        return content if content.strip() else self._words("reply.no_text")

    async def _keep_up(self) -> None:
        """Edit whenever there is something new and the pace allows; what fails now is shown by a later edit."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(max(0.0, self._next_edit - self._clock()))
            async with self._editing:
                self._changed.clear()
                if self._latest == self._on_screen:
                    continue
                text = self._latest  # what comes while the edit is on its way needs another one
                try:
                    with retries.retrying(retries.NO_RETRY):  # a newer text is better than the same one again
                        await self._edit(text, *(() if self._on_screen else (self._view,)))
                    self._on_screen = text
                except _UNREACHABLE as error:
                    log.debug("request %s: an edit failed: %s", self._interaction.id, error)
                    if _is_gone(error):
                        return  # only the final state can still be shown, by another way
                self._next_edit = self._clock() + self._interval

    async def _edit(self, content: str, *view: discord.ui.View | None, file: str | None = None) -> None:
        """Answer the interaction, or edit its answer; without ``view`` the buttons stay as they are."""
        options: dict[str, Any] = {"view": view[0]} if view else {}
        if not self._interaction.response.is_done():
            if not options.get("view"):
                options = {}
            if file is not None:
                options["file"] = _as_file(file)
            await self._interaction.response.send_message(content, **options)
            return
        if file is not None:
            options["attachments"] = [_as_file(file)]
        message = await self._interaction.edit_original_response(content=content, **options)
        self._message_id, self._ephemeral = message.id, message.flags.ephemeral

    async def _final_edit(self, content: str, view: discord.ui.View | None, file: str | None) -> None:
        await self._edit(content, view, file=file)

    async def _follow_up(self, content: str, view: discord.ui.View | None, file: str | None) -> None:
        options: dict[str, Any] = {"view": view} if view else {}
        if file is not None:
            options["file"] = _as_file(file)
        await self._interaction.followup.send(content, ephemeral=self._ephemeral, wait=True, **options)

    async def _deliver(
        self,
        send: Callable[[str, discord.ui.View | None, str | None], Awaitable[None]],
        content: str,
        view: discord.ui.View | None,
        file: str | None,
    ) -> bool:
        """Show it, and tell whether it arrived. What fails for a moment is repeated below, in ``discordpy.retries``."""
        try:
            with retries.retrying(retries.LASTING):
                await send(content, view, file)
        except _UNREACHABLE as error:
            if isinstance(error, discord.HTTPException) and error.code == UNKNOWN_MESSAGE:
                log.info("request %s: its answer was deleted by someone", self._interaction.id)
                return True
            if _is_gone(error) and send != self._to_channel:
                return not self._ephemeral and await self._deliver(self._to_channel, content, view, file)
            log.warning("request %s: Discord did not take the answer: %s", self._interaction.id, error)
            return False
        return True

    async def _to_channel(self, content: str, view: discord.ui.View | None, file: str | None) -> None:
        """Show it by the bot's own right: as an edit of the unfinished answer, or as a message of its own."""
        channel = self._interaction.channel
        if not isinstance(channel, discord.abc.Messageable):
            raise OSError("the channel is not known")
        files = [] if file is None else [_as_file(file)]
        if self._message_id is not None:
            message_id, self._message_id = self._message_id, None  # pages that follow are messages of their own
            try:
                unfinished = channel.get_partial_message(message_id)  # type: ignore[union-attr] # all but Context have it
                await unfinished.edit(content=content, view=view, attachments=files)
            except discord.HTTPException as error:
                log.debug("request %s: its old answer cannot be edited: %s", self._interaction.id, error)
                files = [] if file is None else [_as_file(file)]
            else:
                return
        if view is None:
            await channel.send(content, files=files)
        else:
            await channel.send(content, files=files, view=view)


def _is_gone(error: Exception) -> bool:
    return isinstance(error, discord.HTTPException) and (error.code in _TOKEN_GONE or error.status == 401)


def _small(note: str) -> str:
    """Return ``note`` as Discord's small print, to stand below a text; what is too long for that is cut."""
    return "".join(f"\n-# {line}" for line in note[:MAX_NOTE].splitlines() if line.strip())


def _pages(text: str, below: str) -> list[str]:
    """Return the pages of ``text`` with the small print below the last; always at least one."""
    pages = split(text) or [""]
    if length(pages[-1]) + length(below) > MESSAGE_LIMIT:
        pages[-1:] = split(pages[-1], MESSAGE_LIMIT - length(below))
    pages[-1] += below
    return pages


def _as_file(text: str) -> discord.File:
    return discord.File(io.BytesIO(text.encode()), "text.txt")
