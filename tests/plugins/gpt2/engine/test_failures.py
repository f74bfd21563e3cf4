"""A member whose requests fail is refused for a while; a model that fails for different members is at fault."""

from __future__ import annotations

from plugins.gpt2.engine.failures import REFUSED_S, Failures
from townhall_bot.loopback import ManualClock

ADA, BEN, EVE, ZOE = 1, 2, 3, 4


def test_one_asker_alone_never_takes_a_model_out() -> None:
    failures = Failures(ManualClock())
    assert not any(failures.failed({EVE}) for _ in range(30))


def test_three_different_askers_do() -> None:
    failures = Failures(ManualClock())
    assert [failures.failed({asker}) for asker in (EVE, EVE, EVE, ADA, BEN)] == [False] * 4 + [True]


def test_who_was_in_every_failing_step_is_suspected_and_not_the_model() -> None:
    failures = Failures(ManualClock())
    assert not any(failures.failed({EVE, other}) for other in (ADA, BEN, ZOE))
    assert failures.refused_for(ADA) == 0
    assert failures.failed({ADA})  # it fails without Eve, too


def test_the_same_askers_together_are_different_askers() -> None:
    failures = Failures(ManualClock())
    assert [failures.failed({ADA, BEN, ZOE}) for _ in range(3)] == [False, False, True]


def test_a_finished_request_forgives_the_model_and_its_own_asker() -> None:
    failures = Failures(ManualClock())
    for asker in (EVE, EVE, EVE):
        failures.failed({asker})
    failures.finished(ADA)
    assert failures.refused_for(EVE) > 0
    assert not failures.failed({BEN})
    failures.finished(EVE)
    assert failures.refused_for(EVE) == 0


def test_a_refusal_ends_by_itself() -> None:
    time = ManualClock()
    failures = Failures(time)
    for _ in range(3):
        failures.failed({EVE})
    time.advance(REFUSED_S - 1)
    assert failures.refused_for(EVE) == 1
    time.advance(1)
    assert failures.refused_for(EVE) == 0
    assert not failures.failed({EVE})
    assert failures.refused_for(EVE) == 0  # counted anew
