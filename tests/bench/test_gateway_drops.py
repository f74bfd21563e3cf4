"""The bench of lost connections runs for real, and tells a text that was delivered from one that was not."""

from __future__ import annotations

from pathlib import Path

import discord
import pytest

from bench import gateway_drops
from bench.gateway_drops import Tally, Writer
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.plugins import Plugin
from townhall_bot.testkit import StartTownhall

MEASURED = "-# queue 1 ms · 3 + {} tokens in 5 ms · seed 6 · townhall-mini on CPU, int8"


class Stage(Plugin):
    """Responder ``/gpt2`` with what the test wants to see judged."""

    name = "stage"
    ends = ""

    def commands(self) -> list[discord.app_commands.Command[discord.app_commands.Group, ..., None]]:
        async def gpt2(interaction: discord.Interaction, prompt: str, count: int, timing: bool) -> None:
            await interaction.response.send_message(self.ends)

        return [discord.app_commands.Command(name="gpt2", description="Write", callback=gpt2)]


@pytest.mark.parametrize(
    ("ends", "fault"),
    [
        (f"text\n{MEASURED.format(4)}", None),
        (f"text\n{MEASURED.format(3)}", "3 tokens of 4"),
        (f"text\n-# The model ended its text here.\n{MEASURED.format(3)}", None),
        (f"text\n{MEASURED.format(4)}\n{MEASURED.format(4)}", "it ended 2 times"),
        (f"text\n{MEASURED.format(4)}\n-# Writing…", "still being written"),
        ("text\n-# Writing…", "no end after 0.2 s"),
    ],
)
async def test_a_text_is_delivered_when_it_ended_once_and_whole(
    ends: str,
    fault: str | None,
    start_townhall: StartTownhall,
    discord_server: LoopbackDiscord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway_drops, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(Stage, "ends", ends)
    await start_townhall(Stage)
    ada = discord_server.townhall().people["ada"]
    turn = await ada.type("/gpt2 prompt:Once count:4 timing:True")
    assert await Writer(ada, 4, Tally()).fault(turn) == fault


async def test_three_losses_with_the_real_bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gateway_drops.SETTINGS, "TOWNHALL_GPT2_TEMPERATURE", "0")
    figures = await gateway_drops.measure(3, 120, tmp_path / "bot.log")
    assert figures["gateway"] == {"identified": 1, "resumed": 3}
    assert figures["texts"] == figures["delivered"] > 0
    assert figures["faults"] == []
    assert figures["texts_cut_into"] > 0
