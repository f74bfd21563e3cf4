"""What a server has decided about the plugin, as far as the host allows it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import discord

from plugins.gpt2 import presets
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.presets import Preset
from plugins.gpt2.protocol import Ending, Limits, SamplingParams
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.replies import Refusal
from townhall_bot.store import GuildSettings

MAX_PLACES = 25
"""How many channels or roles a server may list: as many as one menu of Discord's holds."""


@dataclass(frozen=True, slots=True)
class GuildRules:
    """What holds on a server now. ``chosen_model`` is what it asked for, even where the host offers it no longer.

    Empty ``channels`` or ``roles`` let everyone in; ``audit_channel`` is where changes are posted, if anywhere.
    """

    model: str
    chosen_model: str
    default_count: int
    max_count: int
    temperature: float
    limits: Limits
    channels: tuple[int, ...] = ()
    roles: tuple[int, ...] = ()
    audit_channel: int | None = None
    ending: Ending = "sentence"
    preset: Preset | None = None
    mentions: bool = False
    """Whether what is said to the bot is answered, not its commands alone."""

    def sampling(self, host: SamplingParams) -> SamplingParams:
        """Return the host's sampling with that of the preset."""
        return host if self.preset is None else self.preset.over(host)

    def check_place(self, interaction: discord.Interaction[Any]) -> None:
        """Raise Refusal where this member may not use the plugin here; threads belong to their channel."""
        words = TEXTS.for_user(interaction)
        channel = interaction.channel
        here = {interaction.channel_id, getattr(channel, "parent_id", None)}
        if self.channels and not here & set(self.channels):
            raise Refusal(words("refused.channel", channels=", ".join(f"<#{each}>" for each in self.channels)))
        theirs = {role.id for role in getattr(interaction.user, "roles", ())}
        if self.roles and not theirs & set(self.roles):
            raise Refusal(words("refused.role", roles=", ".join(f"<@&{each}>" for each in self.roles)))


POSTING_TYPES = [
    discord.ChannelType.text,
    discord.ChannelType.news,
    discord.ChannelType.voice,
    discord.ChannelType.stage_voice,
]
"""Channels, announcements among them, that a message can be posted to."""
PLACE_TYPES = [*POSTING_TYPES, discord.ChannelType.forum]
"""Channels that people may be allowed to use GPT-2 in. A thread, a forum's post too, belongs to its channel."""


class GuildRulesStore:
    """Each server's rules, kept in the store; the host's settings bound them when they are read.

    ``allowed`` are the models that the host offers.
    """

    def __init__(self, kept: GuildSettings, allowed: Collection[str], settings: GPT2Settings) -> None:
        self.kept = kept
        self.allowed = allowed
        self._host = settings

    async def of(self, guild_id: int | None, channel: Any = None) -> GuildRules:
        """Return what holds on a server, or in direct messages for None: the host's own settings.

        With a ``channel``, it is what holds there; a thread is its channel's.
        """
        kept = {} if guild_id is None else await self.kept.known(guild_id)
        host, ids = self._host, (getattr(channel, "parent_id", None), getattr(channel, "id", None))
        voice: dict[str, Any] = {}
        for each in ids:
            voice |= kept.get(f"{presets.VOICE}{each}") or {}
        preset = presets.of(kept, voice.get("preset", kept.get("preset")))
        mine = {**kept, **voice}
        warmth = preset.sampling.get("temperature") if preset is not None else None
        if warmth is not None and "temperature" not in (voice if "preset" in voice else mine):
            mine["temperature"] = warmth
        chosen = str(mine.get("model", host.model))
        most = min(int(mine.get("max_count", host.max_count)), host.max_count)
        ending = None if preset is None else preset.ending
        return GuildRules(
            model=chosen if chosen in self.allowed else host.model,
            chosen_model=chosen,
            default_count=min(int(mine.get("default_count", host.default_count)), most),
            max_count=most,
            temperature=float(mine.get("temperature", host.temperature)),
            limits=Limits(
                min(int(mine.get("member_limit", host.member_limit)), host.member_limit),
                min(int(mine.get("server_limit", host.guild_limit)), host.guild_limit),
            ),
            channels=tuple(mine.get("channels", ())),
            roles=tuple(mine.get("roles", ())),
            audit_channel=mine.get("audit_channel"),
            ending=ending or host.ending,
            preset=preset,
            mentions=bool(mine.get("mentions", False)),
        )
