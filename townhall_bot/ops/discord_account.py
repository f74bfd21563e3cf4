"""What Discord says of a token, asked once, without a gateway: whose it is, its application, commands, and the time."""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any

import aiohttp
import discord

from townhall_bot.discordpy import endpoints
from townhall_bot.ops import proxies

TIMEOUT_S = 15.0
PORTAL = "https://discord.com/developers/applications"
LEAST_PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    create_public_threads=True,
    attach_files=True,
    embed_links=True,
    read_message_history=True,
)
"""What is asked for. Answers to commands come without most of it; one that outlives the 15 minutes of its command goes
to the channel, long ones and pictures are files, the buttons below a text of several messages read the first ones, and
a story is a thread.
"""
PRIVILEGED = {"presence": 0b11 << 12, "server members": 0b11 << 14, "message content": 0b11 << 18}
"""The application's flags that say a privileged intent is switched on, in full or for few servers."""


COPY_AGAIN = f"Copy it again from {PORTAL} (your application → Bot → Reset Token). The client secret is something else."


def looks_like_a_token(text: str) -> bool:
    """Tell whether it has a token's three parts, of which the first is the bot's user id in base64 without padding."""
    parts = text.split(".")
    try:
        user_id = base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return False
    return len(parts) == 3 and user_id.isdecimal()


class TokenRefused(Exception):
    """Discord does not accept the token."""


class Unreachable(Exception):
    """Discord did not answer: ``problem`` says how, ``cure`` what helps; as text, both, to follow a colon."""

    def __init__(self, problem: str, cure: str = "") -> None:
        super().__init__(f"{problem}. {cure}" if cure else problem)
        self.problem, self.cure = problem, cure


@dataclass(frozen=True, slots=True)
class Account:
    """The bot behind a token."""

    name: str
    application_id: int
    privileged: tuple[str, ...]
    """The privileged intents that are switched on in the portal."""
    endpoint_url: str | None
    """Where Discord sends commands instead of the gateway, if anywhere."""
    commands: frozenset[str]
    """The names of the registered commands."""
    clock_ahead_s: float
    """How far this machine's clock is ahead of Discord's; about a second is the measurement's own error."""

    @property
    def invitation(self) -> str:
        """The link that adds the bot to a server, with the least permissions."""
        return discord.utils.oauth_url(
            self.application_id, permissions=LEAST_PERMISSIONS, scopes=("bot", "applications.commands")
        )


async def look_up(token: str, *, guild: int | None = None, clock: Callable[[], float] = time.time) -> Account:
    """Ask Discord; ``guild`` says where commands are registered. Raises TokenRefused or Unreachable.

    Asks where discord.py would.
    """
    if not re.fullmatch(r"[\x21-\x7e]+", token):  # no token, and what cannot be sent: an arrow key while it was typed
        raise TokenRefused
    headers = {
        "Authorization": f"Bot {token}",
        "User-Agent": f"DiscordBot (https://pypi.org/project/townhall-bot, {version('townhall-bot')})",
    }
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            asked = clock()
            user, sent = await _get(session, "/users/@me")
            ahead = (asked + clock()) / 2 - sent if sent is not None else 0.0
            application, _ = await _get(session, "/oauth2/applications/@me")
            place = f"/guilds/{guild}" if guild else ""
            path = f"/applications/{application['id']}{place}/commands"
            commands, _ = await _get(session, path, none=(403, 404))  # of a server that the bot is not in
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        if (of_proxy := proxies.problem(error)) is not None:
            raise Unreachable(of_proxy) from error
        reason = str(error).rstrip(".") or type(error).__name__
        raise Unreachable(reason, "Check the network, a proxy or a firewall.") from error
    flags = int(application.get("flags") or 0)
    return Account(
        str(user["username"]),
        int(application["id"]),
        tuple(name for name, bits in PRIVILEGED.items() if flags & bits),
        application.get("interactions_endpoint_url"),
        frozenset(command["name"] for command in commands),
        ahead,
    )


async def _get(session: aiohttp.ClientSession, path: str, *, none: tuple[int, ...] = ()) -> tuple[Any, float | None]:
    """Return the answer and when Discord sent it, by its own clock; an empty list for a status that means none."""
    address = endpoints.api_url() + path
    async with session.get(address, proxy=proxies.proxy_for(address)) as response:
        if response.status == 401:
            raise TokenRefused
        if response.status in none:
            return [], None
        response.raise_for_status()
        date = response.headers.get("Date")
        # The header has whole seconds, cut off: half of one is the best guess at the rest.
        sent = parsedate_to_datetime(date).timestamp() + 0.5 if date else None
        return await response.json(), sent
