"""Talking to the bot: a mention with words, a reply to one of its texts, a direct message."""

from __future__ import annotations

import time
from collections.abc import Callable

from plugins.gpt2.chat.responder import Responder
from plugins.gpt2.conversation.followed import FollowedMessages
from plugins.gpt2.conversation.past import turns_of
from plugins.gpt2.conversation.seldom import Seldom
from plugins.gpt2.conversation.stories import Stories
from plugins.gpt2.messages import TEXTS
from townhall_bot.discordpy.answers import FAILURES, is_refused, reason
from townhall_bot.plugins.hearing import Heard, tell_in_private
from townhall_bot.replies import Refusal

HINT_EVERY_S = 3600.0
"""How often a channel is told how to ask, at most."""
REFUSAL_EVERY_S = 60.0
"""How often a member is told in a server's channel, before everyone, why there is no text."""


class Talk:
    """Answers what is said, where the server's admins or, for direct messages, the host let it.

    ``clock`` is in seconds.
    """

    def __init__(self, responder: Responder, stories: Stories, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._responder = responder
        self._stories = stories
        self._followed = FollowedMessages()
        self._hinted = Seldom(HINT_EVERY_S, clock)
        self._refused = Seldom(REFUSAL_EVERY_S, clock)

    async def hear(self, heard: Heard) -> bool:
        """Answer a message. Raises Refusal as commands do."""
        if (why_not := await self._why_not(heard)) is not None:
            await self._hint(heard, why_not)
        else:
            await self._answer(heard)
        return True

    async def edit(self, heard: Heard) -> bool:
        """Write anew where other words are asked for than before: while that is written, or the last answer."""
        kept = self._followed.get(heard.message.id)
        if kept is None:
            return False
        if kept.words == hash(heard.words) or (kept.ask is None and not self._followed.is_newest(heard.message.id)):
            return True
        if await self._why_not(heard) is not None:
            return True
        await kept.stop()
        await kept.delete(first=1)
        heard.ask.overwrite(kept.answers)
        await self._answer(heard)
        return True

    async def deletion(self, message_ids: set[int]) -> None:
        """End what answers these messages, and delete it."""
        for message_id in message_ids:
            if (kept := self._followed.pop(message_id)) is not None:
                self._responder.prompt_cache.forget_request(message_id)
                await kept.stop()
                await kept.delete()
                if kept.in_story is not None:
                    await self._stories.mend(kept.in_story)

    async def _why_not(self, heard: Heard) -> str | None:
        """Return the name of the text that says why a message is not answered, "" for none; None where it is."""
        if heard.message.guild is None:
            return None if self._responder.settings.direct_messages else "talk.commands_only"
        rules = await self._responder.rules.of(heard.message.guild.id)
        if not rules.mentions:
            return "talk.off" if heard.is_told else ""
        if not heard.is_told:
            return "talk.untold"
        return None if heard.words or heard.replied_to is not None else "talk.how"

    async def _hint(self, heard: Heard, text: str) -> None:
        """Say in a line how to ask, where there is anything to say; a channel is told once an hour."""
        if not text or not self._hinted.may(heard.ask.channel_id):
            return
        said = TEXTS.for_channel(heard.ask.as_interaction)(text)
        if heard.ask.may_write:
            await heard.ask.response.send_message(said)
        else:
            await tell_in_private(heard, said)

    async def _answer(self, heard: Heard) -> None:
        ask, interaction = heard.ask, heard.ask.as_interaction
        if not ask.may_write:
            await self._hint(heard, "talk.not_allowed")
            return
        with self._followed.answering(ask, heard.words) as kept:
            try:
                if await self._in_story(heard):
                    kept.in_story = interaction
                    return
                turns = await self._turns(heard)
                if not turns and not heard.words:  # a picture, or a reply to what is no text
                    await self._hint(heard, "talk.how")
                    return
                await self._responder.answer(interaction, heard.words, spoken=True, turns=turns)
            except Refusal as refusal:
                told = refusal.shown or bool(ask.answers) or ask.guild is None
                if told or self._refused.may((ask.channel_id, ask.user.id)):
                    raise
                raise Refusal(str(refusal), shown=True) from refusal  # that was said a moment ago
            finally:
                await ask.settle()

    async def _in_story(self, heard: Heard) -> bool:
        try:
            return await self._stories.hear(heard)
        except FAILURES as error:
            raise _unread(heard, error) from error

    async def _turns(self, heard: Heard) -> tuple[str, ...]:
        me = heard.ask.client.user
        if heard.replied_to is None or me is None:
            return ()
        try:
            return await turns_of(heard.replied_to, self._responder.prompt_cache, me.id)
        except FAILURES as error:
            raise _unread(heard, error) from error


def _unread(heard: Heard, error: Exception) -> Refusal:
    words = TEXTS.for_channel(heard.ask.as_interaction)
    for_good = is_refused(error) and reason(error) != "barred"
    return Refusal(words("refused.not_read" if for_good else "refused.not_read_now"))
