"""A queue that tells the truth: the place and the wait while one waits, and until when it is full."""

from __future__ import annotations

import re
import threading

import pytest

from plugins.gpt2.service import event_stream
from tests.plugins.gpt2.fake_plugin import answered, host_settings, plugin_with
from tests.plugins.gpt2.fake_source import FakeSource
from townhall_bot.loopback import Guild, Person, Turn
from townhall_bot.replies import Refusal
from townhall_bot.testkit import RunningTownhall, StartTownhall

pytestmark = pytest.mark.usefixtures("lively")


class SlowEngine:
    """A clock on which each step of the engine takes a second, and a way to hold the engine."""

    def __init__(self) -> None:
        self.now = 0.0
        self.measured_s: float | None = None
        """What loading a model measures."""
        self._may_go = threading.Event()
        self._may_go.set()

    def __call__(self) -> float:
        return self.now

    def step(self, kind: str) -> None:
        self._may_go.wait(20)
        self.now += 1

    def hold(self) -> None:
        self._may_go.clear()

    def go_on(self) -> None:
        self._may_go.set()


@pytest.fixture
def engine() -> SlowEngine:
    return SlowEngine()


async def begin(start_townhall: StartTownhall, engine: SlowEngine, **settings: str) -> RunningTownhall:
    models = FakeSource(rows=1, before_step=engine.step, step_s=engine.measured_s)
    return await start_townhall(plugin_with(models, clock=engine), settings=host_settings(**settings))


async def held(engine: SlowEngine, person: Person, count: int) -> Turn:
    """Let one text begin and hold the engine there."""
    engine.hold()
    turn = await person.type(f"/gpt2 prompt:Hello count:{count}")
    return await turn.until(lambda turn: "Reading" in turn.text)


def seconds(text: str) -> int:
    found = re.search(r"in about (\d+) s", text)
    assert found, text
    return int(found[1])


async def test_who_waits_sees_the_place_and_the_wait_and_both_are_live(
    start_townhall: StartTownhall,
    engine: SlowEngine,
    guild: Guild,
    ada: Person,
    ben: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_stream, "QUEUE_NEWS_S", 0.05)
    townhall = await begin(start_townhall, engine)
    await answered(townhall, ada)  # the speed is known from now on: about a second a token
    running = await held(engine, ada, 30)
    second = await ben.type("/gpt2 prompt:Me too count:20")
    await second.until(lambda turn: "You are next, in about" in turn.text)
    assert 25 <= seconds(second.text) <= 40
    third = await Person(guild.add_member("cleo")).type("/gpt2 prompt:And I count:20")
    await third.until(lambda turn: "1 goes before you; your turn comes in about" in turn.text)
    assert 45 <= seconds(third.text) <= 70
    # Time passes: the place is the same, the wait is not.
    engine.now += 15
    await second.until(lambda turn: seconds(turn.text) <= 25)
    # The second one gives up: the third hears of the better place.
    await ben.press(second.message, "Stop")
    await third.until(lambda turn: "You are next, in about" in turn.text)
    engine.go_on()
    for turn in (running, second, third):
        assert await townhall.settled(turn) is None


async def test_the_first_who_waits_is_told_how_long_by_what_loading_measured(
    start_townhall: StartTownhall, engine: SlowEngine, ada: Person, ben: Person
) -> None:
    engine.measured_s = 2.0
    townhall = await begin(start_townhall, engine)
    running = await held(engine, ada, 30)
    waiting = await ben.type("/gpt2 prompt:Me too count:3")
    await waiting.until(lambda turn: "You are next, in about" in turn.text)
    assert seconds(waiting.text) == 60
    engine.go_on()
    for turn in (running, waiting):
        assert await townhall.settled(turn) is None


async def test_before_anything_was_measured_no_wait_is_invented(
    start_townhall: StartTownhall, engine: SlowEngine, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall, engine)
    running = await held(engine, ada, 3)
    waiting = await ben.type("/gpt2 prompt:Me too count:3")
    await waiting.until(lambda turn: turn.text == "⏳ You are next.")
    engine.go_on()
    for turn in (running, waiting):
        assert await townhall.settled(turn) is None


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (
            "MEMBER_LIMIT",
            "You have 1 text on the way, the most that one member may have here. It should be done in ",
        ),
        ("GUILD_LIMIT", "This server has 1 text on the way, the most that one server may have here. Please try again "),
    ],
)
async def test_a_refusal_says_which_limit_it_is_and_until_when(
    start_townhall: StartTownhall, engine: SlowEngine, ada: Person, setting: str, words: str
) -> None:
    townhall = await begin(start_townhall, engine, **{setting: "1"})
    await answered(townhall, ada)  # the speed is known from now on: about a second a token
    running = await held(engine, ada, 30)
    refused = await ada.type("/gpt2 prompt:More count:3")
    assert isinstance(await townhall.settled(refused), Refusal)
    assert refused.text.startswith(words)
    assert 25 <= seconds(refused.text) <= 40
    assert refused.message.ephemeral  # the channel has heard enough of who may not
    engine.go_on()
    assert await townhall.settled(running) is None


async def test_a_full_queue_says_so_and_when_to_try_again(
    start_townhall: StartTownhall, engine: SlowEngine, guild: Guild, ada: Person, ben: Person
) -> None:
    townhall = await begin(start_townhall, engine, QUEUE_LIMIT="1")
    await answered(townhall, ada)  # the speed is known from now on: about a second a token
    running = await held(engine, ada, 30)
    waiting = await ben.type("/gpt2 prompt:Me too count:3")
    await waiting.until(lambda turn: "You are next" in turn.text)
    refused = await Person(guild.add_member("cleo")).type("/gpt2 prompt:And I count:3")
    assert isinstance(await townhall.settled(refused), Refusal)
    assert refused.text.startswith("The queue is full: 1 is waiting, the most that this bot lets wait.")
    assert 25 <= seconds(refused.text) <= 40
    assert refused.message.ephemeral  # the channel has heard enough of who may not
    engine.go_on()
    for turn in (running, waiting):
        assert await townhall.settled(turn) is None
