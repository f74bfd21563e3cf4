"""Requests to Discord that are made again where the network, or Discord, fails for a moment.

discord.py repeats some failures and waits seconds in between; a first answer to an interaction has three seconds in
all, and a cut connection is not repeated at all. So everything that can safely be made twice is, nearly at once and
then at growing distances: answers and edits, and messages to channels, whose nonce lets Discord recognise the second
one. A follow-up has no such mark; where only its answer was lost it may stand there twice, which is better than not at
all.

This is the one place that repeats: who wants more attempts, or none, says so with :func:`retrying`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from functools import partial
from itertools import chain
from typing import Any, cast

import aiohttp
import discord
from discord.http import HTTPClient, Ratelimit, Route
from discord.webhook.async_ import AsyncWebhookAdapter, async_context

from townhall_bot.discordpy import answers, bodies
from townhall_bot.discordpy.answers import TOO_MANY_REQUESTS, Code, PutOff
from townhall_bot.discordpy.backoff import Backoff
from townhall_bot.redaction import redacted

log = logging.getLogger("townhall.bot")

USUAL = Backoff(first=0.2, longest=2.5, attempts=6)
FIRST_ANSWER = Backoff(first=0.05, longest=0.8, attempts=7)
"""For the first answer to an interaction, whatever else is chosen: Discord takes it within 3 seconds."""
LASTING = Backoff(first=0.5, longest=10.0, attempts=9)
"""For what must not be lost, such as a text that took a minute to write: up to three quarters of one."""
NO_RETRY = Backoff(first=0.0, longest=0.0, attempts=1)
"""For what a newer state replaces in a second."""

LONGEST_LIMIT_S = 30.0
"""A rate limit that lasts longer is not sat out: who waits is told."""
REMEMBERED = 1000
MESSAGES, DIRECT = "/channels/{channel_id}/messages", "/users/@me/channels"
REPEATED_BY_DISCORD_PY = (500, 502, 504, 524)

_chosen: ContextVar[Backoff | None] = ContextVar("retries", default=None)
_CUT = (aiohttp.ClientError, OSError, TimeoutError)
_FAILURES = (*_CUT, discord.DiscordServerError)


@contextlib.contextmanager
def retrying(backoff: Backoff) -> Iterator[None]:
    """Repeat the requests of this block, and of tasks that it starts, by another measure than :data:`USUAL`."""
    before = _chosen.set(backoff)
    try:
        yield
    finally:
        _chosen.reset(before)


def retry_answers(client: discord.Client) -> None:
    """Repeat everything that this task and those it starts answer to interactions."""
    async_context.set(RetryingAdapter(client))


def retry_requests(client: discord.Client) -> None:
    """Repeat those of a client's other requests that can safely be made twice."""
    http = client.http
    plain = http.request

    async def request(route: Route, *, files: Sequence[discord.File] | None = None, **options: Any) -> Any:
        async def attempt() -> Any:
            try:
                return bodies.check(await plain(route, files=files, **options), route.url)
            except discord.NotFound as error:
                if _gone(route, error):
                    return None
                raise
            except discord.RateLimited as error:
                raise PutOff(error.retry_after) from error

        repeatable = route.method != "POST" or route.path in (MESSAGES, DIRECT)
        chosen = (_chosen.get() or USUAL) if repeatable else NO_RETRY
        return await _repeat(attempt, chosen.pauses(), files, lambda error: _may_pass(error) and not _repeated(error))

    http.request = request  # type: ignore[method-assign] # discord.py makes its own HTTPClient and takes no other
    http.get_ratelimit = partial(_limit_that_is_used_up, http, http.get_ratelimit)  # type: ignore[method-assign] # same


def _limit_that_is_used_up(http: HTTPClient, of: Callable[[str], Ratelimit], key: str) -> Ratelimit:
    """Return the rate limit of a bucket, which refuses what would have to wait for long, and nothing else.

    discord.py refuses any request to a bucket whose period ends late, however many may still be made in it.
    """
    limit = of(key)
    limit._max_ratelimit_timeout = http.max_ratelimit_timeout if limit.remaining <= 0 else None
    return limit


class RetryingAdapter(AsyncWebhookAdapter):
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
        pauses = (_chosen.get() or USUAL).pauses()
        if first_answer:  # Discord may have taken one whose reply was lost; to ask again later is to hear of it
            pauses = chain(FIRST_ANSWER.pauses(), pauses if _chosen.get() is LASTING else ())
        unclear = first_answer and route.webhook_token in self._perhaps_answered
        at_once = cast(aiohttp.ClientSession, _AtOnce(session))
        plain = super().request

        async def attempt() -> Any:
            nonlocal unclear
            try:
                return bodies.check(await plain(route, at_once, files=files, **options), route.url)
            except _FAILURES:
                unclear = True
                raise
            except discord.HTTPException as error:
                bodies.cut(error)
                if unclear and first_answer and error.code == Code.ALREADY_ANSWERED:
                    return await self._answered(route, session)
                if _gone(route, error):
                    return None
                raise

        try:
            return await _repeat(attempt, pauses, files, _may_pass)
        except _FAILURES:
            if first_answer:
                self._perhaps_answered.append(route.webhook_token)
            raise

    async def _answered(self, route: Route, session: aiohttp.ClientSession) -> dict[str, Any]:
        """Return what Discord said to a first answer that it took while its reply was lost."""
        told: dict[str, Any] = {"interaction": {"id": str(route.webhook_id), "type": 2}}
        application = self._client.application_id
        assert application is not None  # known since the login
        assert route.webhook_token is not None  # it stands in the path
        with contextlib.suppress(discord.HTTPException, aiohttp.ClientError, OSError):  # a form has no message
            message = await self.get_original_interaction_response(application, route.webhook_token, session=session)
            flags = message.get("flags", 0)
            told["interaction"] |= {
                "response_message_id": message["id"],
                "response_message_loading": bool(flags & discord.MessageFlags(loading=True).value),
                "response_message_ephemeral": bool(flags & discord.MessageFlags(ephemeral=True).value),
            }
        return told


class _AtOnce:
    """A session that raises at once where discord.py would sleep: a server's errors, and limits that last."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @contextlib.asynccontextmanager
    async def request(self, method: str, url: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        async with self._session.request(method, url, **options) as response:
            if response.status >= 500:
                raise discord.DiscordServerError(response, await response.text())
            if response.status == TOO_MANY_REQUESTS:
                await _check_limit(response)
            yield response


async def _check_limit(response: aiohttp.ClientResponse) -> None:
    """Raise what discord.py would not: it sits out any limit, and takes a web page that came by a proxy for one."""
    try:
        told = await response.json(content_type=None)
        pause, code = float(told["retry_after"]), int(told.get("code") or 0)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise discord.HTTPException(response, await response.text()) from None
    if pause > LONGEST_LIMIT_S:
        raise PutOff(pause, code)


async def _repeat(
    attempt: Callable[[], Awaitable[Any]],
    pauses: Iterator[float],
    files: Sequence[discord.File] | None,
    again: Callable[[Exception], bool],
) -> Any:
    """Return what an attempt returns; raise what it raises where no pause is left or it need not be made ``again``."""
    while True:
        try:
            return await attempt()
        except Exception as error:
            if isinstance(error, discord.HTTPException):
                bodies.cut(error)
            pause = next(pauses, None) if again(error) else None
            if pause is None:
                if isinstance(error, _CUT):
                    answers.note_unreachable(error)
                raise
            log.debug("a request failed, again in %.2f s: %s", pause, redacted(error))
        for file in files or ():
            file.reset()
        await asyncio.sleep(pause)


def _may_pass(error: Exception) -> bool:
    """Tell whether a failure may pass.

    A rate limit is waited out by discord.py, as long as Discord says, five times: enough but for what must not be lost.
    """
    limited = answers.is_limit(error) and not isinstance(error, PutOff)
    return isinstance(error, _FAILURES) or (limited and _chosen.get() is LASTING)


def _repeated(error: Exception) -> bool:
    return isinstance(error, discord.HTTPException) and error.status in (*REPEATED_BY_DISCORD_PY, TOO_MANY_REQUESTS)


def _gone(route: Route, error: discord.HTTPException) -> bool:
    """Tell whether a message to be deleted is gone already, by a first attempt whose reply was lost or by somebody.

    Even aiohttp makes a DELETE again by itself where the connection broke.
    """
    return route.method == "DELETE" and error.code == Code.UNKNOWN_MESSAGE
