"""Everything that is said comes out as it went in, and what is not understood is passed over or refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.messages import Message
from plugins.gpt2.protocol import (
    EngineFailed,
    EngineStatus,
    Finished,
    GenerationError,
    GenerationRequest,
    Limits,
    ModelEntry,
    Queued,
    SamplingParams,
    ServingModel,
    Started,
    Text,
    Timing,
)
from plugins.gpt2.wire.calling import Caller, Lost, session
from plugins.gpt2.wire.events import ERRORS, Admitted, Loaded, Progress, Told, event_in, event_out
from plugins.gpt2.wire.lines import BEAT, WireError, line, read
from plugins.gpt2.wire.registration import Registration, registration_in, registration_out
from plugins.gpt2.wire.serving import NotListening, application, listen
from plugins.gpt2.wire.values import request_in, request_out
from townhall_bot.i18n.formatting import format_bytes

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
words = some.text(max_size=20)
numbers = some.integers(-(2**53), 2**53)
amounts = some.floats(allow_nan=False, allow_infinity=False)
values = some.one_of(some.none(), some.booleans(), words, numbers, amounts, amounts.map(abs).map(format_bytes))
messages = some.recursive(
    some.builds(Message, words, some.dictionaries(words, values, max_size=3)),
    lambda inner: some.builds(Message, words, some.dictionaries(words, some.one_of(values, inner), max_size=2)),
    max_leaves=3,
)
params = some.builds(SamplingParams, temperature=amounts, stop=some.lists(words, max_size=3).map(tuple))
limits = some.none() | some.builds(Limits, numbers, numbers)
requests = some.builds(
    GenerationRequest, words, numbers, words, params, limits=limits, turns=some.lists(words, max_size=3).map(tuple)
)
infos = some.builds(ModelInfo, also_end=some.lists(numbers, max_size=2).map(tuple), step_s=some.none() | amounts)
timings = some.builds(
    Timing, amounts, amounts, some.none() | amounts, some.none() | amounts, amounts, prompt_tokens=numbers
)
reasons = some.sampled_from(["length", "stop", "context", "end_of_text", "cancelled"])
events = some.one_of(
    some.just(Admitted()),
    some.builds(Queued, numbers, some.none() | amounts, some.none() | messages),
    some.builds(Started, some.none() | messages),
    some.builds(Text, words, numbers),
    some.builds(Finished, reasons, timings),
    some.builds(Progress, messages),
    some.builds(Loaded, infos),
)
statuses = some.builds(
    EngineStatus,
    some.lists(some.builds(ServingModel, infos, numbers), max_size=2).map(tuple),
    some.none() | messages,
    out_of_service=some.dictionaries(words, messages, max_size=2),
    offered=some.lists(some.builds(ModelEntry), max_size=2).map(tuple),
)
registrations = some.builds(Registration, words, words, some.lists(words, max_size=3).map(tuple), statuses)


@QUICK
@given(requests)
def test_a_request_comes_as_it_was_sent(request: GenerationRequest) -> None:
    assert request_in(read(line(request_out(request)))) == request


@QUICK
@given(events)
def test_an_event_comes_as_it_was_sent(event: Told) -> None:
    assert event_in(read(line(event_out(event)))) == event


@QUICK
@given(registrations)
def test_a_registration_comes_as_it_was_sent(said: Registration) -> None:
    assert registration_in(read(line(registration_out(said)))) == said


@pytest.mark.parametrize("kind", ERRORS.values())
def test_each_error_comes_as_the_same_error(kind: type[GenerationError]) -> None:
    said = Message("busy.member", {"count": 2, "wait": format_bytes(1.5e9)})
    error = EngineFailed(said, "half a text") if kind is EngineFailed else kind(said)
    told = event_in(read(line(event_out(error))))
    assert type(told) is kind
    assert isinstance(told, GenerationError)
    assert told.message == said
    assert getattr(told, "partial_text", "") == getattr(error, "partial_text", "")


def test_a_size_is_still_put_into_the_marks_of_a_language() -> None:
    said = Progress(Message("progress.stage_with_memory", {"memory": format_bytes(1.52e9)}))
    told = event_in(read(line(event_out(said))))
    assert isinstance(told, Progress)
    assert f"{told.line.values['memory']}" == "1.52 GB"


def test_what_a_newer_peer_says_besides_is_passed_over() -> None:
    assert event_in({"weather": {"clouds": 3}}) is None
    assert event_in({"text": {"piece": "Hello", "tokens": 1, "mood": "good"}}) == Text("Hello", 1)
    newer = {**request_out(GenerationRequest("Hello", 3, "fake")), "colour": "red"}
    assert request_in(newer) == GenerationRequest("Hello", 3, "fake")
    assert event_in(read(BEAT)) is None


@pytest.mark.parametrize("said", [b"<html>", b"[1]", b'{"text": 3}', b'{"finished": {"reason": "stop"}}'])
def test_what_cannot_be_read_is_refused_with_what_it_is(said: bytes) -> None:
    with pytest.raises(WireError):
        event_in(read(said))


async def answer_of(secret: str | None, given_secret: str | None, address: str) -> tuple[int, Any]:
    """Return status and body of a call."""
    app = application(secret, frozenset({"/healthz"}))

    async def hello(request: web.Request) -> web.Response:
        return web.json_response({"hello": 1})

    app.add_routes([web.get("/v1/status", hello), web.get("/healthz", hello)])
    runner, port = await listen(app, "127.0.0.1", 0, secret)
    try:
        async with session(given_secret) as calls, calls.get(f"http://127.0.0.1:{port}{address}") as response:
            return response.status, await response.json()
    finally:
        await runner.cleanup()


async def test_another_version_is_refused_by_name() -> None:
    status, said = await answer_of(None, None, "/v2/status")
    assert status == 404
    assert "speaks v1" in said["error"]
    assert "asked in v2" in said["error"]


@pytest.mark.parametrize(("theirs", "status"), [("the secret word", 200), ("another word", 401), (None, 401)])
async def test_every_call_needs_the_secret_and_health_does_not(theirs: str | None, status: int) -> None:
    assert (await answer_of("the secret word", theirs, "/v1/status"))[0] == status
    assert (await answer_of("the secret word", theirs, "/healthz"))[0] == 200


async def test_a_wrong_secret_is_told_to_who_calls() -> None:
    app = application("the secret word")
    runner, port = await listen(app, "127.0.0.1", 0, "the secret word")
    async with session("another word") as calls:
        with pytest.raises(Lost, match="TOWNHALL_GPT2_ROUTER_SECRET is not the same"):
            await Caller(f"http://127.0.0.1:{port}", calls).ask("GET", "status")
    await runner.cleanup()


async def test_nobody_listens_to_other_machines_without_a_secret() -> None:
    with pytest.raises(NotListening, match="TOWNHALL_GPT2_ROUTER_SECRET"):
        await listen(application(None), "0.0.0.0", 0, None)
