"""What members see of /gpt2, through the real client and a Discord on this machine. The model is a fake one."""

from __future__ import annotations

import asyncio

import pytest

from plugins.gpt2.plugin import GPT2Plugin
from plugins.gpt2.protocol import GenerationError
from tests.plugins.gpt2.fake_model import greedy_text
from tests.plugins.gpt2.fake_plugin import answered, begin, half_written
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import CommandRefused, LoopbackDiscord, Person
from townhall_bot.replies import Refusal
from townhall_bot.testkit import StartTownhall


async def test_the_text_goes_on_behind_the_prompt(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada, "/gpt2 prompt:Hello count:30")
    assert turn.text == f"**Hello**{greedy_text('Hello', 30)}"
    assert not turn.message.ephemeral


@pytest.mark.usefixtures("lively")
async def test_the_answer_is_acknowledged_at_once_and_grows_by_edits(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    gate = Gate()
    townhall = await begin(start_townhall, FakeSource(rows=1, before_step=gate))
    first = await ada.type("/gpt2 prompt:Hello count:30")
    await first.acknowledged(timeout=3)
    await first.until(lambda turn: "Reading the prompt" in turn.text)
    second = await ben.type("/gpt2 prompt:Me too")
    await second.until(lambda turn: "You are next" in turn.text)
    third = await ben.type("/gpt2 prompt:And again")
    await third.until(lambda turn: "1 goes before you" in turn.text)
    gate.open()
    for turn in (first, second, third):
        assert await townhall.settled(turn) is None
    assert first.text == f"**Hello**{greedy_text('Hello', 30)}"
    assert "before you" not in third.text


async def test_while_the_model_loads_its_progress_is_shown(start_townhall: StartTownhall, ada: Person) -> None:
    gate = Gate()
    townhall = await begin(start_townhall, FakeSource(before_open=lambda name: gate("open")))
    turn = await ada.type("/gpt2 prompt:Hello count:3")
    await turn.until(lambda turn: "fake: downloading, 1 MB of 2 MB" in turn.text)
    gate.open()
    assert await townhall.settled(turn) is None
    assert turn.text == f"**Hello**{greedy_text('Hello', 3)}"


async def test_timing_is_shown_to_who_asks_for_it(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada, "/gpt2 prompt:Hello count:3 timing:True")
    text, line = turn.text.split("\n")
    assert text == f"**Hello**{greedy_text('Hello', 3)}"
    assert line.startswith("-# queue ")
    assert "5 + 3 tokens" in line
    assert line.endswith("fake on FAKE, fp32")


async def test_the_same_seed_gives_the_same_text(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    texts = []
    for seed in (5, 5, 6):
        turn = await ada.type(f"/gpt2 prompt:Hello count:30 temperature:1 top_k:20 top_p:0.9 seed:{seed}")
        assert await townhall.settled(turn) is None
        texts.append(turn.text)
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    "options",
    [
        *("count:0", "count:301", "temperature:2.5", "top_k:-1", "top_p:1.5", "seed:-1", "count:many"),
        *("min_p:-0.1", "min_p:1.5", "repetition_penalty:0.9", "repetition_penalty:2.1"),
    ],
)
async def test_discord_itself_refuses_what_is_out_of_range(
    start_townhall: StartTownhall, ada: Person, options: str
) -> None:
    await begin(start_townhall)
    with pytest.raises(CommandRefused, match=options.split(":")[0]):
        await ada.type(f"/gpt2 prompt:Hello {options}")


async def test_ranges_follow_the_hosts_settings(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall, MAX_COUNT="5", DEFAULT_COUNT="4")
    with pytest.raises(CommandRefused):
        await ada.type("/gpt2 prompt:Hello count:6")
    turn = await answered(townhall, ada, "/gpt2 prompt:Hello")
    assert turn.text == f"**Hello**{greedy_text('Hello', 4)}"


@pytest.mark.usefixtures("lively")
async def test_one_member_too_many_requests_is_told_so_and_why(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    gate = Gate()
    townhall = await begin(start_townhall, FakeSource(before_step=gate), MEMBER_LIMIT="1")
    first = await ada.type("/gpt2 prompt:Hello count:3")
    await first.until(lambda turn: "Reading" in turn.text)
    second = await ada.type("/gpt2 prompt:Again count:3")
    assert isinstance(await townhall.settled(second), Refusal)
    assert second.text.startswith("You have 1 text on the way")
    other = await ben.type("/gpt2 prompt:Mine count:3")
    gate.open()
    for turn in (first, other):
        assert await townhall.settled(turn) is None


async def test_a_prompt_beyond_the_context_is_explained(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall, FakeSource(context=100))
    turn = await answered(townhall, ada, f"/gpt2 prompt:{'x' * 150} count:20")
    assert "-# Your prompt has 150 tokens; this model reads 100 with the new text, so I used the last 80." in turn.text


async def test_what_the_model_writes_is_shown_verbatim_and_pings_nobody(
    start_townhall: StartTownhall, ada: Person, discord_server: LoopbackDiscord
) -> None:
    script = "@everyone <@1> **loud** \n# big "
    townhall = await begin(start_townhall, FakeSource(script=script))
    turn = await answered(townhall, ada, f"/gpt2 prompt:@here count:{2 * len(script)}")
    assert r"@everyone \<@1> \*\*loud\*\*" in turn.text
    assert "\n\\# big" in turn.text
    assert not turn.message.pings_everyone
    assert not turn.message.pings
    sent = [r.body for r in discord_server.requests if isinstance(r.body, dict) and "content" in r.body]
    assert sent
    assert all(body["allowed_mentions"] == {"parse": []} for body in sent)


async def test_a_text_longer_than_a_message_becomes_several(start_townhall: StartTownhall, ada: Person) -> None:
    script = "_under_score *stars* "
    townhall = await begin(
        start_townhall, FakeSource(context=2000, script=script), MAX_COUNT="1024", DEFAULT_COUNT="1000"
    )
    turn = await answered(townhall, ada, "/gpt2 prompt:Once count:1024")
    whole = [message.content for message in turn.messages]
    assert all(0 < len(content) <= 2000 for content in whole)
    words = "".join(whole).removeprefix("**Once**").replace("\\", "").split()
    assert len("".join(words)) >= 0.8 * 1024


async def test_when_a_step_fails_what_was_written_stays_with_the_reason(
    start_townhall: StartTownhall, ada: Person
) -> None:
    steps = iter(["ok"] * 6 + ["fail"])

    def before_step(kind: str) -> None:
        if next(steps, "ok") == "fail":
            raise RuntimeError("device lost")

    townhall = await begin(start_townhall, FakeSource(before_step=before_step))
    turn = await ada.type("/gpt2 prompt:Hello count:30")
    assert isinstance(await townhall.settled(turn), Refusal)
    text, note = turn.text.split("\n")
    assert text == f"**Hello**{greedy_text('Hello', 6)}"
    assert note.startswith("-# The engine failed on this request")
    again = await answered(townhall, ada, "/gpt2 prompt:Hello count:30")
    assert again.text == f"**Hello**{greedy_text('Hello', 30)}"


async def test_a_deadline_keeps_what_was_written(start_townhall: StartTownhall, ada: Person) -> None:
    gate = Gate()
    townhall = await begin(start_townhall, FakeSource(before_step=gate), DEADLINE_S="0.3")
    turn = await ada.type("/gpt2 prompt:Hello count:30")
    assert isinstance(await townhall.settled(turn), Refusal)
    assert "the most that this host allows" in turn.text
    gate.open()


async def test_a_default_model_that_cannot_be_loaded_is_explained(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall, MODEL="bad")
    turn = await ada.type("/gpt2 prompt:Hello")
    assert isinstance(await townhall.settled(turn), Refusal)
    assert turn.text == "bad could not be opened: bad: config.json is not there. Copy it again."


@pytest.mark.usefixtures("lively")
async def test_stopping_the_bot_leaves_nobody_with_a_thinking_message(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    gate = Gate(after=6)
    townhall = await begin(start_townhall, FakeSource(rows=1, before_step=gate))
    running = await ada.type("/gpt2 prompt:Hello count:30")
    await running.until(lambda turn: "Writing" in turn.text)
    waiting = await ben.type("/gpt2 prompt:Me too")
    await waiting.until(lambda turn: "You are next" in turn.text)
    stopping = asyncio.create_task(townhall.stop())
    await running.until(lambda turn: "stopping" in turn.text)
    await waiting.until(lambda turn: "stopping" in turn.text)
    gate.open()
    await stopping
    assert running.text == f"**Hello**{greedy_text('Hello', 6)}\n-# The bot is stopping."
    assert waiting.text == "The bot is stopping."


async def test_before_a_restart_texts_end_the_queue_is_told_and_buttons_start_nothing(
    start_townhall: StartTownhall, ada: Person, ben: Person
) -> None:
    gate = Gate()
    townhall = await begin(start_townhall, FakeSource(rows=1, before_step=gate), MEMBER_LIMIT="3")
    gate.open()
    done = await answered(townhall, ada, "/gpt2 prompt:Hello count:3")
    gate.close()
    running = await ada.type("/gpt2 prompt:Hello count:30")
    await running.until(lambda turn: "Reading" in turn.text)
    waiting = await ben.type("/gpt2 prompt:Me too")
    await waiting.until(lambda turn: "You are next" in turn.text)
    draining = asyncio.create_task(townhall.bot.drain(30))
    assert isinstance(await townhall.settled(waiting), Refusal)
    assert waiting.text == "The bot is about to restart and takes nothing new. Please ask again in a minute."
    again = await ada.press(done.message, "Again")
    await again.until(lambda turn: turn.text == waiting.text)
    gate.open()
    await draining
    assert running.text == f"**Hello**{greedy_text('Hello', 30)}"
    await townhall.stop()


async def test_a_text_that_takes_longer_than_the_drain_can_still_be_stopped_by_its_asker(
    start_townhall: StartTownhall, ada: Person
) -> None:
    townhall, turn, gate = await half_written(start_townhall, ada)
    draining = asyncio.create_task(townhall.bot.drain(30))
    await (await ada.press(turn.message, "Stop")).acknowledged()
    gate.open()
    await draining
    assert turn.text.endswith("-# Stopped.")


async def test_health_says_what_is_loaded_and_what_is_wrong(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    plugin = townhall.plugin(GPT2Plugin)
    await answered(townhall, ada, "/gpt2 prompt:Hello count:3")
    health = await plugin.health()
    assert health.ok
    assert health.summary == "fake on FAKE (fp32); 0 running, 0 waiting"
    await townhall.stop()
    health = await plugin.health()
    assert not health.ok
    assert "stopping" in health.summary


async def test_deleting_a_members_data_ends_their_requests_and_finds_nothing_stored(
    start_townhall: StartTownhall, ada: Person
) -> None:
    gate = Gate()
    townhall = await begin(start_townhall, FakeSource(before_step=gate))
    plugin = townhall.plugin(GPT2Plugin)
    turn = await ada.type("/gpt2 prompt:Hello count:30")
    await turn.until(lambda turn: "Reading" in turn.text)
    assert await plugin.delete_member_data(ada.id) == 0
    assert isinstance(await townhall.settled(turn), Refusal)
    assert "cancelled" in turn.text
    gate.open()


async def test_prompts_and_texts_are_never_logged(
    start_townhall: StartTownhall, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    def before_step(kind: str) -> None:
        if kind == "decode":
            raise RuntimeError("device lost")

    with caplog.at_level("DEBUG", logger="townhall"):
        townhall = await begin(start_townhall, FakeSource(before_step=before_step))
        turn = await ada.type("/gpt2 prompt:Hushhush count:30")
        assert isinstance(await townhall.settled(turn), GenerationError | Refusal)
    ours = [record.getMessage() + (record.exc_text or "") for record in caplog.records if "townhall" in record.name]
    assert ours
    assert not any("Hushhush" in line for line in ours)


async def test_a_bot_whose_model_cannot_be_loaded_is_not_well_until_it_can(
    start_townhall: StartTownhall, ada: Person
) -> None:
    missing = [True]

    def open_file(name: str) -> None:
        if missing:
            raise OSError("the disk is not mounted")

    townhall = await begin(start_townhall, FakeSource(before_open=open_file))
    plugin = townhall.plugin(GPT2Plugin)
    turn = await ada.type("/gpt2 prompt:Hello count:3")
    assert isinstance(await townhall.settled(turn), Refusal)
    health = await plugin.health()
    assert (health.ok, health.summary) == (False, "fake could not be opened: the disk is not mounted.")
    missing.clear()
    turn = await answered(townhall, ada, "/gpt2 prompt:Hello count:3")
    assert (await plugin.health()).ok
