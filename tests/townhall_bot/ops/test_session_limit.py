"""A bot that is started again and again stays within the sessions that Discord lets it begin."""

from pathlib import Path

import pytest

from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.ops.session_limit import FREE_STARTS, LONGEST_PAUSE_S, SessionPace
from townhall_bot.testkit import StartTownhall


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_the_first_starts_wait_for_nothing_and_then_each_waits_longer(tmp_path: Path) -> None:
    clock = Clock()
    pauses = []
    for _ in range(FREE_STARTS + 9):
        starts = SessionPace(tmp_path / "sessions.json", clock)  # a new process each time
        pauses.append(starts.pause())
        clock.now += pauses[-1]
        starts.record()
    assert pauses[:FREE_STARTS] == [0.0] * FREE_STARTS
    assert pauses[FREE_STARTS:] == [2, 4, 8, 16, 32, 64, 128, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_a_bot_killed_after_each_start_keeps_to_less_than_discord_s_thousand_a_day(tmp_path: Path) -> None:
    clock, begun = Clock(), 0
    starts = SessionPace(tmp_path / "sessions.json", clock)
    end = clock.now + 86_400
    while clock.now < end:
        clock.now += starts.pause() + 15
        starts.record()
        begun += 1
    assert begun < 500


def test_an_hour_later_all_is_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    starts = SessionPace(tmp_path / "sessions.json", clock)
    for _ in range(20):
        starts.record()
    clock.now += 3601
    assert starts.pause() == 0


@pytest.mark.parametrize("content", ["", "not mine", "{}", '["x"]', "[1e999]", "7"])
def test_a_file_that_says_nothing_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "sessions.json").write_text(content)
    starts = SessionPace(tmp_path / "sessions.json", Clock())
    assert starts.pause() == 0
    starts.record()


def test_a_folder_that_cannot_be_written_is_told_and_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    SessionPace(tmp_path / "gone" / "sessions.json", Clock()).record()
    assert "starts are not counted over restarts" in caplog.text


async def test_a_low_number_of_sessions_is_warned_of(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    discord_server.world.application.sessions_left = 60
    await start_townhall()
    assert "60 of 1000 sessions are left, Discord counts anew in 60 min" in caplog.text
    assert discord_server.world.application.sessions_left == 59


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def pace(tmp_path: Path, waits: list[float]) -> SessionPace:
    """A pace whose waiting passes on its own clock."""
    clock = Clock()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.now += seconds

    return SessionPace(tmp_path / "pace" / "sessions.json", clock, sleep)


async def test_the_last_sessions_are_left_to_whoever_mends_things(
    start_townhall: StartTownhall,
    discord_server: LoopbackDiscord,
    pace: SessionPace,
    waits: list[float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    townhall = await start_townhall()
    discord_server.world.application.sessions_left = 5
    await pace.wait_to_start(townhall.bot)
    assert waits == [3600.0]
    assert "waiting 60 min" in caplog.text


async def test_a_new_session_is_asked_for_at_once_and_then_at_discord_s_pace(
    pace: SessionPace, waits: list[float]
) -> None:
    for _ in range(3):
        await pace.wait_to_identify()
    assert waits == [0.0, 5.0, 5.0]


async def test_a_limit_that_cannot_be_asked_for_stops_nobody(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, pace: SessionPace, waits: list[float]
) -> None:
    townhall = await start_townhall()
    discord_server.faults.answer("GET", "/gateway/bot", 404)
    await pace.wait_to_start(townhall.bot)
    assert waits == []
