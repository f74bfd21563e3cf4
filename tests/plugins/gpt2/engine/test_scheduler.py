from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from plugins.gpt2.engine.scheduler import Scheduler
from plugins.gpt2.protocol import (
    EngineFailed,
    Finished,
    GenerationError,
    GenerationRequest,
    InvalidRequest,
    SamplingParams,
    Started,
    Text,
)
from tests.plugins.gpt2.fake_model import (
    END_OF_TEXT,
    GREEDY,
    FakeModel,
    ScriptedModel,
    greedy_text,
    request,
    sampled,
)


class Desk:
    """Hands requests to a scheduler and collects what each of them gets."""

    def __init__(self, model: FakeModel | None = None) -> None:
        self.model = FakeModel() if model is None else model
        self.ticks = itertools.count()
        self.scheduler = Scheduler(self.model, clock=lambda: float(next(self.ticks)))
        self.texts: dict[int, str] = {}
        self.notices: dict[int, str | None] = {}
        self.finished: dict[int, Finished] = {}
        self.errors: dict[int, GenerationError] = {}
        self.order: list[int] = []
        self.broken: Exception | None = None

    def submit(self, key: int, asked: GenerationRequest) -> None:
        self.scheduler.submit(key, asked, submitted=0.0)

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            step = self.scheduler.step()
            self.broken = step.error
            for key, outcome in step.outcomes:
                match outcome:
                    case Started(notice):
                        self.notices[key] = None if notice is None else str(notice)
                    case Text(piece):
                        self.texts[key] = self.texts.get(key, "") + piece
                    case Finished():
                        self.finished[key] = outcome
                        self.order.append(key)
                    case GenerationError():
                        self.errors[key] = outcome

    def run(self) -> None:
        while self.scheduler.busy:
            self.step()


def alone(asked: GenerationRequest) -> str:
    desk = Desk()
    desk.submit(1, asked)
    desk.run()
    return desk.texts[1]


def test_a_request_gets_exactly_the_tokens_it_asked_for() -> None:
    desk = Desk()
    desk.submit(1, request("Hello", count=12))
    desk.run()
    assert desk.texts[1] == greedy_text("Hello", 12)
    assert desk.finished[1].reason == "length"
    assert desk.finished[1].timing.new_tokens == 12
    assert desk.finished[1].timing.prompt_tokens == 5


def test_batch_matches_single() -> None:
    asked = [
        request("To be", count=20),
        request("A prompt that needs several slices of prefill", count=15),
        request("x", count=1),
        request("Yes", count=25, sampling=sampled(seed=3)),
        request("Another one, greedy and long enough", count=18),
        request("No", count=9, sampling=sampled(seed=4)),
    ]
    desk = Desk()
    for key, one in enumerate(asked):
        desk.submit(key, one)
        desk.step(2)  # they join while others run
    desk.run()
    assert [desk.texts[key] for key in range(len(asked))] == [alone(one) for one in asked]
    assert ("decode", 4) in desk.model.steps  # they did run together


def test_unique_counts_end_at_their_own_time() -> None:
    desk = Desk()
    for key, count in enumerate((9, 3, 6)):
        desk.submit(key, request("same", count=count))
    desk.run()
    assert desk.order == [1, 2, 0]
    assert [len(desk.texts[key]) for key in range(3)] == [9, 3, 6]


def test_a_newcomer_takes_the_row_of_whoever_left() -> None:
    desk = Desk(FakeModel(rows=1))
    desk.submit(1, request("first", count=4))
    desk.submit(2, request("second", count=4))
    desk.run()
    assert desk.order == [1, 2]
    assert desk.texts == {1: greedy_text("first", 4), 2: greedy_text("second", 4)}


def test_a_long_prompt_stalls_nobody() -> None:
    desk = Desk(FakeModel(prefill_slice=8))
    desk.submit(1, request("ab", count=30))
    desk.step(3)
    desk.submit(2, request("p" * 32, count=2))
    before = len(desk.texts[1])
    desk.step(4)  # four slices
    assert len(desk.texts[1]) == before + 4
    assert desk.model.steps.count(("prefill", 8)) == 4


def test_cancelling_frees_the_row_at_the_next_step() -> None:
    desk = Desk(FakeModel(rows=1))
    desk.submit(1, request("endless", count=50))
    desk.submit(2, request("next", count=2))
    desk.step(5)
    desk.scheduler.cancel(1)
    desk.step()
    assert desk.finished[1].reason == "cancelled"
    assert desk.finished[1].timing.new_tokens == len(desk.texts[1])
    assert 2 in desk.notices  # it has the row already
    desk.run()
    assert desk.texts[2] == greedy_text("next", 2)


def test_cancelling_a_waiting_request_ends_it_without_a_token() -> None:
    desk = Desk(FakeModel(rows=1))
    desk.submit(1, request("running", count=5))
    desk.submit(2, request("waiting", count=5))
    desk.step()
    desk.scheduler.cancel(2)
    desk.run()
    assert desk.finished[2].reason == "cancelled"
    assert desk.finished[2].timing.new_tokens == 0
    assert desk.finished[1].reason == "length"


def test_cancelling_what_has_ended_is_no_error() -> None:
    desk = Desk()
    desk.submit(1, request("a", count=1))
    desk.run()
    desk.scheduler.cancel(1)
    desk.submit(1, request("b", count=3))
    desk.run()
    assert desk.finished[1].reason == "length"


def test_a_stop_string_ends_the_text_before_it() -> None:
    whole = greedy_text("Hello", 30)
    stop = whole[10:13]
    desk = Desk()
    desk.submit(1, request("Hello", count=30, sampling=replace(GREEDY, stop=(stop,))))
    desk.run()
    assert desk.texts[1] == whole[: whole.index(stop)]
    assert desk.finished[1].reason == "stop"


def test_the_models_end_of_text_ends_it_and_is_not_shown() -> None:
    class Ending(FakeModel):
        def next_logits(self, tokens):  # type: ignore[no-untyped-def]  # as in the base class
            logits = super().next_logits(tokens)
            logits[END_OF_TEXT] = 100.0 if len(tokens) == 8 else -100.0
            return logits

    desk = Desk(Ending())
    desk.submit(1, request("Hello", count=30))
    desk.run()
    assert desk.finished[1].reason == "end_of_text"
    assert desk.texts[1] == greedy_text("Hello", 3)


def test_a_full_context_ends_the_text_with_that_reason() -> None:
    desk = Desk(FakeModel(context=16, prefill_slice=4))
    desk.submit(1, request("four", count=40))
    desk.run()
    assert desk.finished[1].reason == "context"
    assert desk.finished[1].timing.new_tokens == 16 - 4 + 1  # the last token needs no place


def test_of_a_long_prompt_the_end_is_read_and_the_asker_is_told() -> None:
    desk = Desk(FakeModel(context=64))
    prompt = "".join(chr(ord("a") + i % 26) for i in range(1200))
    desk.submit(1, request(prompt, count=40))
    desk.run()
    assert desk.texts[1] == greedy_text(prompt[-24:], 40)
    assert (
        desk.notices[1] == "Your prompt has 1,200 tokens; this model reads 64 with the new text, so I used the last 24."
    )
    assert desk.finished[1].reason == "length"


def test_a_count_beyond_the_context_still_leaves_room_for_the_prompt() -> None:
    desk = Desk(FakeModel(context=64))
    desk.submit(1, request("x" * 100, count=500))
    desk.run()
    assert desk.finished[1].timing.prompt_tokens == 16
    assert desk.finished[1].reason == "context"


def test_an_empty_prompt_starts_from_the_end_of_text_token() -> None:
    desk = Desk()
    desk.submit(1, request("", count=5))
    desk.run()
    assert len(desk.texts[1]) == 5
    assert "empty" in (desk.notices[1] or "")


def test_an_empty_prompt_is_refused_where_the_model_has_no_such_token() -> None:
    model = FakeModel()
    model.info = replace(model.info, end_of_text=None)
    desk = Desk(model)
    desk.submit(1, request("", count=5))
    desk.submit(2, request("ok", count=5))
    desk.run()
    assert isinstance(desk.errors[1], InvalidRequest)
    assert desk.texts[2] == greedy_text("ok", 5)


def test_bad_sampling_is_refused_alone() -> None:
    desk = Desk()
    desk.submit(1, request("a", sampling=SamplingParams(temperature=9.0)))
    desk.submit(2, request("b", count=3))
    desk.run()
    assert isinstance(desk.errors[1], InvalidRequest)
    assert desk.texts[2] == greedy_text("b", 3)


@pytest.mark.parametrize("kind", ["prefill", "decode"])
def test_a_failing_step_fails_its_own_requests_and_the_others_go_on_after_the_rebuild(kind: str) -> None:
    armed = False

    def fail(step: str) -> None:
        if armed and step == kind:
            raise RuntimeError("device lost")

    desk = Desk(FakeModel(before_step=fail))
    desk.submit(1, request("first", count=20))
    desk.step(6)
    desk.submit(2, request("second, with a prompt of several slices", count=8))
    desk.step(2)
    armed = True
    desk.step()
    assert isinstance(desk.broken, RuntimeError)

    failed, survivor = (1, 2) if kind == "decode" else (2, 1)
    error = desk.errors[failed]
    assert isinstance(error, EngineFailed)
    assert error.partial_text == desk.texts.get(failed, "")

    desk.scheduler.rebuilt(FakeModel())
    desk.run()
    whole = {1: greedy_text("first", 20), 2: greedy_text("second, with a prompt of several slices", 8)}
    assert desk.texts[survivor] == whole[survivor]
    assert desk.finished[survivor].reason == "length"


def test_logits_that_are_not_numbers_fail_their_own_request_only() -> None:
    class Poisoned(FakeModel):
        def next_logits(self, tokens):  # type: ignore[no-untyped-def]  # as in the base class
            logits = super().next_logits(tokens)
            if tokens[0] == ord("!"):
                logits[:] = float("nan")
            return logits

    desk = Desk(Poisoned())
    desk.submit(1, request("fine", count=10))
    desk.submit(2, request("!", count=10))
    desk.step(2)
    assert isinstance(desk.errors[2], EngineFailed)
    assert isinstance(desk.broken, FloatingPointError)
    desk.scheduler.rebuilt(FakeModel())  # the row's cache may hold such numbers
    desk.run()
    assert desk.texts[1] == greedy_text("fine", 10)


def test_timing_says_what_each_part_took() -> None:
    now = 100.0

    def advance(kind: str) -> None:
        nonlocal now
        now += 0.5 if kind == "prefill" else 0.1

    scheduler = Scheduler(FakeModel(before_step=advance, prefill_slice=8), clock=lambda: now)
    scheduler.submit(1, request("sixteen letters.", count=11, sampling=sampled(seed=42)), submitted=98.0)
    finished = None
    while scheduler.busy:
        finished = scheduler.step().outcomes[-1][1]
    assert isinstance(finished, Finished)
    timing = finished.timing
    assert timing.queue_ms == pytest.approx(2000)
    assert timing.first_token_ms == pytest.approx(1000)
    assert timing.prefill_tok_s == pytest.approx(16.0)
    assert timing.decode_tok_s == pytest.approx(10.0)
    assert timing.total_ms == pytest.approx(4000)
    assert (timing.seed, timing.model, timing.device, timing.dtype) == (42, "fake", "FAKE", "fp32")


def prefilled(desk: Desk) -> int:
    return sum(size for kind, size in desk.model.steps if kind == "prefill")


def test_an_opening_that_was_read_before_is_not_read_again() -> None:
    desk = Desk()
    desk.submit(1, request("once upon a time there was a fox"))
    desk.run()
    before = prefilled(desk)
    desk.submit(2, request("once upon a time there was a hen"))
    desk.run()
    assert prefilled(desk) - before == len("hen")
    assert desk.texts[2] == greedy_text("once upon a time there was a hen", 10)


def test_what_a_text_wrote_counts_as_read_when_it_goes_on() -> None:
    desk = Desk()
    desk.submit(1, request("the fox"))
    desk.run()
    before = prefilled(desk)
    desk.submit(2, request("the fox" + desk.texts[1]))
    desk.run()
    assert prefilled(desk) - before == 1
    assert desk.texts[2] == greedy_text("the fox" + desk.texts[1], 10)


def test_the_same_prompt_twice_at_once_uses_two_rows() -> None:
    desk = Desk()
    for key in (1, 2):
        desk.submit(key, request("twins"))
    desk.run()
    assert desk.texts[1] == desk.texts[2] == greedy_text("twins", 10)


def test_a_rebuilt_model_is_not_believed_to_know_anything() -> None:
    desk = Desk()
    desk.submit(1, request("once upon a time"))
    desk.run()
    desk.model = FakeModel()
    desk.scheduler.rebuilt(desk.model)
    desk.submit(2, request("once upon a time"))
    desk.run()
    assert desk.texts[2] == desk.texts[1]


def test_a_text_that_repeats_itself_takes_fewer_steps_and_stays_the_same() -> None:
    texts, steps = [], []
    for draft_slots in (1, 4):
        desk = Desk(ScriptedModel("the hen and the fox. ", draft_slots=draft_slots, context=256))
        desk.submit(1, request("the hen and the fox. ", 150))
        desk.run()
        texts.append(desk.texts[1])
        steps.append(len(desk.model.steps))
    assert texts[0] == texts[1]
    assert len(texts[0]) == 150
    assert steps[1] < 0.5 * steps[0]


@pytest.mark.parametrize("seed", range(5))
def test_guessing_never_changes_a_sampled_text(seed: int) -> None:
    """The fake model's letters are drawn at random, so most guesses are wrong, some right."""
    texts = []
    for draft_slots in (1, 4):
        desk = Desk(FakeModel(draft_slots=draft_slots, context=256))
        desk.submit(1, request("abcabcabcabc", 60, sampled(seed)))
        desk.run()
        texts.append(desk.texts[1])
    assert texts[0] == texts[1]


def test_a_guess_reaches_neither_beyond_the_count_nor_the_context() -> None:
    desk = Desk(ScriptedModel("abcd", context=30))
    desk.submit(1, request("abcdabcdabcd", 6))
    desk.submit(2, request("abcdabcdabcd", 100))
    desk.run()
    assert desk.finished[1].timing.new_tokens == 6
    assert desk.finished[2].reason == "context"


def test_a_stop_string_inside_a_right_guess_ends_the_text_before_it() -> None:
    desk = Desk(ScriptedModel("one two. ", context=128))
    desk.submit(1, request("one two. one two. ", 40, replace(GREEDY, stop=("wo. one two. on",))))
    desk.run()
    assert desk.texts[1] == "one t"
    assert desk.finished[1].reason == "stop"
