"""``townhall local --state FILE``, ``--weather`` and ``--reload``, as somebody at a keyboard meets them."""

import asyncio
import json
import sys
from functools import partial
from pathlib import Path

import pytest

from townhall_bot.cli import local, main
from townhall_bot.cli.local import Surroundings
from townhall_bot.loopback import LoopbackDiscord, point_discord_at
from townhall_bot.loopback.faults.faults import Faults
from townhall_bot.loopback.faults.profiles import FaultProfile
from townhall_bot.plugins import discovery, reload
from townhall_bot.settings import Settings

PLUGIN = """
from townhall_bot.plugins import Plugin
class P(Plugin):
    name = "p"
    def commands(self):
        return []
"""


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TOWNHALL_PLUGINS", "ping")
    monkeypatch.chdir(tmp_path)


def said(*options: str) -> int:
    return main(["local", "--say", "/ping", *options])


def test_the_state_is_kept_from_one_start_to_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert said("--state", "state.json") == 0
    assert "the state is kept in state.json" in capsys.readouterr().err
    assert said("--state", "state.json") == 0
    assert "the state of state.json is back" in capsys.readouterr().err
    kept = json.loads(Path("state.json").read_text())["messages"]
    assert [message["content"].split()[0] for message in kept] == ["Pong.", "Pong."]


def test_a_bad_state_file_stops_the_start_and_stays(capsys: pytest.CaptureFixture[str]) -> None:
    Path("state.json").write_text("not mine")
    assert said("--state", "state.json") == 2
    assert "townhall: --state: state.json is damaged" in capsys.readouterr().err
    assert Path("state.json").read_text() == "not mine"


def test_a_storm_can_be_had(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []
    begin = Faults.begin

    def note(faults: Faults, profile: FaultProfile | str, seed: int) -> None:
        begun.append((profile, seed))
        begin(faults, profile, seed)

    monkeypatch.setattr(Faults, "begin", note)
    assert said("--weather", "storm", "--weather-seed", "5") == 0
    shown = capsys.readouterr()
    assert "the weather is storm, seed 5" in shown.err
    assert shown.out.startswith("Pong.")
    assert begun == [("storm", 5)]


def test_only_weather_that_there_is_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert said("--weather", "snow") == 2
    assert "storm" in capsys.readouterr().err


async def test_a_saved_file_reloads_its_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "made").mkdir()
    module = tmp_path / "made" / "reloaded_under_test.py"
    module.write_text(PLUGIN)
    monkeypatch.syspath_prepend(module.parent)
    looked = asyncio.Event()

    async def pause() -> None:
        looked.set()
        await asyncio.sleep(0)

    monkeypatch.setattr(reload, "watch", partial(reload.watch, pause=pause))
    told: asyncio.Queue[str] = asyncio.Queue()
    monkeypatch.setattr(local, "note", told.put_nowait)
    plugin = __import__("reloaded_under_test").P
    try:
        async with LoopbackDiscord() as server:
            local.familiar_townhall(server)
            with point_discord_at(server):
                connected = local.connected(Settings(), discovery.gather([plugin]), server.token)
                async with local._attended(connected, Surroundings(reload=True).reload):
                    await looked.wait()  # the first look at the files lies before the change
                    module.write_text(PLUGIN + "# changed\n")
                    assert await asyncio.wait_for(told.get(), 10) == "plugin p reloaded"
    finally:
        del sys.modules["reloaded_under_test"]
