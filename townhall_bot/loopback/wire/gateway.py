"""The gateway: sessions that identify, heartbeat, resume, and get what their intents let them see."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import discord
from aiohttp import WSCloseCode, web

from townhall_bot.loopback.wire import payloads
from townhall_bot.loopback.wire.connection import Connection, Session
from townhall_bot.loopback.wire.dispatches import GUILD_CREATE, Dispatch, dispatches_of
from townhall_bot.loopback.world.events import Change
from townhall_bot.loopback.world.state import Payload
from townhall_bot.loopback.world.world import World

INTERACTION = "INTERACTION_CREATE"
CLOSE_SECONDS = 2.0
"""How long a close waits for the client's own."""
REMEMBERED_EVENTS = 5000


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One event as a session was sent it, for an inspector; ``at`` is by the server's clock."""

    at: float
    text: str


class Gateway:
    """Every session of the bot. It subscribes to the world and turns changes into dispatches."""

    def __init__(self, world: World, heartbeat_seconds: float = 41.25) -> None:
        self.world = world
        self.heartbeat_seconds = heartbeat_seconds
        self.sessions: dict[str, Session] = {}
        self.events: deque[SentEvent] = deque(maxlen=REMEMBERED_EVENTS)
        self.identified = 0
        self.identifies: deque[tuple[float, int]] = deque(maxlen=REMEMBERED_EVENTS)
        """When sessions were begun, by the machine's own clock, and of which shard."""
        self.identify_seconds = 0.0
        """How far apart sessions of a bucket must be; Discord wants 5 s, and sends who is sooner away."""
        self.resumed = 0
        self.delays: Callable[[str], Iterable[float]] = lambda _: (0.0,)
        """When an event of that name is sent, in seconds from now; more than once where something goes wrong."""
        self._connections: set[Connection] = set()
        world.subscribe(self._on_change)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one websocket."""
        socket = web.WebSocketResponse(timeout=CLOSE_SECONDS)
        await socket.prepare(request)
        transport = request.transport
        writable = transport if isinstance(transport, asyncio.WriteTransport) else None
        connection = Connection(self, socket, writable)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self.world.publish(Change("bot_disconnected"))
        return socket

    @property
    def connected(self) -> bool:
        """A client is identified and its connection stands."""
        return any(session.queue is not None for session in self.sessions.values())

    def open_session(self, intents: discord.Intents, shard: tuple[int, int]) -> Session:
        """Start a session; an earlier one of the same shard that lost its client is forgotten."""
        for session in list(self.sessions.values()):
            if session.shard == shard and session.queue is None:
                del self.sessions[session.id]
        session = Session(intents, shard, self._note, lambda name: self.delays(name))
        self.sessions[session.id] = session
        self.identified += 1
        return session

    def may_identify(self, shard: int) -> bool:
        """Tell whether the last session of the shard's bucket was begun long enough ago, and note this one."""
        now, buckets = time.monotonic(), self.world.application.max_concurrency
        last = max((at for at, other in self.identifies if other % buckets == shard % buckets), default=None)
        self.identifies.append((now, shard))
        return last is None or now - last >= self.identify_seconds

    def _note(self, text: str) -> None:
        self.events.append(SentEvent(self.world.clock(), text))

    def greet(self, session: Session) -> None:
        """Send READY and the servers."""
        world = self.world
        guilds = [guild for guild in world.guilds.values() if session.sees(guild)]
        ready = {
            "v": 10,
            "user": payloads.current_user(world.bot),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": world.base_url.replace("http", "ws", 1),
            "shard": list(session.shard),
            "application": {"id": str(world.application.id), "flags": payloads.application_flags(world)},
            "private_channels": [],
            "relationships": [],
            "presences": [],
            "user_settings": {},
        }
        session.dispatch("READY", ready)
        if session.intents.guilds:
            for guild in guilds:
                everyone = session.intents.members
                session.dispatch(GUILD_CREATE, payloads.gateway_guild(guild, world.bot.id, all_members=everyone))

    def send_members(self, session: Session, data: Payload) -> None:
        """Answer op 8, request guild members."""
        guild = self.world.guilds.get(int(data["guild_id"]))
        if guild is None:
            return
        wanted = {int(i) for i in data.get("user_ids") or []}
        query = str(data.get("query") or "").lower()
        members = [m for m in guild.members.values() if not wanted or m.user.id in wanted]
        chosen = [m for m in members if m.user.name.startswith(query)]
        chunk: Payload = {
            "guild_id": str(guild.id),
            "members": [payloads.member(m) for m in chosen[: data.get("limit") or None]],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [str(i) for i in wanted - guild.members.keys()],
        }
        if "nonce" in data:
            chunk["nonce"] = data["nonce"]
        session.dispatch("GUILD_MEMBERS_CHUNK", chunk)

    def _on_change(self, change: Change) -> None:
        sending: list[Dispatch] = dispatches_of(change, self.world)
        for session in tuple(self.sessions.values()):
            for dispatch in sending:
                known = dispatch.guild is None or dispatch.name == INTERACTION or dispatch.guild.id in self.world.guilds
                known = known or dispatch.name == "GUILD_DELETE"
                if known and session.sees(dispatch.guild) and dispatch.intended_for(session.intents):
                    session.dispatch(dispatch.name, dispatch.payload_for(session.intents))

    async def send_to_all(self, payload: Payload) -> None:
        """Send a payload on every connection."""
        for connection in self._connections:
            connection.send(payload)

    async def close_connections(self, code: int = WSCloseCode.GOING_AWAY) -> None:
        """Close every connection with a code."""
        for connection in tuple(self._connections):
            await connection.socket.close(code=code)

    def cut_connections(self) -> None:
        """Break every connection without a closing handshake."""
        for connection in tuple(self._connections):
            connection.cut()

    def forget_sessions(self) -> None:
        """Make every session impossible to resume."""
        self.sessions.clear()
