"""A Discord on this machine, for tests and for ``townhall local``.

It speaks the gateway and the REST API, version 10, to the unmodified discord.py over real sockets, and refuses what
Discord refuses. The state is one observable object (:class:`~townhall_bot.loopback.world.World`).
"""

from townhall_bot.loopback.changes import Change
from townhall_bot.loopback.client import point_discord_at
from townhall_bot.loopback.clock import ManualClock
from townhall_bot.loopback.errors import DiscordError
from townhall_bot.loopback.guild import Guild
from townhall_bot.loopback.kinds import ResponseType
from townhall_bot.loopback.option_values import CommandRefused
from townhall_bot.loopback.people import Person
from townhall_bot.loopback.server import LoopbackDiscord, TownhallWorld
from townhall_bot.loopback.state import Channel, Message
from townhall_bot.loopback.turns import Turn

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
    "ResponseType",
    "TownhallWorld",
    "Turn",
    "point_discord_at",
]
