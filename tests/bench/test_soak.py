"""The soak judges as a member does, and its own words about memory are true."""

from __future__ import annotations

import random
from pathlib import Path

import discord
import pytest

from bench import soak
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.plugins import Plugin
from townhall_bot.replies import Refusal
from townhall_bot.testkit import StartTownhall

TIMING = "-# queue 1 ms · first token 2 ms · 3 + 4 tokens in 5 ms · seed 6 · townhall-mini on CPU, int8"


def test_growth_is_the_slope_of_memory() -> None:
    assert soak.growth([(0.0, 100.0), (60.0, 101.0), (120.0, 102.0)]) == pytest.approx(1.0)
    assert soak.growth([(0.0, 100.0), (30.0, 100.0)]) == 0.0
    assert soak.growth([(0.0, 100.0)]) == 0.0


class Stage(Plugin):
    """Responder ``/gpt2`` in the ways that a soak must tell apart, by the prompt."""

    name = "stage"
    ways = ("complete", "half", "refused", "silent")

    def commands(self) -> list[discord.app_commands.Command[discord.app_commands.Group, ..., None]]:
        async def gpt2(interaction: discord.Interaction, prompt: str, count: int, timing: bool) -> None:
            if prompt == "silent":
                return
            await interaction.response.defer(thinking=True)
            if prompt == "refused":
                raise Refusal("Too much is asked for.")
            below = TIMING if prompt == "complete" else "-# Writing…"
            await interaction.edit_original_response(content=f"**{prompt}** and on\n{below}")

        return [discord.app_commands.Command(name="gpt2", description="Write", callback=gpt2)]


@pytest.mark.parametrize(
    ("way", "end"), [("complete", "text complete"), ("half", "lost"), ("refused", "refused or failed, and told")]
)
async def test_every_end_is_told_apart(
    way: str, end: str, start_townhall: StartTownhall, discord_server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soak, "TIMEOUT_S", 0.3)
    await start_townhall(Stage)
    tally = soak.Tally()
    ada = discord_server.townhall().people["ada"]
    member = soak.Member(ada, discord_server, tally, random.Random(1))
    turn = await ada.type(f"/gpt2 prompt:{way} count:4 timing:True")
    await member.judge("/gpt2", turn, had_session=True)
    assert dict(tally.ends) == {end: 1}
    assert bool(tally.lost) == (end == "lost")


async def test_who_is_never_answered_was_told_by_discord(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("townhall_bot.loopback.world.world.FIRST_ANSWER_SECONDS", 0.1)
    await start_townhall(Stage)
    tally = soak.Tally()
    ada = discord_server.townhall().people["ada"]
    turn = await ada.type("/gpt2 prompt:silent count:4 timing:True")
    await soak.Member(ada, discord_server, tally, random.Random(1)).judge("/gpt2", turn, had_session=True)
    assert dict(tally.ends) == {"did not respond": 1}


async def test_a_few_seconds_of_storm_with_the_real_bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "PAUSE_S", 0.2)
    monkeypatch.setitem(soak.SETTINGS, "TOWNHALL_GPT2_TEMPERATURE", "0")
    result = await soak.soak(3, 0.03, "storm", 1, tmp_path / "bot.log")
    assert sum(result["commands"].values()) > 3
    assert (result["lost_final_answers"], result["unanswered"], result["bot_exit_status"]) == (0, 0, 0)
    assert sum(result["ends"].values()) == sum(result["commands"].values())
    assert result["memory_mb"][0] > 20
