"""The bot that runs a range of shards, beside other processes that run the others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import discord

from townhall_bot.bot import Townhall
from townhall_bot.discordpy import gateway
from townhall_bot.ops import session_limit
from townhall_bot.settings import Settings
from townhall_bot.shard_range import ShardRange
from townhall_bot.shards.owners import ShardOwner
from townhall_bot.shards.server_owner import ServerOwner
from townhall_bot.shards.turns import Turns

log = logging.getLogger("townhall.shards")


class ShardedTownhall(Townhall, discord.AutoShardedClient):
    """A :class:`~townhall_bot.bot.Townhall` that runs the shards which ``TOWNHALL_SHARDS`` names.

    The owner of shard 0 registers the commands, for all. A server's events come to its own shard, direct messages
    to shard 0.
    """

    def __init__(self, settings: Settings, *arguments: Any, **options: Any) -> None:
        self._range = ShardRange.parse(settings.shards or "auto")
        super().__init__(settings, *arguments, **options)
        self.owner: ShardOwner | ServerOwner = ShardOwner(settings.data_dir)
        if settings.database is not None:
            self.owner = ServerOwner(settings.database.get_secret_value())
        self.turns = Turns(settings.data_dir)
        self._concurrency = 1

    def client_options(self, settings: Settings) -> dict[str, Any]:
        """Return the shards, where the host names them, and how long one may take to connect."""
        # Many wait for their turn: that must not look like a connection that hangs.
        count = 1 if self._range is None else self._range.count
        options: dict[str, Any] = {"shard_connect_timeout": 180.0 + 5.0 * count}
        if self._range is not None:
            options |= {"shard_ids": list(self._range.ids), "shard_count": self._range.count}
        return options

    async def setup_hook(self) -> None:
        """Take the shards, then bring up the plugins. Raises :class:`~townhall_bot.store.lock.Held`."""
        if self._range is None:
            count = await gateway.advised_shards(self)
            self._range = ShardRange(0, count - 1, count)
            gateway.run_shards(self, self._range.ids, count)
        await self.owner.take(self._range, self.settings.lock_wait_s)
        log.info("this process has shards %s", self._range)
        await super().setup_hook()

    async def connect(self, *, reconnect: bool = True) -> None:
        """Connect every shard, one after another."""
        assert self._range is not None  # since the login
        await self.session_pace.wait_to_start(self, sessions=len(self._range.ids))
        if (limit := await gateway.session_limit(self)) is not None:
            self._concurrency = limit.at_once
        await discord.AutoShardedClient.connect(self, reconnect=reconnect)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait for this shard's turn among all processes."""
        if initial:
            self.session_pace.record()
        shard = shard_id or 0
        if self.settings.database is None:
            await self.turns.take(shard, self._concurrency)
        else:  # by the server's clock, for all machines
            bucket = shard % max(1, self._concurrency)
            await asyncio.sleep(await self.store.take_turn(f"identify/{bucket}", session_limit.IDENTIFY_SECONDS))

    @property
    def connected(self) -> bool:
        """Whether every shard's connection stands."""
        return set(self.shards) == set(self.shard_ids or ()) and not self.lost_shards

    @property
    def lost_shards(self) -> list[int]:
        """The shards whose connection does not stand now, of those that had one."""
        return [number for number, shard in self.shards.items() if shard.is_closed()]

    def shard_states(self) -> dict[str, dict[str, bool]]:
        """Return which of this process's shards are connected."""
        lost = self.lost_shards
        there = {str(number): number in self.shards and number not in lost for number in self.shard_ids or ()}
        return {"shards": there}

    @property
    def registers_commands(self) -> bool:
        """Whether this process tells Discord of the commands: one does, for all."""
        return self._range is None or self._range.first == 0

    async def let_go(self) -> None:
        """Leave the shards to others."""
        await asyncio.to_thread(self.owner.release)


def bot_class(settings: Settings) -> type[Townhall]:
    """Return what serves by these settings."""
    return Townhall if settings.shards is None or settings.interactions_port is not None else ShardedTownhall


@contextlib.asynccontextmanager
async def alone_on_server(settings: Settings) -> AsyncIterator[None]:
    """Where the database is a server's, be the one bot without shards on it; raises Held beside another.

    Bots with shards see to that themselves, and those that take commands by HTTP may be several.
    """
    if settings.database is None or settings.shards is not None or settings.interactions_port is not None:
        yield
        return
    owner = ServerOwner(settings.database.get_secret_value())
    await owner.take(None, settings.lock_wait_s)
    try:
        yield
    finally:
        await asyncio.to_thread(owner.release)
