"""Rate limits: the counts, the windows, and the headers."""

from __future__ import annotations

from tests.townhall_bot.loopback.example_bot import ExampleBot
from townhall_bot.loopback import LoopbackDiscord, ManualClock, TownhallWorld
from townhall_bot.loopback.wire.rate_limits import GLOBAL_LIMIT, Rate, RateLimiter, Verdict

EDITS = Rate(5, 5.0)


def take(limiter: RateLimiter, *majors: str, globally: bool = False, route: str = "PATCH /x") -> Verdict:
    return limiter.take(EDITS, route, majors, counts_globally=globally)


def test_the_headers_count_down_and_the_sixth_must_wait() -> None:
    clock = ManualClock(1000.0)
    limiter = RateLimiter(clock)
    verdicts = [take(limiter, "a") for _ in range(5)]
    assert [verdict.headers["X-RateLimit-Remaining"] for verdict in verdicts] == ["4", "3", "2", "1", "0"]
    assert verdicts[0].headers["X-RateLimit-Limit"] == "5"
    clock.advance(2)
    refused = take(limiter, "a")
    assert refused.retry_after == 3.0
    assert refused.headers["X-RateLimit-Scope"] == "user"
    clock.advance(3)
    assert take(limiter, "a").retry_after is None


def test_each_channel_and_route_has_its_own_bucket() -> None:
    limiter = RateLimiter(ManualClock())
    for _ in range(6):
        last = take(limiter, "a")
    assert last.retry_after is not None
    assert take(limiter, "b").retry_after is None
    assert take(limiter, "a", route="PATCH /y").retry_after is None


def test_the_whole_bot_has_a_limit_too() -> None:
    limiter = RateLimiter(ManualClock())
    for number in range(GLOBAL_LIMIT):
        assert take(limiter, str(number), globally=True).retry_after is None
    refused = take(limiter, "one more", globally=True)
    assert refused.is_global
    assert refused.headers["X-RateLimit-Global"] == "true"
    assert take(limiter, "a webhook", globally=False).retry_after is None


def test_windows_of_finished_interactions_are_forgotten() -> None:
    clock = ManualClock()
    limiter = RateLimiter(clock)
    for number in range(5000):
        take(limiter, str(number))
        clock.advance(1)
    assert len(limiter._windows) < 2000


async def test_the_client_keeps_to_the_limit_without_being_told_off(
    bot: ExampleBot, server: LoopbackDiscord, world: TownhallWorld
) -> None:
    turn = await world.people["ada"].type("/grow words:9")
    await turn.until(lambda turn: len(turn.messages) == 2)
    assert turn.messages[0].edits == 9
    assert [request.status for request in server.requests if request.status == 429] == []
