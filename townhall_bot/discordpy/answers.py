"""What Discord answers where it does not do what was asked: its codes, and what each means for who waits.

The numbers are those of Discord's documentation ("Opcodes and Status Codes"); nothing else in the bot has any.
docs/reliability.md says for each request what people see then.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple, cast

import aiohttp
import discord

from townhall_bot.discordpy.bodies import NotDiscord


class Code(IntEnum):
    """Discord's JSON error codes that the bot tells apart."""

    UNKNOWN_CHANNEL = 10003
    UNKNOWN_MESSAGE = 10008
    UNKNOWN_WEBHOOK = 10015
    UNKNOWN_INTERACTION = 10062
    """Also a first answer after 3 seconds: Discord has told the asker that the application did not respond."""
    SLOW_MODE = 20016
    ANNOUNCEMENT_PACE = 20022
    CHANNEL_PACE = 20028
    SERVER_PACE = 20029
    COMMANDS_OF_A_DAY = 30034
    OLD_MESSAGE_PACE = 30046
    SENDING_DISABLED = 40004
    TOO_LARGE = 40005
    FEATURE_DISABLED = 40006
    ALREADY_ANSWERED = 40060
    """A second first answer. discord.py keeps one process from giving two."""
    RESOURCE_PACE = 40062
    CLOUDFLARE = 40333
    MISSING_ACCESS = 50001
    MISSING_PERMISSIONS = 50013
    INVALID_TOKEN = 50027
    """An interaction's token that has expired, after 15 minutes."""
    INVALID_FORM = 50035
    FILE_TOO_LARGE = 50045
    ARCHIVED_THREAD = 50083
    OVERLOADED = 130000
    LOCKED_THREAD = 160005
    AUTOMOD = 200000
    AUTOMOD_TITLE = 200001
    HARMFUL_LINK = 240000
    UPLOADS_LIMITED = 400001


_REASONS = {
    Code.AUTOMOD: "automod",
    Code.AUTOMOD_TITLE: "automod",
    Code.HARMFUL_LINK: "links",
    Code.MISSING_ACCESS: "rights",
    Code.MISSING_PERMISSIONS: "rights",
    Code.ARCHIVED_THREAD: "thread",
    Code.LOCKED_THREAD: "thread",
    Code.SLOW_MODE: "pace",
    Code.ANNOUNCEMENT_PACE: "pace",
    Code.CHANNEL_PACE: "pace",
    Code.SERVER_PACE: "pace",
    Code.OLD_MESSAGE_PACE: "pace",
    Code.RESOURCE_PACE: "pace",
    Code.TOO_LARGE: "large",
    Code.FILE_TOO_LARGE: "large",
    Code.UPLOADS_LIMITED: "uploads",
    Code.UNKNOWN_MESSAGE: "gone",
    Code.UNKNOWN_CHANNEL: "gone",
    Code.SENDING_DISABLED: "away",
    Code.FEATURE_DISABLED: "away",
    Code.OVERLOADED: "away",
    Code.CLOUDFLARE: "barred",
}
_DELETED = frozenset({Code.UNKNOWN_MESSAGE, Code.UNKNOWN_CHANNEL})
_EXPIRED = frozenset({Code.UNKNOWN_WEBHOOK, Code.INVALID_TOKEN})
TOO_MANY_REQUESTS = 429
_NOTE = "Discord did not answer, however often it was asked"
FAILURES = (discord.HTTPException, aiohttp.ClientError, OSError)
"""What a request to Discord raises."""


class _Answer(NamedTuple):
    """What an ``HTTPException`` reads of a response."""

    status: int
    reason: str
    headers: dict[str, str]


class PutOff(discord.HTTPException):
    """A rate limit that lasts too long to be sat out: who waits would rather know."""

    def __init__(self, retry_after: float, code: int = 0) -> None:
        answer = _Answer(TOO_MANY_REQUESTS, "Too Many Requests", {})
        message = {"message": f"Discord wants a pause of {retry_after:.0f} s", "code": code}
        super().__init__(cast(Any, answer), message)
        self.retry_after = retry_after


def code_of(error: BaseException) -> int:
    """Return Discord's code, 0 where there is none."""
    return error.code if isinstance(error, discord.HTTPException) else 0


def is_deleted(error: BaseException) -> bool:
    """Tell whether somebody deleted the message, its channel or its thread."""
    return code_of(error) in _DELETED


def is_expired(error: BaseException) -> bool:
    """Tell whether the interaction's token is no longer valid; the bot's own rights may still do."""
    return isinstance(error, discord.HTTPException) and (error.code in _EXPIRED or error.status == 401)


def is_limit(error: BaseException) -> bool:
    """Tell whether it is a rate limit of Discord's, which passes."""
    return isinstance(error, discord.HTTPException) and error.status == TOO_MANY_REQUESTS and not is_ban(error)


def is_ban(error: BaseException) -> bool:
    """Tell whether this machine's address is shut out, by Discord or Cloudflare: each further request prolongs it."""
    if not isinstance(error, discord.HTTPException) or isinstance(error, PutOff) or error.status != TOO_MANY_REQUESTS:
        return False
    headers = error.response.headers
    return "Via" not in headers or "json" not in headers.get("Content-Type", "")


def note_unreachable(error: BaseException) -> None:
    """Note on a failure of the network that it was Discord that was asked: a plugin asks others too."""
    if not is_unreachable(error):
        error.add_note(_NOTE)


def is_unreachable(error: BaseException) -> bool:
    """Tell whether Discord could not be had: its servers fail, or nothing of the kind answered."""
    asked = _NOTE in getattr(error, "__notes__", ())
    return asked or isinstance(error, discord.DiscordServerError | NotDiscord)


def is_refused(error: BaseException) -> bool:
    """Tell whether Discord will not have it, however often it is tried."""
    return isinstance(error, discord.HTTPException) and error.status < 500 and error.status != TOO_MANY_REQUESTS


def reason(error: BaseException) -> str:
    """Return in a word why Discord did not do it, as the texts ``reply.refused`` name it; "other" for the rest."""
    if named := _REASONS.get(cast(Code, code_of(error))):
        return named
    match error:
        case discord.HTTPException(status=413):
            return "large"
        case discord.HTTPException(status=429):
            return "barred" if is_ban(error) else "pace"
        case discord.HTTPException(status=403, code=0):  # Cloudflare's page: Discord's own have a code
            return "barred"
    return "away" if is_unreachable(error) else "other"
