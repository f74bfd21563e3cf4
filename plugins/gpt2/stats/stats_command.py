"""``/gpt2-stats``: the last day in numbers and as a picture."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import discord
from discord import app_commands

from plugins.gpt2.formatting import seconds, without_folders
from plugins.gpt2.messages import TEXTS
from plugins.gpt2.protocol import TextGenerator
from plugins.gpt2.stats.chart import draw
from plugins.gpt2.stats.summary import DAY_S, DOTS, KIND, Day, ModelDay, sum_up
from townhall_bot.i18n import Words
from townhall_bot.i18n.formatting import Amount
from townhall_bot.store import Records
from townhall_bot.store.sums import HOUR_S

PICTURE = "gpt2-stats.png"
MODELS = 6
"""How many models are told of: those of the most texts."""


class StatsCommand:
    """Builds the command and carries it out. ``clock`` is Unix time, ``cache`` a folder for the drawing library."""

    def __init__(
        self, service: TextGenerator, records: Records, cache: Path, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._service = service
        self._records = records
        self._cache = cache
        self._clock = clock
        self._started = clock()

    def build(self) -> app_commands.Command[Any, ..., Any]:
        """Return ``/gpt2-stats``."""

        @app_commands.command(name="gpt2-stats", description=TEXTS.english("stats.description"))
        async def gpt2_stats(interaction: discord.Interaction) -> None:
            await interaction.response.defer(thinking=True)
            words = TEXTS.for_channel(interaction)
            now = self._clock()
            day = await self._day(interaction.guild_id, now)
            embed = await self._embed(words, day, now - self._started, in_server=interaction.guild_id is not None)
            files = []
            if day.points and not interaction.app_permissions.attach_files:
                embed.set_footer(text=words("stats.no_file"))
            elif day.points:
                picture = await asyncio.to_thread(draw, day, words, self._cache)
                files = [discord.File(io.BytesIO(picture), PICTURE, description=words("stats.file"))]
                embed.set_image(url=f"attachment://{PICTURE}")
            await interaction.edit_original_response(embed=embed, attachments=files)

        return gpt2_stats

    async def _day(self, guild_id: int | None, now: float) -> Day:
        hours = await self._records.sums(KIND, DAY_S)
        if not hours:
            return sum_up([], [], here=0, now=now)
        here = await self._records.count(KIND, DAY_S, guild_id=guild_id)
        begin = max(now - DAY_S, hours[0].hour * HOUR_S)
        return sum_up(hours, await self._records.sample(KIND, begin, now, DOTS), here=here, now=now)

    async def _embed(self, words: Words, day: Day, uptime_s: float, *, in_server: bool) -> discord.Embed:
        status = self._service.status()
        models = ", ".join(map(without_folders, status.models))
        device = words("stats.device", models=models, device=status.device, dtype=status.dtype)
        embed = discord.Embed(title=words("stats.title"))
        embed.add_field(name=words("stats.model"), value=device if models else words("stats.none_loaded"))
        for name, said in (("speed", _speed), ("waiting", _waiting), ("first", _first)):
            told = {model.model: value for model in day.models[:MODELS] if (value := said(words, model)) is not None}
            if told:
                of_each = [words("stats.of_model", model=model, value=value) for model, value in told.items()]
                text = "\n".join(of_each if len(day.models) > 1 else told.values())
                embed.add_field(name=words(f"stats.{name}"), value=text)
        counts = {"here": f"{day.here:,}", "all": f"{day.requests:,}", "tokens": f"{day.tokens:,}"}
        texts = words("stats.requests_here" if in_server else "stats.requests_value", **counts)
        embed.add_field(name=words("stats.requests"), value=texts if day.requests else words("stats.nothing"))
        now = words("stats.now_value", running=status.running, queued=status.queued)
        embed.add_field(name=words("stats.now"), value=now)
        return embed.add_field(name=words("stats.uptime"), value=_uptime(uptime_s))


def _speed(words: Words, model: ModelDay) -> str | None:
    if model.median_tokens_per_s is None:
        return None
    best = _rate(model.best_tokens_per_s)
    return words("stats.speed_value", median=_rate(model.median_tokens_per_s), best=best)


def _waiting(words: Words, model: ModelDay) -> str | None:
    if model.median_wait_s is None:
        return None
    return words("stats.waiting_value", median=_time(model.median_wait_s), longest=_time(model.longest_wait_s))


def _first(words: Words, model: ModelDay) -> str | None:
    if model.median_first_token_s is None:
        return None
    return words("stats.first_value", median=_time(model.median_first_token_s))


def _rate(tokens_per_s: float | None) -> Amount:
    rate = tokens_per_s or 0
    return Amount(rate, f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}")


def _time(of_s: float | None) -> Amount:
    return seconds(1000 * (of_s or 0))


def _uptime(of_s: float) -> str:
    minutes = int(of_s // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
