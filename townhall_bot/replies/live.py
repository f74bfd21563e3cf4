"""A text that grows in the chat by edits, at a pace Discord accepts, and always ends with its final state."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import discord

from townhall_bot.discordpy import answers, retries
from townhall_bot.discordpy.answers import FAILURES
from townhall_bot.i18n.core_texts import TEXTS
from townhall_bot.replies.final_pages import as_file, final_pages, small
from townhall_bot.replies.paging import MESSAGE_LIMIT, length, tail
from townhall_bot.replies.refusal import why
from townhall_bot.replies.sanitize import sanitize

log = logging.getLogger("townhall.replies")

NO_TEXT = frozenset(TEXTS.of(locale)("reply.no_text") for locale in TEXTS.locales)
"""What stands in place of an empty text, in every language."""


class LiveReply:
    """Shows a growing text as the response of ``interaction``, which has been deferred (or not yet answered).

    :meth:`show` may be called for every token: the latest text wins, edits happen at most every ``interval`` seconds.
    :meth:`finish` must be called in the end. ``view`` holds the buttons while the text grows; ``ephemeral`` says that
    the answer is for the asker alone. Text is sanitized (:mod:`townhall_bot.replies.sanitize`), and nothing in it
    mentions anyone. ``on_gone`` is awaited once where somebody has deleted the answer, or its channel or thread: then
    nothing more is shown, and there is no point in going on.
    """

    def __init__(
        self,
        interaction: discord.Interaction[Any],
        *,
        interval: float = 1.2,
        clock: Callable[[], float] = time.monotonic,
        view: discord.ui.View | None = None,
        ephemeral: bool = False,
        on_gone: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.gone = False
        """Whether the answer was deleted, by whomever."""
        self._on_gone = on_gone
        self._interaction = interaction
        self._words = TEXTS.for_user(interaction) if ephemeral else TEXTS.for_channel(interaction)
        self._interval = interval
        self._clock = clock
        self._view = view
        self._latest = self._on_screen = ""
        self._text = self._text_on_screen = ""  # the same without small print; nothing while there is no text yet
        self._changed = asyncio.Event()
        self._editing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._next_edit = clock()
        self._message_id: int | None = None
        self._newest: discord.Message | None = None
        """The last page that arrived; None where that is the first."""
        self._ephemeral = ephemeral
        self._finished = False

    async def __aenter__(self) -> LiveReply:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def show(self, text: str, *, note: str = "", placeholder: bool = False) -> None:
        """Show ``text`` with a small ``note`` below it as soon as the pace allows. Never waits, never fails.

        A ``placeholder`` stands in for a text that is to come.
        """
        if self._finished:
            return
        below = small(note)
        shown = tail(sanitize(text), MESSAGE_LIMIT - length(below))
        self._text = "" if placeholder else shown
        self._latest = self._non_empty(shown + below)
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._keep_up(), name="live-reply")

    async def finish(
        self, text: str, *, note: str = "", view: discord.ui.View | None = None, plain: str | None = None
    ) -> bool:
        """Show the final state, in several messages or with a file where it is long; ``view`` goes below the last.

        ``plain`` is what a file holds in place of ``text``: the same without the escapes that a chat needs.
        Where the interaction's token has expired, the text goes to the channel instead, unless the answer was for
        the asker alone. Where Discord refuses a page for good (AutoMod, say), what stands keeps standing and gets the
        buttons, and the asker is told why. Returns whether the text arrived; its loss is logged.
        """
        await self.stop()
        if self.gone:
            return True
        may_attach = self._interaction.app_permissions.attach_files
        (first, *rest), file = final_pages(text, note, plain, self._words, may_attach=may_attach)
        failure = await self._deliver(self._final_edit, self._non_empty(first), None if rest else view, file)
        if failure is not None:
            return await self._lost(failure, 0, view)
        self._message_id = None  # it is whole: pages that follow are messages of their own, by whatever way they come
        for number, page in enumerate(rest, 1):
            if self.gone:
                break
            failure = await self._deliver(self._follow_up, page, view if number == len(rest) else None, None)
            if failure is not None:
                return await self._lost(failure, number, view)
        return True

    async def _lost(self, failure: Exception, arrived: int, view: discord.ui.View | None) -> bool:
        """Leave the buttons on what arrived, tell the asker what did not, and why; returns False."""
        refused = answers.is_refused(failure)
        log.log(
            logging.WARNING if refused else logging.ERROR,
            "request %s: its answer did not arrive, after %d page(s): %s",
            *(self._interaction.id, arrived, failure),
        )
        if arrived:
            await self._put_below(view)
        elif refused:
            said = small(why(failure, self._words))
            kept = self._text_on_screen
            for content in ([tail(kept, MESSAGE_LIMIT - length(said)) + said] if kept else []) + [said.strip()]:
                if await self._deliver(self._final_edit, content, view, None) is None:
                    break
        if answers.is_ban(failure):  # whatever is asked now prolongs it
            return False
        try:
            await self._interaction.followup.send(why(failure, TEXTS.for_user(self._interaction)), ephemeral=True)
        except FAILURES as error:
            log.warning("request %s: its asker could not be told: %s", self._interaction.id, error)
        return False

    async def _put_below(self, view: discord.ui.View | None) -> None:
        """Put the buttons below the last page that arrived."""
        try:
            if self._newest is not None:
                await self._newest.edit(view=view)
            else:
                await self._interaction.edit_original_response(view=view)
        except FAILURES as error:
            log.warning("request %s: its answer has no buttons: %s", self._interaction.id, error)

    async def _notice_deletion(self, error: Exception) -> bool:
        """Tell whether this error means that somebody deleted the answer; who waits for that is told once."""
        if not answers.is_deleted(error):
            return False
        if not self.gone:
            self.gone = True
            log.info("request %s: its answer was deleted by someone", self._interaction.id)
            if self._on_gone is not None:
                await self._on_gone()
        return True

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
                pause = 0.0
                latest, text = self._latest, self._text  # what comes while the edit is on its way needs another one
                try:
                    with retries.retrying(retries.NO_RETRY):  # a newer text is better than the same one again
                        await self._edit(latest, *(() if self._on_screen else (self._view,)))
                    self._on_screen, self._text_on_screen = latest, text
                except FAILURES as error:
                    log.debug("request %s: an edit failed: %s", self._interaction.id, error)
                    if await self._notice_deletion(error) or _is_no_use(error):
                        return  # only the final state can still be shown, perhaps by another way
                    pause = getattr(error, "retry_after", 0.0)
                self._next_edit = self._clock() + max(self._interval, pause)

    async def _edit(self, content: str, *view: discord.ui.View | None, file: str | None = None) -> None:
        """Answer the interaction, or edit its answer; without ``view`` the buttons stay as they are."""
        options: dict[str, Any] = {"view": view[0]} if view else {}
        if not self._interaction.response.is_done():
            if not options.get("view"):
                options = {}
            if file is not None:
                options["file"] = as_file(file)
            await self._interaction.response.send_message(content, **options)
            return
        if file is not None:
            options["attachments"] = [as_file(file)]
        message = await self._interaction.edit_original_response(content=content, **options)
        self._message_id, self._ephemeral = message.id, message.flags.ephemeral

    async def _final_edit(self, content: str, view: discord.ui.View | None, file: str | None) -> None:
        await self._edit(content, view, file=file)

    async def _follow_up(self, content: str, view: discord.ui.View | None, file: str | None) -> None:
        options: dict[str, Any] = {"view": view} if view else {}
        if file is not None:
            options["file"] = as_file(file)
        self._newest = await self._interaction.followup.send(content, ephemeral=self._ephemeral, wait=True, **options)

    async def _deliver(
        self,
        send: Callable[[str, discord.ui.View | None, str | None], Awaitable[None]],
        content: str,
        view: discord.ui.View | None,
        file: str | None,
    ) -> Exception | None:
        """Show it; return why it did not arrive. What fails for a moment is repeated below, in ``discordpy.retries``.

        An answer that somebody deleted is as good as one that arrived.
        """
        try:
            with retries.retrying(retries.LASTING):
                await send(content, view, file)
        except FAILURES as error:
            if await self._notice_deletion(error):
                return None
            if answers.is_expired(error) and send != self._to_channel:
                return error if self._ephemeral else await self._deliver(self._to_channel, content, view, file)
            return error
        return None

    async def _to_channel(self, content: str, view: discord.ui.View | None, file: str | None) -> None:
        """Show it by the bot's own right: as an edit of the unfinished answer, or as a message of its own."""
        channel = self._interaction.channel
        if not isinstance(channel, discord.abc.Messageable):
            raise OSError("the channel is not known")
        files = [] if file is None else [as_file(file)]
        if self._message_id is not None:
            message_id, self._message_id = self._message_id, None
            try:
                unfinished = channel.get_partial_message(message_id)  # type: ignore[union-attr] # all but Context have it
                await unfinished.edit(content=content, view=view, attachments=files)
            except FAILURES as error:
                log.debug("request %s: its old answer cannot be edited: %s", self._interaction.id, error)
                files = [] if file is None else [as_file(file)]
            else:
                return
        if view is None:
            self._newest = await channel.send(content, files=files)
        else:
            self._newest = await channel.send(content, files=files, view=view)


def _is_no_use(error: Exception) -> bool:
    return answers.is_refused(error) or answers.is_ban(error)
