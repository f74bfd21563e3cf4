"""Where a text begins and why it ends: prompts too long or empty, stop strings, the end of text, a full context."""

from __future__ import annotations

from dataclasses import replace

from plugins.gpt2.protocol import InvalidRequest
from tests.plugins.gpt2.engine.desk import Desk
from tests.plugins.gpt2.fake_model import END_OF_TEXT, GREEDY, ByteTokenizer, FakeModel, greedy_text, request


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


def test_every_token_that_ends_a_text_does_and_one_that_is_a_word_is_shown() -> None:
    whole = greedy_text("Hello", 30)
    model = FakeModel()
    model.info = replace(model.info, also_end=(ord(whole[4]), 3))
    desk = Desk(model)
    desk.submit(1, request("Hello", count=30))
    desk.run()
    assert desk.finished[1].reason == "end_of_text"
    assert desk.texts[1] == whole[: whole.index(whole[4]) + 1]


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


def test_what_every_prompt_begins_with_is_kept_where_its_head_goes() -> None:
    desk = Desk(FakeModel(context=64))
    tokenizer = ByteTokenizer()
    tokenizer.begins = (ord("^"),)
    desk.model.tokenizer = tokenizer
    prompt = "".join(chr(ord("a") + i % 26) for i in range(1200))
    desk.submit(1, request(prompt, count=40))
    desk.submit(2, request("", count=5))
    desk.run()
    assert desk.texts[1] == greedy_text("^" + prompt[-23:], 40)
    assert desk.texts[2] == greedy_text("^", 5)
    assert "empty" in (desk.notices[2] or "")


def test_turns_of_a_conversation_come_before_the_prompt_as_the_model_was_trained() -> None:
    desk = Desk()
    desk.submit(1, replace(request("How?", count=5), turns=("Hi", "Yo")))
    desk.run()
    expected, model = [*b"Hi", END_OF_TEXT, *b"Yo", END_OF_TEXT, *b"How?", END_OF_TEXT], FakeModel()
    for _ in range(5):
        expected.append(int(model.next_logits(expected).argmax()))
    assert desk.texts[1].encode() == bytes(expected[-5:])


def test_a_special_token_is_read_in_what_the_host_wrote_and_nowhere_else() -> None:
    desk = Desk()
    desk.submit(1, request("a<end>b", count=5))
    desk.submit(2, replace(request("a<end>b", count=5), special_tokens=True))
    desk.run()
    assert [desk.finished[key].timing.prompt_tokens for key in (1, 2)] == [7, 3]
    assert desk.texts[1] == greedy_text("a<end>b", 5)


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


def test_an_opening_is_read_before_the_prompt_and_stays_where_a_long_prompts_head_goes() -> None:
    desk = Desk(FakeModel(context=64))
    desk.submit(1, replace(request("Hello", count=5), opening="Dear "))
    desk.submit(2, replace(request("x" * 200 + "end", count=32), opening="Dear "))
    desk.run()
    assert desk.texts[1] == greedy_text("Dear Hello", 5)
    assert desk.finished[1].timing.prompt_tokens == 10
    assert desk.texts[2] == greedy_text("Dear " + "x" * 24 + "end", 32)


def test_an_opening_is_said_before_what_a_conversation_begins_with() -> None:
    desk = Desk(FakeModel())
    desk.submit(1, replace(request("b", count=3), opening="Sir, ", turns=("a",)))
    desk.run()
    assert desk.finished[1].timing.prompt_tokens == len("Sir, a") + 1 + len("b") + 1
