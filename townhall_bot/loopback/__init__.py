"""A Discord on this machine, for tests and for ``townhall local``.

It speaks the gateway and the REST API, version 10, to the unmodified discord.py over real sockets, and refuses what
Discord refuses. The state is one observable object (:class:`~townhall_bot.loopback.world.world.World`).
"""

from townhall_bot.loopback.people.people import Person
from townhall_bot.loopback.people.refusals import CommandRefused
from townhall_bot.loopback.people.turn import Turn
from townhall_bot.loopback.server import LoopbackDiscord, PortUnusable, TownhallWorld
from townhall_bot.loopback.wire.client import point_discord_at
from townhall_bot.loopback.world.clock import ManualClock
from townhall_bot.loopback.world.enums import ResponseType
from townhall_bot.loopback.world.errors import DiscordError
from townhall_bot.loopback.world.events import Change
from townhall_bot.loopback.world.guild import Guild
from townhall_bot.loopback.world.state import Channel, Message

__all__ = [
    "Change",
    "Channel",
    "CommandRefused",
    "DiscordError",
    "Guild",
    "LoopbackDiscord",
    "ManualClock",
    "Message",
    "Person",
    "PortUnusable",
    "ResponseType",
    "TownhallWorld",
    "Turn",
    "point_discord_at",
]
