"""A server, and how tests and the local program furnish it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import discord

from townhall_bot.loopback.world import permissions
from townhall_bot.loopback.world.enums import ChannelType
from townhall_bot.loopback.world.events import Change
from townhall_bot.loopback.world.state import Channel, HasId, Member, Overwrite, Role, User

if TYPE_CHECKING:
    from townhall_bot.loopback.world.world import World


@dataclass(eq=False, slots=True)
class Guild:
    """A server with its channels, roles and members."""

    world: World = field(repr=False)
    id: int
    name: str
    owner_id: int
    roles: dict[int, Role] = field(default_factory=dict)
    channels: list[Channel] = field(default_factory=list)
    members: dict[int, Member] = field(default_factory=dict)
    locale: str = "en-US"
    created_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.created_at = self.world.clock()

    def add_channel(
        self, name: str, type: ChannelType = ChannelType.TEXT, *, topic: str | None = None, nsfw: bool = False
    ) -> Channel:
        """Create a channel."""
        channel = Channel(self.world.ids.next(), name, type, self, len(self.channels), topic, nsfw)
        self.channels.append(channel)
        self.world.channels[channel.id] = channel
        self.world.publish(Change("channel_created", guild=self, channel=channel))
        return channel

    def remove_channel(self, channel: Channel) -> None:
        """Delete a channel with its messages."""
        for gone in [each for each in self.channels if each.thread is not None and each.thread.parent is channel]:
            self.remove_channel(gone)
        self.channels.remove(channel)
        del self.world.channels[channel.id]
        self.world.publish(Change("channel_deleted", guild=self, channel=channel))

    def channel(self, name: str) -> Channel:
        """Return the channel of that name; raises KeyError with the names there are."""
        for channel in self.channels:
            if channel.name == name.removeprefix("#"):
                return channel
        known = ", ".join(f"#{channel.name}" for channel in self.channels) or "none"
        raise KeyError(f"no channel #{name} in {self.name}; there are: {known}")

    def add_member(self, name: str, permissions: discord.Permissions = permissions.MEMBER) -> Member:
        """Let a new person join; ``permissions`` are exactly what they may do here."""
        return self.add_user(self.world.add_user(name), permissions)

    def add_user(self, user: User, permissions: discord.Permissions) -> Member:
        """Let an existing account join, with a role of its own that carries ``permissions``."""
        role = self.add_role(user.display_name, permissions)
        if user.bot:
            role.managed_by = user.id
        member = Member(user, self, self.world.clock(), [role.id])
        self.members[user.id] = member
        self.world.publish(Change("member_joined", guild=self, member=member))
        return member

    def remove_member(self, who: HasId) -> None:
        """Let somebody leave the server."""
        member = self.members.pop(who.id)
        self.world.publish(Change("member_left", guild=self, member=member))

    def add_role(self, name: str, permissions: discord.Permissions) -> Role:
        """Create a role."""
        role = Role(self.world.ids.next(), name, permissions.value, position=len(self.roles))
        self.roles[role.id] = role
        if self.world.bot.id in self.members:  # before it joins, the bot hears nothing
            self.world.publish(Change("role_created", guild=self, role=role))
        return role

    def give_role(self, member: HasId, role: Role) -> None:
        """Give a member, the bot too, a further role."""
        holder = self.members[member.id]
        holder.role_ids.append(role.id)
        self.world.publish(Change("member_updated", guild=self, member=holder))

    def take_role(self, member: HasId, role: Role) -> None:
        """Take a role from a member, the bot too."""
        holder = self.members[member.id]
        holder.role_ids.remove(role.id)
        self.world.publish(Change("member_updated", guild=self, member=holder))

    def overwrite(
        self,
        channel: Channel,
        target: HasId,
        *,
        allow: discord.Permissions | None = None,
        deny: discord.Permissions | None = None,
    ) -> None:
        """Allow or deny permissions to a member or a role in one channel."""
        channel.overwrites[target.id] = Overwrite(
            target.id,
            not isinstance(target, Role),
            allow.value if allow else 0,
            deny.value if deny else 0,
        )
        self.world.publish(Change("channel_updated", guild=self, channel=channel))
