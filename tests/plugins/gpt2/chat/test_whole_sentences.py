"""Texts that end with their sentence, what shows where one was cut, and going on from it."""

from __future__ import annotations

from tests.plugins.gpt2.fake_plugin import answered, begin, finished, opened
from tests.plugins.gpt2.fake_source import FakeSource
from townhall_bot.loopback import Person
from townhall_bot.testkit import StartTownhall

STORY = "Once it rained. The cat slept on the roof and did not see that the moon had come up over the town again. "


async def test_a_text_ends_with_its_sentence_unless_one_asks_for_the_exact_count(
    start_townhall: StartTownhall, ada: Person
) -> None:
    townhall = await begin(start_townhall, FakeSource(script=STORY), ENDING="sentence")
    turn = await answered(townhall, ada, "/gpt2 prompt:Once count:10")
    assert turn.text == "**Once** it rained."
    exact = await answered(townhall, ada, "/gpt2 prompt:Once count:7 ending:exact")
    assert exact.text == "**Once** it rai"
    # What was asked for stays so.
    again = await finished(await ada.press(exact.message, "Again"))
    assert again.text == "**Once** it rai"


async def test_a_text_that_was_cut_says_so_and_goes_on_where_it_was_cut(
    start_townhall: StartTownhall, ada: Person
) -> None:
    townhall = await begin(start_townhall, FakeSource(script=STORY), ENDING="sentence")
    turn = await answered(townhall, ada, "/gpt2 prompt:Once count:30")
    assert turn.text == "**Once** it rained. The cat slept on t\u2060…"
    more = await finished(await ada.press(turn.message, "Continue"))
    assert more.text == "**Once it rained. The cat slept on t**he roof and did not see that t\u2060…"


async def test_the_form_offers_temperature_seed_and_ending(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall, FakeSource(script=STORY), TEMPERATURE="0.8", ENDING="sentence")
    turn = await answered(townhall, ada, "/gpt2 prompt:Once count:10 seed:4")
    form = await opened(ada, turn.message, "Edit…")
    assert form.modal is not None
    fields = {row["components"][0]["custom_id"]: row["components"][0].get("value") for row in form.modal["components"]}
    assert fields | {"seed": fields["seed"] or ""} == {
        "prompt": "Once",
        "count": "10",
        "temperature": "0.8",
        "seed": "",
        "ending": "sentence",
    }
    answer = await finished(await ada.submit(form, temperature="0,5", seed="7", ending="Exact", count="7"))
    assert answer.text == "**Once** it rai"
    form = await opened(ada, turn.message, "Edit…")
    wrong = await ada.submit(form, ending="whenever", seed="3")
    await wrong.until(lambda turn: turn.messages)
    assert wrong.text.splitlines()[0] == "The ending must be one of sentence, exact, not “whenever”."


async def test_in_german_the_form_writes_numbers_as_german_does(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall, FakeSource(script=STORY), TEMPERATURE="0.8")
    turn = await answered(townhall, ada, "/gpt2 prompt:Once count:10 seed:4")
    ada.user.locale = "de"
    form = await opened(ada, turn.message, "Edit…")
    assert form.modal is not None
    assert form.modal["components"][2]["components"][0]["value"] == "0,8"


async def test_what_goes_on_is_told_as_a_text_and_keeps_three_quarters_of_the_context(
    start_townhall: StartTownhall, ada: Person
) -> None:
    townhall = await begin(start_townhall, FakeSource(context=100), MAX_COUNT="300")
    turn = await answered(townhall, ada, "/gpt2 prompt:Hello there count:90")
    more = await finished(await ada.press(turn.message, "Continue"))
    assert "Your prompt" not in more.text
    assert "this model reads 100 with what it adds, so it goes on from the last 75." in more.text
    assert "The text ends here" not in more.text
