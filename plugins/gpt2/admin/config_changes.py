"""Changing a server's settings: checked against the host's bounds, kept with an audit line, and posted where wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import discord

from plugins.gpt2 import presets
from plugins.gpt2.formatting import number, without_folders
from plugins.gpt2.guild_rules import MAX_PLACES, GuildRulesStore
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.protocol import BOUNDS, Bounds
from plugins.gpt2.settings import GPT2Settings
from townhall_bot.discordpy.answers import FAILURES
from townhall_bot.i18n import Words
from townhall_bot.i18n.formatting import Amount
from townhall_bot.replies import Refusal
from townhall_bot.replies.paging import split
from townhall_bot.store import AuditEntry

NUMBERS = ("default_count", "max_count", "temperature", "member_limit", "server_limit")
SHOWN_CHANGES = 20
NONE = {
    "channels": "config.show.everywhere",
    "roles": "config.show.everyone",
    "audit_channel": "config.show.nowhere",
    "mentions": "config.show.off",
}
"""What it means that nothing is set, where the host has no default of its own."""
Change = tuple[str, Any, Any]
"""The setting, its old and its new value."""


class ConfigChanges:
    """Makes changes on behalf of an admin. The host's settings hold against any of them."""

    def __init__(self, rules: GuildRulesStore, host: GPT2Settings) -> None:
        self._rules = rules
        self._host = host

    @staticmethod
    def check_manages(interaction: discord.Interaction[Any]) -> None:
        """Raise Refusal for who does not manage the server: panels stay where they are when a role is taken away."""
        if not interaction.permissions.manage_guild:
            raise Refusal(TEXTS.for_user(interaction)("config.change.permission"))

    async def make(self, interaction: discord.Interaction[Any], changes: Mapping[str, Any]) -> list[str]:
        """Make all of ``changes`` (None: back to the default), or none of them; return a line for each.

        Raises Refusal with the reason where one of them is not allowed.
        """
        guild_id = interaction.guild_id
        assert guild_id is not None  # settings belong to a server
        words = TEXTS.for_user(interaction)
        await self.check(interaction, changes)
        audit_channel = (await self._rules.of(guild_id)).audit_channel
        before = await self._rules.kept.change_all(guild_id, changes, actor_id=interaction.user.id)
        made = [(key, before[key], value) for key, value in changes.items() if before[key] != value]
        return await self._told(interaction, made, audit_channel) or [words("config.change.same")]

    async def reset(self, interaction: discord.Interaction[Any]) -> tuple[int | None, list[str]]:
        """Set everything back to the host's defaults; return what :meth:`undo` needs, and a line for each change.

        There is nothing to undo where nothing was set.
        """
        guild_id = interaction.guild_id
        assert guild_id is not None  # settings belong to a server
        words = TEXTS.for_user(interaction)
        audit_channel = (await self._rules.of(guild_id)).audit_channel
        old = await self._rules.kept.reset(guild_id, actor_id=interaction.user.id)
        made = [(key, value, None) for key, value in old.items()]
        lines = await self._told(interaction, made, audit_channel) or [words("config.change.reset_none")]
        return old.number if old else None, lines

    async def undo(self, interaction: discord.Interaction[Any], reset: int) -> list[str]:
        """Set again what a reset took away, but for what was changed since; return a line for each change."""
        assert interaction.guild_id is not None  # settings belong to a server
        return await self.make(interaction, await self._rules.kept.taken(interaction.guild_id, reset))

    async def check(self, interaction: discord.Interaction[Any], changes: Mapping[str, Any], *, of: int = 0) -> None:
        """Raise Refusal where one of ``changes`` is not allowed; where they are several, it says that none was made.

        ``of`` is how many things were asked for together, if more than these.
        """
        assert interaction.guild_id is not None  # settings belong to a server
        words = TEXTS.for_user(interaction)
        try:
            await self._check(interaction.guild_id, changes, words)
        except Refusal as refusal:
            if max(len(changes), of) < 2:
                raise
            raise Refusal(f"{refusal} {words('config.change.none_set')}") from refusal

    def bounds(self, key: str) -> Bounds:
        """Return what one of :data:`NUMBERS` may be on this host."""
        highest = {
            "default_count": self._host.max_count,
            "max_count": self._host.max_count,
            "member_limit": self._host.member_limit,
            "server_limit": self._host.guild_limit,
        }
        return BOUNDS["temperature"] if key == "temperature" else Bounds(1, highest[key])

    async def toggled(self, guild_id: int, key: str, *, add: int | None, remove: int | None) -> list[int] | None:
        """Return the ids of a list of channels or roles after a change, None for an empty list."""
        rules = await self._rules.of(guild_id)
        ids = [each for each in (rules.channels if key == "channels" else rules.roles) if each != remove]
        if add is not None and add not in ids:
            ids.append(add)
        return ids or None

    async def trail(self, interaction: discord.Interaction[Any]) -> discord.Embed:
        """Return who changed what and when, newest first."""
        assert interaction.guild_id is not None  # settings belong to a server
        words = TEXTS.for_user(interaction)
        entries = await self._rules.kept.audit(interaction.guild_id, SHOWN_CHANGES)
        lines: list[str] = []
        for entry in entries:
            line = _audit_line(words, entry)
            if sum(map(len, lines)) + len(lines) + len(line) > 4096:  # of an embed's description
                break
            lines.append(line)
        description = "\n".join(lines) or words("config.audit.none")
        return discord.Embed(title=words("config.audit.title"), description=description)

    async def _check(self, guild_id: int, changes: Mapping[str, Any], words: Words) -> None:
        kept = await self._rules.kept.all(guild_id)
        after = {key: value for key, value in {**kept, **changes}.items() if value is not None}
        for key, value in changes.items():
            if key == "preset" or (key.startswith(presets.VOICE) and value):
                self._check_preset(after, value if key == "preset" else value.get("preset"), words)
            if key.startswith(presets.VOICE) and value:
                await self._check_voice(guild_id, value, words)
            own = sum(each.startswith(presets.KEY) for each in kept)
            if key.startswith(presets.KEY) and key not in kept and value is not None and own >= MAX_PLACES:
                raise Refusal(words("config.change.too_many", most=MAX_PLACES))
            if key in NUMBERS and value is not None:
                low, high = self.bounds(key)
                if not low <= value <= high:
                    told = {"given": number(value), "low": number(low), "high": number(high)}
                    raise Refusal(words("config.change.bounds", name=words(f"config.name.{key}"), **told))
            if key in ("channels", "roles") and value is not None and len(value) > MAX_PLACES:
                raise Refusal(words("config.change.too_many", most=MAX_PLACES))
        if "default_count" in changes or "max_count" in changes:
            await self._check_counts(guild_id, changes, words)

    async def _check_voice(self, guild_id: int, voice: Mapping[str, Any], words: Words) -> None:
        """Hold what holds in a channel to the bounds of the server's own settings."""
        await self._check(guild_id, {key: voice[key] for key in voice if key not in ("model", "preset")}, words)

    @staticmethod
    def _check_preset(kept: Mapping[str, Any], name: object, words: Words) -> None:
        """Raise Refusal where ``kept``, as it will be, has no preset of that name; None is none."""
        if name is not None and presets.of(kept, name) is None:
            raise Refusal(words("preset.unknown", name=str(name)[:50], names=", ".join(presets.names(kept))))

    async def voice(self, guild_id: int, channel_id: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the change by which ``given`` holds in a channel, beside what does; nothing: as on the server."""
        key = f"{presets.VOICE}{channel_id}"
        old = (await self._rules.kept.all(guild_id)).get(key) or {}
        new = {name: value for name, value in {**old, **given}.items() if value is not None}
        return {key: new or None} if given else {key: None}

    async def _check_counts(self, guild_id: int, changes: Mapping[str, Any], words: Words) -> None:
        kept = {**await self._rules.kept.all(guild_id), **changes}
        default, most = kept.get("default_count"), kept.get("max_count") or self._host.max_count
        if default is not None and default > most:
            raise Refusal(words("config.change.default_above", given=default, most=most))

    async def _told(
        self, interaction: discord.Interaction[Any], made: Sequence[Change], audit_channel: int | None
    ) -> list[str]:
        """Post what was changed, and return it for the admin. ``audit_channel`` is where changes were posted before."""
        words = TEXTS.for_user(interaction)
        lines = [change_line(words, *change) for change in made]
        channel_id = (await self._rules.of(interaction.guild_id)).audit_channel or audit_channel
        if channel_id is not None and made and not await self._post(interaction, made, channel_id):
            lines.append(words("config.change.not_posted", channel=f"<#{channel_id}>"))
        return lines

    async def _post(self, interaction: discord.Interaction[Any], made: Sequence[Change], channel_id: int) -> bool:
        """Post changes where the server wants them; return whether that went well."""
        words = TEXTS.for_channel(interaction)
        lines = [change_line(words, *change) for change in made]
        listed = lines[0] if len(lines) == 1 else "".join(f"\n- {line}" for line in lines)
        channel = interaction.client.get_partial_messageable(channel_id, guild_id=interaction.guild_id)
        try:
            for page in split(words("config.change.posted", actor=interaction.user.mention, line=listed)):
                await channel.send(page)
        except FAILURES:
            return False
        return True


def change_line(words: Words, key: str, old: Any, new: Any) -> str:
    """Return one change, old and new, in a line."""
    if key.startswith(presets.VOICE):
        name = words("config.name.voice", channel=f"<#{key.removeprefix(presets.VOICE)}>")
        return words("config.change.line", name=name, old=_voice(words, old), new=_voice(words, new))
    if key.startswith(presets.KEY):
        name = words("config.name.own_preset", name=discord.utils.escape_markdown(key.removeprefix(presets.KEY)))
        return words("config.change.line", name=name, old=_own(words, old), new=_own(words, new))
    name = words(f"config.name.{key}")
    return words("config.change.line", name=name, old=_value(words, key, old), new=_value(words, key, new))


def _voice(words: Words, value: Any) -> str:
    parts = [f"{words(f'config.name.{key}')} {_value(words, key, each)}" for key, each in (value or {}).items()]
    return ", ".join(parts) or words("config.change.servers")


def told_voices(words: Words, kept: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the id of each channel that has a voice of its own, and what that is."""
    found = ((key, value) for key, value in kept.items() if key.startswith(presets.VOICE))
    return [(key.removeprefix(presets.VOICE), _voice(words, value)) for key, value in found]


def _own(words: Words, value: Any) -> str:
    """Return a preset in a line: what it sets, and how its opening begins."""
    if not value:
        return words("config.change.none")
    opening = " ".join(str(value.get("opening", "")).split())[:40]
    sampling = [words("timing.option", name=name, value=number(each)) for name, each in value["sampling"].items()]
    stop = [words("config.change.stop", text=each) for each in value.get("stop", ())]
    parts = [
        words("config.change.opening", text=opening) if opening else "",
        *sampling,
        value.get("ending") or "",
        *stop,
    ]
    return discord.utils.escape_markdown(", ".join(filter(None, parts)))


def _audit_line(words: Words, entry: AuditEntry) -> str:
    line = change_line(words, entry.key, entry.old, entry.new)
    when = discord.utils.format_dt(entry.at, "f")
    return words("config.audit.line", when=when, actor=f"<@{entry.actor_id}>", line=line)


def _value(words: Words, key: str, value: Any) -> object:
    if value is None:
        return words(NONE.get(key, "config.change.default"))
    match key:
        case "channels":
            return " ".join(f"<#{each}>" for each in value)
        case "roles":
            return " ".join(f"<@&{each}>" for each in value)
        case "audit_channel":
            return f"<#{value}>"
    if isinstance(value, bool):
        return words("config.show.on" if value else "config.show.off")
    if isinstance(value, float):
        return Amount(value, f"{value:g}")
    return discord.utils.escape_markdown(without_folders(str(value)))
