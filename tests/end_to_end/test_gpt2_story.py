"""Members and admins use the real bot with townhall-mini, over real sockets."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from plugins.gpt2.checkpoint.checkpoint import on_disk
from plugins.gpt2.plugin import GPT2Plugin
from townhall_bot.loopback import CommandRefused, LoopbackDiscord, Person, Turn
from townhall_bot.testkit import RunningTownhall, StartTownhall

PROMPT = "My fellow citizens"
ENDED = "The model ended its text here."


@pytest.fixture
def poet(tmp_path: Path) -> str:
    """A second model: the embedded one under another name."""
    mini = on_disk("townhall-mini")
    assert mini is not None
    shutil.copytree(mini, tmp_path / "poet")
    return str(tmp_path / "poet")


@pytest.fixture
def host(poet: str) -> Mapping[str, str]:
    return {"TOWNHALL_GPT2_ALLOWED_MODELS": f"townhall-mini,{poet}", "TOWNHALL_GPT2_ROWS": "2"}


async def ask(townhall: RunningTownhall, person: Person, options: str) -> Turn:
    turn = await person.type(f"/gpt2 prompt:{PROMPT} {options}")
    assert await townhall.settled(turn, seconds=60) is None
    assert ENDED not in turn.text
    return turn


async def test_members_generate_an_admin_switches_and_a_restart_remembers(
    start_townhall: StartTownhall,
    discord_server: LoopbackDiscord,
    ada: Person,
    ben: Person,
    admin: Person,
    host: Mapping[str, str],
    poet: str,
) -> None:
    townhall = await start_townhall(GPT2Plugin, settings=host)

    # A member asks before the model is loaded: answered at once, and with a text in the end.
    turn = await ada.type(f"/gpt2 prompt:{PROMPT} count:40 seed:7")
    await turn.acknowledged()
    assert turn.ack_seconds is not None
    assert turn.ack_seconds < 3
    assert await townhall.settled(turn, seconds=60) is None
    assert ENDED not in turn.text
    assert turn.text.startswith(f"**{PROMPT}**")
    assert len(turn.text) > len(PROMPT) + 60
    assert "Writing" not in turn.text

    # The same seed gives the same text, also beside somebody else's; another seed gives another.
    same, other = await ask(townhall, ada, "count:40 seed:7"), await ask(townhall, ben, "count:40 seed:8")
    assert same.text == turn.text
    assert other.text != turn.text

    # The timing line tells what was measured, and the seed to have it again.
    timed = await ask(townhall, ada, "count:20 temperature:0 ending:exact timing:True")
    line = timed.text.splitlines()[-1]
    assert re.fullmatch(
        r"-# queue [\d.]+ m?s · first token [\d.]+ m?s · prefill [\d.]+ tokens/s · decode [\d.]+ tokens/s · "
        r"\d+ \+ 20 tokens in [\d.]+ m?s · seed \d+ · townhall-mini on \w+, \w+",
        line,
    )

    # Two at once get what each of them gets alone.
    hers = await ada.type(f"/gpt2 prompt:{PROMPT} count:40 seed:7")
    his = await ben.type("/gpt2 prompt:Dear count:9 temperature:0")
    assert await townhall.settled(hers) is None
    assert await townhall.settled(his) is None
    assert hers.text == turn.text

    # A member may not change the model, an admin may; the old one serves meanwhile.
    with pytest.raises(CommandRefused, match="Manage Server"):
        await ada.type(f"/gpt2-config model:{poet}")
    switch = await admin.type(f"/gpt2-config model:{poet}")
    meanwhile = await ask(townhall, ben, "count:5 seed:1 timing:True")
    assert "townhall-mini on" in meanwhile.text
    assert await townhall.settled(switch, seconds=60) is None
    assert "This server now uses" in switch.text
    assert switch.message.ephemeral

    # The choice survives a restart.
    await townhall.stop()
    townhall = await start_townhall(GPT2Plugin, settings=host)
    after = await ask(townhall, ada, "count:40 seed:7 timing:True")
    assert "poet on" in after.text
    assert after.text.startswith(turn.text)

    # Nothing that was sent could have mentioned anyone.
    sent = [r.body for r in discord_server.requests if isinstance(r.body, dict) and "content" in r.body]
    assert sent
    assert all(body["allowed_mentions"] == {"parse": []} for body in sent)
