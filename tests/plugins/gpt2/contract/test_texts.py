"""What a request gives where nothing goes wrong."""

from __future__ import annotations

from dataclasses import replace

from plugins.gpt2.protocol import Finished, Started, Text
from tests.plugins.gpt2.asker import Asker
from tests.plugins.gpt2.contract.conftest import Begin
from tests.plugins.gpt2.fake_model import greedy_text, request, sampled


async def test_a_text_comes_as_pieces_between_started_and_finished(begin: Begin) -> None:
    stage = await begin()
    asker = await Asker(stage.generator, request("Hello", count=12)).done()
    assert isinstance(asker.events[0], Started)
    assert all(isinstance(event, Text) for event in asker.events[1:-1])
    assert isinstance(asker.events[-1], Finished)
    assert asker.text == greedy_text("Hello", 12)
    assert asker.events[-1].reason == "length"
    timing = asker.events[-1].timing
    assert (timing.model, timing.prompt_tokens, timing.new_tokens, timing.moved) == ("fake", 5, 12, 0)


async def test_each_piece_says_how_many_tokens_it_took_and_together_they_are_all(begin: Begin) -> None:
    stage = await begin()
    asker = await Asker(stage.generator, request("Hello", count=12)).done()
    pieces = [event for event in asker.events if isinstance(event, Text)]
    assert all(len(piece.piece) == piece.tokens for piece in pieces), "a letter is a token here"
    assert sum(piece.tokens for piece in pieces) == 12


async def test_a_text_whose_engine_was_lost_goes_on_behind_what_was_written(begin: Begin) -> None:
    stage = await begin()
    whole = greedy_text("Hello", 20)
    asker = await Asker(stage.generator, replace(request("Hello", count=12), written=whole[:8])).done()
    assert asker.text == whole[8:]


async def test_a_turn_of_a_conversation_goes_on_as_the_same_turn(begin: Begin) -> None:
    stage = await begin()
    asked = replace(request("How are you?", count=20), turns=("Hello", "Hi"))
    whole = (await Asker(stage.generator, asked).done()).text
    rest = await Asker(stage.generator, replace(asked, count=12, written=whole[:8])).done()
    assert rest.text == whole[8:]


async def test_a_greedy_text_is_the_same_each_time_and_beside_others(begin: Begin) -> None:
    stage = await begin(rows=2)
    first = await Asker(stage.generator, request("Hello", count=20)).done()
    second, other = (Asker(stage.generator, request(prompt, count=20)) for prompt in ("Hello", "Good evening"))
    assert (await second.done()).text == first.text == greedy_text("Hello", 20)
    assert (await other.done()).text == greedy_text("Good evening", 20)


async def test_the_same_seed_gives_the_same_text_and_is_told(begin: Begin) -> None:
    stage = await begin()
    first, second = [await Asker(stage.generator, request("Hello", 20, sampled(7))).done() for _ in range(2)]
    assert first.text == second.text != greedy_text("Hello", 20)
    assert first.finished is not None
    assert first.finished.timing.seed == 7


async def test_the_status_tells_what_is_loaded_and_that_all_is_well(begin: Begin) -> None:
    stage = await begin()
    await stage.told()
    status = stage.generator.status()
    assert (status.models, status.loading, status.failure) == (("fake",), None, None)
    assert (status.running, status.queued) == (0, 0)
    assert (status.device, status.dtype) == ("FAKE", "fp32")


async def test_before_anything_is_loaded_the_status_says_what_is_on_its_way(begin: Begin) -> None:
    stage = await begin(held=["fake"])
    await stage.told()
    status = stage.generator.status()
    assert (status.models, status.device, status.failure) == ((), "", None)
    assert "fake" in str(status.loading)
