"""A Discord on this machine: gateway and REST API in one aiohttp application on a loopback port."""

from __future__ import annotations

import logging
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import discord
from aiohttp import web

from townhall_bot.loopback.faults.faults import Faults
from townhall_bot.loopback.people.people import Person
from townhall_bot.loopback.rest import applications, channels, guilds, interactions, threads
from townhall_bot.loopback.rest.pipeline import Pipeline, RecordedRequest
from townhall_bot.loopback.wire import openapi
from townhall_bot.loopback.wire.gateway import Gateway
from townhall_bot.loopback.wire.posts import Posts, new_key
from townhall_bot.loopback.wire.rate_limits import RateLimiter
from townhall_bot.loopback.world import permissions
from townhall_bot.loopback.world.clock import Clock, ShiftedClock
from townhall_bot.loopback.world.guild import Guild
from townhall_bot.loopback.world.state import Attachment, Channel, Command
from townhall_bot.loopback.world.world import World

log = logging.getLogger("townhall.loopback")

ROUTES = [*applications.ROUTES, *interactions.ROUTES, *channels.ROUTES, *threads.ROUTES, *guilds.ROUTES]
LARGEST_BODY = 64 * 1024 * 1024
STRANGER = permissions.MEMBER & ~discord.Permissions(use_application_commands=True)


@dataclass(frozen=True, slots=True)
class TownhallWorld:
    """The ready-made server: its channels and people by name."""

    guild: Guild
    channels: dict[str, Channel]
    people: dict[str, Person]


class PortUnusable(OSError):
    """A local Discord cannot listen where it was told to."""


class LoopbackDiscord:
    """The local Discord. ``async with`` starts and stops it; ``port`` 0 takes a free one.

    ``clock`` is what every limit is measured by. ``openapi`` names Discord's description (default: where
    ``TOWNHALL_DISCORD_OPENAPI`` says, or beside the checkout). ``rate_scale`` shortens the rate limits' windows.
    """

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        clock: Clock = time.time,
        openapi: Path | None = None,
        rate_scale: float = 1.0,
        heartbeat_seconds: float = 41.25,
    ) -> None:
        self._host = host
        self._port = port
        shifted = ShiftedClock(clock)
        self.world = World(shifted)
        self.gateway = Gateway(self.world, heartbeat_seconds)
        self.faults = Faults(self.gateway, shifted)
        self._limiter = RateLimiter(shifted, rate_scale)
        self._openapi = openapi
        self._exit = AsyncExitStack()
        self._townhall: TownhallWorld | None = None
        self._pipeline: Pipeline | None = None

    async def __aenter__(self) -> LoopbackDiscord:
        checker = openapi.checker(self._openapi or openapi.find_description())
        self._pipeline = Pipeline(self.world, self.faults, self._limiter, checker)
        app = web.Application(client_max_size=LARGEST_BODY)
        self._pipeline.install(app, ROUTES)
        app.router.add_get("/", self.gateway.handle)
        app.router.add_get("/attachments/{channel_id}/{attachment_id}/{filename}", self._file)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._exit.push_async_callback(runner.cleanup)
        self._exit.push_async_callback(self.gateway.close_connections)
        site = web.TCPSite(runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            await self._exit.aclose()
            raise PortUnusable(error.errno, error.strerror) from None
        self._port = runner.addresses[0][1]
        self.world.base_url = f"http://{self._host}:{self._port}"
        log.info("a local Discord listens on %s", self.world.base_url)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.faults.clear()
        await self._exit.aclose()

    def sign_posts(self) -> Posts:
        """Give the application a key pair; return what sends interactions to an endpoint, once one is named to it."""
        posts = Posts(self.world, new_key(self.world), self.world.clock)
        self._exit.push_async_callback(posts.close)
        return posts

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def token(self) -> str:
        """The bot's token."""
        return self.world.application.token

    @property
    def api_url(self) -> str:
        """The REST API's address."""
        return f"{self.world.base_url}/api/v10"

    @property
    def gateway_url(self) -> str:
        """The gateway's address."""
        return f"ws://{self._host}:{self._port}/"

    @property
    def commands(self) -> list[Command]:
        """The registered commands, global ones and those of servers."""
        return list(self.world.commands.values())

    @property
    def requests(self) -> list[RecordedRequest]:
        """The last requests, oldest first."""
        return list(self._pipeline.requests) if self._pipeline else []

    def add_guild(self, name: str, *, bot_permissions: discord.Permissions | None = permissions.BOT) -> Guild:
        """Create a server that the bot has joined; with None, one that it is not in."""
        return self.world.add_guild(name, bot_permissions=bot_permissions)

    def townhall(self) -> TownhallWorld:
        """Return the ready-made server, made at the first call: #general, #gpt2, an admin, two members, a stranger."""
        if self._townhall is None:
            ids, self.world.ids = self.world.ids, self.world.fixed_ids
            guild = self.add_guild("Townhall")
            rooms = {name: guild.add_channel(name) for name in ("general", "gpt2")}
            people = {
                "admin": Person(guild.add_member("admin", permissions.ADMIN)),
                "ada": Person(guild.add_member("ada")),
                "ben": Person(guild.add_member("ben")),
                "stranger": Person(guild.add_member("stranger", STRANGER)),
            }
            self.world.ids = ids
            self._townhall = TownhallWorld(guild, rooms, people | {"member": people["ada"]})
        return self._townhall

    async def _file(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.asked_for("GET", "/attachments/{channel_id}/{attachment_id}/{filename}")
        if fault is not None:
            if fault.cut and request.transport is not None:
                request.transport.close()
            return web.Response(status=fault.status or 502)
        key = request.match_info["attachment_id"]
        file = self.find_file(int(request.match_info["channel_id"]), int(key)) if key.isdecimal() else None
        if file is None:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(
            body=file.data,
            headers={"Content-Type": file.content_type, "X-Content-Type-Options": "nosniff"},
        )

    def find_file(self, channel_id: int, attachment_id: int) -> Attachment | None:
        """Return a posted file, or one uploaded for a command's option."""
        channel = self.world.channels.get(channel_id)
        posted = [file for message in channel.history.values() for file in message.attachments] if channel else []
        found = next((file for file in posted if file.id == attachment_id), None)
        return found or self.world.files.get(attachment_id)
