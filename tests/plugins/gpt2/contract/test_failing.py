"""Steps that fail: what was written is kept, who comes next is served, and a model that keeps failing is taken out."""

from __future__ import annotations

from plugins.gpt2.protocol import EngineFailed, ModelUnavailable
from tests.plugins.gpt2.asker import Asker
from tests.plugins.gpt2.contract.conftest import Begin
from tests.plugins.gpt2.fake_model import greedy_text, request


async def test_a_failing_step_keeps_what_was_written_and_the_next_request_works(begin: Begin) -> None:
    stage = await begin()
    stage.hold(after=6)
    asker = Asker(stage.generator, request("Hello", count=20))
    await asker.until(lambda: asker.text)
    stage.fail_steps()
    stage.go_on()
    await asker.done()
    assert isinstance(asker.error, EngineFailed)
    assert asker.error.partial_text == asker.text != ""
    assert greedy_text("Hello", 20).startswith(asker.text)
    again = await Asker(stage.generator, request("Hello", count=20)).done()
    assert again.text == greedy_text("Hello", 20)
    await stage.told()
    assert stage.generator.status().failure is None


async def test_those_who_wait_while_a_step_fails_are_served_afterwards(begin: Begin) -> None:
    stage = await begin(rows=1)
    stage.hold()
    failing = Asker(stage.generator, request("Hello", user=1))
    await failing.until(lambda: failing.started)
    waiting = Asker(stage.generator, request("Me too", user=2))
    await waiting.until(lambda: waiting.places)
    stage.fail_steps()
    stage.go_on()
    assert isinstance((await failing.done()).error, EngineFailed)
    assert (await waiting.done()).text == greedy_text("Me too", 10)


async def test_a_model_that_fails_three_times_is_out_of_service_until_somebody_chooses_it_again(begin: Begin) -> None:
    stage = await begin(rows=1)
    stage.fail_steps(times=3)
    askers = [Asker(stage.generator, request("x", user=user)) for user in range(4)]
    for asker in askers:
        await asker.done()
    assert [type(asker.error) for asker in askers] == [EngineFailed] * 3 + [ModelUnavailable]
    refused = await Asker(stage.generator, request("x")).done()
    assert isinstance(refused.error, ModelUnavailable)
    assert refused.refusal == "failed.out_of_service"
    assert "device lost" in str(refused.error)
    await stage.told()
    status = stage.generator.status()
    assert status.models == ()
    assert "device lost" in (status.failure or "")

    await stage.generator.ensure_model("fake")
    await stage.told()
    assert stage.generator.status().failure is None
    assert (await Asker(stage.generator, request("x", count=2)).done()).text == greedy_text("x", 2)


async def test_a_member_whose_requests_fail_again_and_again_takes_the_model_from_nobody_else(begin: Begin) -> None:
    stage = await begin(rows=1)
    stage.fail_steps(times=3)
    for _ in range(3):
        assert isinstance((await Asker(stage.generator, request("x", user=1)).done()).error, EngineFailed)
    refused = await Asker(stage.generator, request("x", user=1)).done()
    assert isinstance(refused.error, ModelUnavailable)
    assert refused.refusal == "failed.yours"
    await stage.told()
    assert stage.generator.status().failure is None
    assert (await Asker(stage.generator, request("x", count=2, user=2)).done()).text == greedy_text("x", 2)
