"""The gateway: sessions that identify, heartbeat, resume, and get what their intents let them see."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections import deque
from typing import Any

import discord
from aiohttp import WSCloseCode, WSMsgType, web

from townhall_bot.loopback import payloads
from townhall_bot.loopback.dispatches import GUILD_CREATE, Dispatch, dispatches_of
from townhall_bot.loopback.guild import Guild
from townhall_bot.loopback.state import Payload
from townhall_bot.loopback.world import Change, World

log = logging.getLogger("townhall.loopback")

REPLAY_LIMIT = 2000
"""Events kept for a resume; a client that missed more identifies anew."""
SENDS_PER_MINUTE = 120
CLOSE_SECONDS = 2.0
"""How long a close waits for the client's own."""
PRIVILEGED = {"presences", "members", "message_content"}


class Closing(Exception):
    """Ends a connection with one of Discord's close codes."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Session:
    """What one identified client was sent, so that it can resume."""

    def __init__(self, intents: discord.Intents, shard: tuple[int, int]) -> None:
        self.id = secrets.token_hex(16)
        self.intents = intents
        self.shard = shard
        self.seq = 0
        self.sent: deque[tuple[int, str]] = deque(maxlen=REPLAY_LIMIT)
        self.queue: asyncio.Queue[str] | None = None

    def sees(self, guild: Guild | None) -> bool:
        """Tell whether a server's events come to this shard; direct messages come to shard 0."""
        shard_id, count = self.shard
        return shard_id == ((guild.id >> 22) % count if guild is not None else 0)

    def dispatch(self, name: str, data: Payload) -> None:
        """Send an event, or keep it for a resume."""
        self.seq += 1
        text = json.dumps({"op": 0, "t": name, "s": self.seq, "d": data}, ensure_ascii=False)
        self.sent.append((self.seq, text))
        if self.queue is not None:
            self.queue.put_nowait(text)


class Connection:
    """One websocket: its outgoing queue, the session it belongs to, and its client's obligations."""

    def __init__(self, gateway: Gateway, socket: web.WebSocketResponse) -> None:
        self.gateway = gateway
        self.socket = socket
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.session: Session | None = None
        self._sends: deque[float] = deque(maxlen=SENDS_PER_MINUTE)

    def send(self, payload: Payload) -> None:
        """Put a payload into the outgoing queue."""
        self.queue.put_nowait(json.dumps(payload, ensure_ascii=False))

    async def run(self) -> None:
        """Talk until either side closes."""
        self.send({"op": 10, "d": {"heartbeat_interval": int(self.gateway.heartbeat_seconds * 1000)}})
        writer = asyncio.create_task(self._write())
        try:
            await self._read()
        except Closing as closing:
            log.info("gateway connection closed with %d: %s", closing.code, closing.reason)
            with contextlib.suppress(ConnectionError):  # the client may have gone first
                await self._flush()
            await self.socket.close(code=closing.code, message=closing.reason.encode())
        finally:
            writer.cancel()
            if self.session is not None and self.session.queue is self.queue:
                self.session.queue = None

    async def _write(self) -> None:
        while True:
            text = await self.queue.get()
            try:
                await self.socket.send_str(text)
            except ConnectionError:
                return

    async def _flush(self) -> None:
        # What was queued before the close, an op 9 say, still goes out.
        while not self.queue.empty():
            await self.socket.send_str(self.queue.get_nowait())

    async def _read(self) -> None:
        # A client that misses its heartbeats is taken for dead, as Discord does.
        patience = self.gateway.heartbeat_seconds * 1.5
        last_beat = time.monotonic()
        while True:
            try:
                message = await self.socket.receive(timeout=max(0.01, last_beat + patience - time.monotonic()))
            except TimeoutError:
                raise Closing(4009, "Session timed out.") from None
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return
            op, data = self._parse(message.data)
            if op == 1:
                last_beat = time.monotonic()
            self._handle(op, data)

    def _parse(self, text: Any) -> tuple[int, Any]:
        now = time.monotonic()
        if len(self._sends) == SENDS_PER_MINUTE and now - self._sends[0] < 60:
            raise Closing(4008, "You are being rate limited.")
        self._sends.append(now)
        try:
            payload = json.loads(text)
            return int(payload["op"]), payload.get("d")
        except (ValueError, TypeError, KeyError):
            raise Closing(4002, "Error while decoding payload.") from None

    def _handle(self, op: int, data: Any) -> None:
        if op == 1:
            self.send({"op": 11, "d": None})
        elif op == 2:
            self._identify(data)
        elif op == 6:
            self._resume(data)
        elif op not in (3, 4, 8, 14, 31):
            raise Closing(4001, "Unknown opcode.")
        elif self.session is None:
            raise Closing(4003, "Not authenticated.")
        elif op == 8:
            self.gateway.send_members(self.session, data)

    def _check_entry(self, data: Any) -> None:
        if self.session is not None:
            raise Closing(4005, "Already authenticated.")
        if not isinstance(data, dict):
            raise Closing(4002, "Error while decoding payload.")
        if str(data.get("token", "")).removeprefix("Bot ") != self.gateway.world.application.token:
            raise Closing(4004, "Authentication failed.")

    def _identify(self, data: Any) -> None:
        self._check_entry(data)
        intents = discord.Intents._from_value(int(data.get("intents", -1)))
        if not 0 <= intents.value <= discord.Intents.all().value:
            raise Closing(4013, "Invalid intent(s).")
        allowed = self.gateway.world.application.privileged
        if any(getattr(intents, name) and not getattr(allowed, name) for name in PRIVILEGED):
            raise Closing(4014, "Disallowed intent(s).")
        shard_id, count = data.get("shard") or (0, 1)
        if not 0 <= shard_id < count:
            raise Closing(4010, "Invalid shard.")
        self._attach(self.gateway.open_session(intents, (shard_id, count)))

    def _attach(self, session: Session) -> None:
        self.session = session
        session.queue = self.queue
        self.gateway.greet(session)

    def _resume(self, data: Any) -> None:
        self._check_entry(data)
        session = self.gateway.sessions.get(str(data.get("session_id")))
        seq = int(data.get("seq") or 0)
        if session is None or (session.sent and seq < session.sent[0][0] - 1):
            self.send({"op": 9, "d": False})
            return
        if seq > session.seq:
            raise Closing(4007, "Invalid seq.")
        self.session = session
        for number, text in session.sent:
            if number > seq:
                self.queue.put_nowait(text)
        session.queue = self.queue
        self.gateway.resumed += 1
        session.dispatch("RESUMED", {})


class Gateway:
    """Every session of the bot. It subscribes to the world and turns changes into dispatches."""

    def __init__(self, world: World, heartbeat_seconds: float = 41.25) -> None:
        self.world = world
        self.heartbeat_seconds = heartbeat_seconds
        self.sessions: dict[str, Session] = {}
        self.identified = 0
        self.resumed = 0
        self._connections: set[Connection] = set()
        world.subscribe(self._on_change)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one websocket."""
        socket = web.WebSocketResponse(timeout=CLOSE_SECONDS)
        await socket.prepare(request)
        connection = Connection(self, socket)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
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
        session = Session(intents, shard)
        self.sessions[session.id] = session
        self.identified += 1
        return session

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
                if session.sees(dispatch.guild) and dispatch.intended_for(session.intents):
                    session.dispatch(dispatch.name, dispatch.payload_for(session.intents))

    async def send_to_all(self, payload: Payload) -> None:
        """Send a payload on every connection."""
        for connection in self._connections:
            connection.send(payload)

    async def close_connections(self, code: int = WSCloseCode.GOING_AWAY) -> None:
        """Close every connection with a code."""
        for connection in tuple(self._connections):
            await connection.socket.close(code=code)

    def forget_sessions(self) -> None:
        """Make every session impossible to resume."""
        self.sessions.clear()
