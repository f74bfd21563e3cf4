"""One client's side of the gateway: its websocket, its obligations, and the session it can resume."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import discord
from aiohttp import WSMsgType, web

from townhall_bot.loopback.world import json_text
from townhall_bot.loopback.world.enums import Opcode
from townhall_bot.loopback.world.events import Change
from townhall_bot.loopback.world.guild import Guild
from townhall_bot.loopback.world.state import Payload

if TYPE_CHECKING:
    from townhall_bot.loopback.wire.gateway import Gateway

log = logging.getLogger("townhall.loopback")

REPLAY_LIMIT = 2000
"""Events kept for a resume; a client that missed more identifies anew."""
SENDS_PER_MINUTE = 120
NETWORK_SECONDS = 0.03
"""How long an answer to a heartbeat is on its way, as to a Discord that is somewhere else."""
AFTER_IDENTIFY = (
    Opcode.PRESENCE_UPDATE,
    Opcode.VOICE_STATE_UPDATE,
    Opcode.REQUEST_GUILD_MEMBERS,
    Opcode.GUILD_SUBSCRIPTIONS,
    Opcode.REQUEST_SOUNDBOARD_SOUNDS,
)
"""What an identified client may send; all but the request for members changes nothing here."""
PRIVILEGED = ("presences", "members", "message_content")


class Closing(Exception):
    """Ends a connection with one of Discord's close codes."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Session:
    """What one identified client was sent, so that it can resume."""

    def __init__(
        self,
        intents: discord.Intents,
        shard: tuple[int, int],
        note: Callable[[str], None],
        delays: Callable[[str], Iterable[float]],
    ) -> None:
        self.id = secrets.token_hex(16)
        self._note = note
        self._delays = delays
        self.intents = intents
        self.shard = shard
        self.seq = 0
        self.sent: deque[tuple[int, str]] = deque(maxlen=REPLAY_LIMIT)
        self.queue: asyncio.Queue[str] | None = None
        """Of the connection; None while no client is there."""

    def sees(self, guild: Guild | None) -> bool:
        """Tell whether a server's events come to this shard; direct messages come to shard 0."""
        shard_id, count = self.shard
        return shard_id == ((guild.id >> 22) % count if guild is not None else 0)

    def dispatch(self, name: str, data: Payload) -> None:
        """Send an event as the weather lets it: at once, late, or twice."""
        for delay in self._delays(name) if self.queue is not None else (0.0,):
            if delay:
                asyncio.get_running_loop().call_later(delay, self._send, name, data)
            else:
                self._send(name, data)

    def _send(self, name: str, data: Payload) -> None:
        # Numbered as it goes out: one that was overtaken and then lost with its connection is sent again to a resume.
        self.seq += 1
        text = json_text.write({"op": Opcode.DISPATCH, "t": name, "s": self.seq, "d": data})
        self.sent.append((self.seq, text))
        self._note(text)
        if self.queue is not None:
            self.queue.put_nowait(text)


class Connection:
    """One websocket: its outgoing queue, the session it belongs to, and its client's obligations."""

    def __init__(
        self, gateway: Gateway, socket: web.WebSocketResponse, transport: asyncio.WriteTransport | None = None
    ) -> None:
        self.gateway = gateway
        self.socket = socket
        self._transport = transport
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.session: Session | None = None
        self._sends: deque[float] = deque(maxlen=SENDS_PER_MINUTE)

    def send(self, payload: Payload) -> None:
        """Put a payload into the outgoing queue."""
        self.queue.put_nowait(json_text.write(payload))

    def cut(self) -> None:
        """Break the connection without a word, as a network does."""
        if self._transport is not None:
            self._transport.abort()

    async def run(self) -> None:
        """Talk until either side closes."""
        self.send({"op": Opcode.HELLO, "d": {"heartbeat_interval": int(self.gateway.heartbeat_seconds * 1000)}})
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
        most = self.gateway.heartbeat_seconds * 1.5
        last_beat = time.monotonic()
        while True:
            try:
                message = await self.socket.receive(timeout=max(0.01, last_beat + most - time.monotonic()))
            except TimeoutError:
                raise Closing(4009, "Session timed out.") from None
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return
            op, data = self._parse(message.data)
            if op == Opcode.HEARTBEAT:
                last_beat = time.monotonic()
            try:
                self._handle(op, data)
            except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
                raise Closing(4002, "Error while decoding payload.") from None

    def _parse(self, text: Any) -> tuple[int, Any]:
        now = time.monotonic()
        if len(self._sends) == SENDS_PER_MINUTE and now - self._sends[0] < 60:
            raise Closing(4008, "You are being rate limited.")
        self._sends.append(now)
        try:
            payload = json_text.read(text)
            return int(payload["op"]), payload.get("d")
        except (ValueError, TypeError, KeyError):
            raise Closing(4002, "Error while decoding payload.") from None

    def _handle(self, op: int, data: Any) -> None:
        if op == Opcode.HEARTBEAT:
            # discord.py notes when it sent the beat after it has sent it: an answer that is faster than any network
            # meets the time of the beat before, and the client believes itself 41 seconds away.
            asyncio.get_running_loop().call_later(NETWORK_SECONDS, self.send, {"op": Opcode.HEARTBEAT_ACK, "d": None})
        elif op == Opcode.IDENTIFY:
            self._identify(data)
        elif op == Opcode.RESUME:
            self._resume(data)
        elif op not in AFTER_IDENTIFY:
            raise Closing(4001, "Unknown opcode.")
        elif self.session is None:
            raise Closing(4003, "Not authenticated.")
        elif op == Opcode.REQUEST_GUILD_MEMBERS:
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
        self.gateway.world.application.sessions_left -= 1  # refused ones count as well
        intents = discord.Intents.none()
        intents.value = int(data.get("intents", -1))
        if not 0 <= intents.value <= discord.Intents.all().value:
            raise Closing(4013, "Invalid intent(s).")
        allowed = self.gateway.world.application.privileged
        if any(getattr(intents, name) and not getattr(allowed, name) for name in PRIVILEGED):
            raise Closing(4014, "Disallowed intent(s).")
        shard_id, count = data.get("shard") or (0, 1)
        if not 0 <= shard_id < count:
            raise Closing(4010, "Invalid shard.")
        if not self.gateway.may_identify(shard_id):
            self.send({"op": Opcode.INVALID_SESSION, "d": False})
            return
        self._attach(self.gateway.open_session(intents, (shard_id, count)))

    def _attach(self, session: Session) -> None:
        self.session = session
        session.queue = self.queue
        self.gateway.greet(session)
        self.gateway.world.publish(Change("bot_connected"))

    def _resume(self, data: Any) -> None:
        self._check_entry(data)
        session = self.gateway.sessions.get(str(data.get("session_id")))
        seq = int(data.get("seq") or 0)
        if session is None or (session.sent and seq < session.sent[0][0] - 1):
            self.send({"op": Opcode.INVALID_SESSION, "d": False})
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
        self.gateway.world.publish(Change("bot_connected"))
