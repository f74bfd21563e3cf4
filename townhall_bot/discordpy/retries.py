"""Requests to Discord that are made again where the network, or Discord, fails for a moment.

discord.py repeats some failures and waits seconds in between; a first answer to an interaction has three seconds in
all, and a cut connection is not repeated at all. So everything that can safely be made twice is, at once and then at
growing distances: answers and edits, and messages to channels, whose nonce lets Discord recognise the second one. A
follow-up has no such mark; where only its answer was lost it may stand there twice, which is better than not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from typing import Any, cast

import aiohttp
import discord
from discord.http import Route
from discord.webhook.async_ import AsyncWebhookAdapter, async_context

log = logging.getLogger("townhall.bot")

PAUSES: Sequence[float] = (0.1, 0.4, 1.0, 2.5)
"""Seconds between attempts."""
FIRST_ANSWER_PAUSES: Sequence[float] = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""The same for the first answer to an interaction, which Discord takes within 3 seconds."""
ALREADY_ANSWERED = 40060
UNKNOWN_MESSAGE = 10008
REMEMBERED = 1000
MESSAGES, DIRECT = "/channels/{channel_id}/messages", "/users/@me/channels"
REPEATED_BY_DISCORD_PY = (500, 502, 504, 524)

hasty: ContextVar[bool] = ContextVar("hasty", default=False)
"""Set where an attempt that fails should not be repeated, as for a state that a newer one replaces in a second."""
_FAILURES = (aiohttp.ClientError, OSError, TimeoutError, discord.DiscordServerError)


class PatientAdapter(AsyncWebhookAdapter):
    """Answers to interactions, follow-ups and their edits, made again until they arrive or it is hopeless."""

    def __init__(self, client: discord.Client) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # discord.py's own has no annotations
        self._client = client
        self._perhaps_answered: deque[object] = deque(maxlen=REMEMBERED)

    async def request(
        self,
        route: Route,
        session: aiohttp.ClientSession,
        *,
        files: Sequence[discord.File] | None = None,
        **options: Any,
    ) -> Any:
        """Make a request again where it failed for a moment; raises what the last attempt raised."""
        first_answer = route.path.endswith("/callback")
        pauses = iter(FIRST_ANSWER_PAUSES if first_answer else () if hasty.get() else PAUSES)
        unclear = first_answer and route.webhook_token in self._perhaps_answered
        at_once = cast(aiohttp.ClientSession, _AtOnce(session))
        while True:
            try:
                return await super().request(route, at_once, files=files, **options)
            except _FAILURES as error:
                unclear = True
                pause = next(pauses, None)
                if pause is None:
                    if first_answer:
                        self._perhaps_answered.append(route.webhook_token)
                    raise
                log.debug("%s failed, again in %.2f s: %s", route.method, pause, error)
            except discord.HTTPException as error:
                if unclear and first_answer and error.code == ALREADY_ANSWERED:
                    return await self._answered(route, session)
                if _gone(route, error):
                    return None
                raise
            for file in files or ():
                file.reset()
            await asyncio.sleep(pause)

    async def _answered(self, route: Route, session: aiohttp.ClientSession) -> dict[str, Any]:
        """Return what Discord said to a first answer that it took while its reply was lost."""
        told: dict[str, Any] = {"interaction": {"id": str(route.webhook_id), "type": 2}}
        application = self._client.application_id
        assert application is not None  # known since the login
        assert route.webhook_token is not None  # it stands in the path
        with contextlib.suppress(discord.HTTPException, aiohttp.ClientError, OSError):  # a form has no message
            message = await self.get_original_interaction_response(application, route.webhook_token, session=session)
            told["interaction"] |= {
                "response_message_id": message["id"],
                "response_message_loading": bool(message.get("flags", 0) & discord.MessageFlags(loading=True).value),
                "response_message_ephemeral": bool(
                    message.get("flags", 0) & discord.MessageFlags(ephemeral=True).value
                ),
            }
        return told


def _gone(route: Route, error: discord.HTTPException) -> bool:
    """Tell whether a message to be deleted is gone already, by a first attempt whose reply was lost or by somebody.

    Even aiohttp makes a DELETE again by itself where the connection broke.
    """
    return route.method == "DELETE" and error.code == UNKNOWN_MESSAGE


class _AtOnce:
    """A session that raises a server's error at once, where discord.py would sleep a second or more before the next."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @contextlib.asynccontextmanager
    async def request(self, method: str, url: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        async with self._session.request(method, url, **options) as response:
            if response.status >= 500:
                raise discord.DiscordServerError(response, await response.text())
            yield response


def answer_patiently(client: discord.Client) -> None:
    """Let everything that this task and those it starts say to interactions be said patiently."""
    async_context.set(PatientAdapter(client))


def request_patiently(client: discord.Client) -> None:
    """Let a client repeat the requests that can safely be made twice."""
    http = client.http
    plain = http.request

    async def request(route: Route, *, files: Sequence[discord.File] | None = None, **options: Any) -> Any:
        repeatable = route.method != "POST" or route.path in (MESSAGES, DIRECT)
        pauses = iter(PAUSES if repeatable and not hasty.get() else ())
        while True:
            try:
                return await plain(route, files=files, **options)
            except discord.NotFound as error:
                if _gone(route, error):
                    return None
                raise
            except _FAILURES as error:
                pause = next(pauses, None)
                tried = isinstance(error, discord.HTTPException) and error.status in REPEATED_BY_DISCORD_PY
                if pause is None or tried:
                    raise
                log.debug("%s failed, again in %.2f s: %s", route.method, pause, error)
            for file in files or ():
                file.reset()
            await asyncio.sleep(pause)

    http.request = request  # type: ignore[method-assign] # discord.py makes its own HTTPClient and takes no other
