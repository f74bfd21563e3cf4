"""Whatever goes wrong, people are answered once, in time and completely; what cannot arrive is said to be lost."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import discord
import pytest

from townhall_bot.discordpy import backoff, retries
from townhall_bot.loopback import Change, LoopbackDiscord, Person, TownhallWorld
from townhall_bot.loopback.faults.profiles import FaultProfile
from townhall_bot.plugins import Plugin
from townhall_bot.replies import LiveReply
from townhall_bot.testkit import StartTownhall

Act = Callable[[discord.Interaction], Awaitable[None]]
PluginDoing = Callable[..., type[Plugin]]
Fail = Callable[[LoopbackDiscord], object]

CALLBACK, FOLLOW_UP, ANSWER = "/interactions/*/callback", "/webhooks/*", "/webhooks/*/messages/@original"


pytestmark = pytest.mark.usefixtures("no_pauses")


async def greet(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("good day")


async def think(interaction: discord.Interaction) -> None:
    await interaction.response.defer(thinking=True)
    await LiveReply(interaction).finish("thought")


@pytest.mark.parametrize("act", [greet, think])
@pytest.mark.parametrize(
    "fail",
    [
        lambda server: server.faults.answer("POST", CALLBACK, 503, times=3),
        lambda server: server.faults.answer("POST", CALLBACK, 500, times=2),
        lambda server: server.faults.answer("POST", CALLBACK, 429, retry_after=0.01, times=2),
        lambda server: server.faults.cut("POST", CALLBACK, times=3),
        lambda server: server.faults.answer("POST", CALLBACK, 502, after=True),
        lambda server: server.faults.cut("POST", CALLBACK, after=True),
    ],
    ids=["unavailable", "error", "rate limit", "cut", "error after it took effect", "cut after it took effect"],
)
async def test_a_first_answer_arrives_once_and_in_time(
    act: Act, fail: Fail, start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord,
    ada: Person, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    townhall = await start_townhall(plugin_doing(act))
    fail(discord_server)
    turn = await ada.type("/act")
    assert await townhall.settled(turn) is None
    assert turn.text == ("good day" if act is greet else "thought")
    assert turn.ack_seconds is not None
    assert turn.ack_seconds < 1
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_buttons_of_an_answer_whose_reply_was_lost_work(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord, ada: Person
) -> None:
    class Once(discord.ui.View):
        @discord.ui.button(label="Once")
        async def once(self, interaction: discord.Interaction, _: object) -> None:
            await interaction.response.edit_message(content="pressed", view=None)

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("press it", view=Once())

    townhall = await start_townhall(plugin_doing(act))
    discord_server.faults.cut("POST", CALLBACK, after=True)
    turn = await ada.type("/act")
    assert await townhall.settled(turn) is None
    await (await ada.press(turn.message, "Once")).acknowledged()
    assert turn.text == "pressed"


async def test_a_first_answer_that_was_given_up_is_not_the_end(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord, ada: Person
) -> None:
    """The reply of every attempt is lost, also of the one that took effect; the final text still comes."""

    async def act(interaction: discord.Interaction) -> None:
        assert await LiveReply(interaction, interval=0.001).finish("complete")

    townhall = await start_townhall(plugin_doing(act))
    discord_server.faults.cut("POST", CALLBACK, times=retries.FIRST_ANSWER.attempts, after=True)
    turn = await ada.type("/act")
    assert await townhall.settled(turn) is None
    assert turn.text == "complete"


async def test_who_answers_again_after_giving_up_is_told_that_it_had_arrived(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord, ada: Person
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        with pytest.raises(aiohttp.ClientError):
            await interaction.response.send_message("here")
        await interaction.response.send_message("here")

    townhall = await start_townhall(plugin_doing(act))
    discord_server.faults.cut("POST", CALLBACK, times=retries.FIRST_ANSWER.attempts, after=True)
    turn = await ada.type("/act")
    assert await townhall.settled(turn) is None
    assert turn.text == "here"


async def test_attempts_do_not_multiply(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord, ada: Person
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        discord_server.faults.answer("PATCH", ANSWER, 503, times=100)
        assert not await LiveReply(interaction).finish("lost")
        tried.append(sum(request.method == "PATCH" for request in discord_server.requests))

    tried: list[int] = []
    townhall = await start_townhall(plugin_doing(act))
    assert await townhall.settled(await ada.type("/act")) is None
    assert tried == [retries.LASTING.attempts]


async def test_a_final_text_outlives_more_rate_limits_than_discord_py_waits_out(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord, ada: Person
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        discord_server.faults.answer("PATCH", ANSWER, 429, retry_after=0.001, times=7)
        assert await LiveReply(interaction).finish("at last")

    townhall = await start_townhall(plugin_doing(act))
    turn = await ada.type("/act")
    assert await townhall.settled(turn) is None
    assert turn.text == "at last"


@pytest.mark.parametrize(("status", "after"), [(503, False), (502, False), (500, True)])
async def test_a_follow_up_arrives(
    status: int, after: bool, start_townhall: StartTownhall, plugin_doing: PluginDoing,
    discord_server: LoopbackDiscord, ada: Person,
) -> None:  # fmt: skip
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("first")
        discord_server.faults.answer("POST", "/webhooks/{webhook_id}/{webhook_token}", status, after=after)
        await interaction.followup.send("second", file=discord.File(__file__))

    townhall = await start_townhall(plugin_doing(act))
    turn = await ada.type("/act")
    assert await townhall.settled(turn) is None
    assert turn.messages[-1].content == "second"
    assert turn.messages[-1].attachments[0].text.startswith('"""Whatever goes wrong')


@pytest.mark.parametrize("after", [False, True])
async def test_a_message_to_a_channel_stands_there_once(
    after: bool, start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord,
    world: TownhallWorld, ada: Person,
) -> None:  # fmt: skip
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("done", ephemeral=True)
        discord_server.faults.cut("POST", "/channels/*/messages", times=2, after=after)
        assert isinstance(interaction.channel, discord.TextChannel)
        await interaction.channel.send("hear ye")

    townhall = await start_townhall(plugin_doing(act))
    assert await townhall.settled(await ada.type("/act")) is None
    assert [message.content for message in world.channels["general"].messages] == ["hear ye"]


@pytest.mark.parametrize(
    "fail",
    [
        lambda server: server.faults.answer("DELETE", ANSWER, 500, after=True),
        lambda server: server.faults.cut("DELETE", ANSWER, after=True),
    ],
    ids=["error", "cut"],
)
async def test_an_answer_that_was_deleted_while_the_reply_was_lost_is_deleted(
    fail: Fail, start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord, ada: Person
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("gone in a second")
        fail(discord_server)
        await interaction.delete_original_response()

    townhall = await start_townhall(plugin_doing(act))
    turn = await ada.type("/act")
    assert await townhall.settled(turn) is None
    assert turn.messages == []


async def test_a_state_on_the_way_to_the_end_is_not_insisted_upon(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord, ada: Person
) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        failed = discord_server.faults.answer("PATCH", ANSWER, 503)
        reply = LiveReply(interaction, interval=60)
        reply.show("on the way")
        await failed.arrived.wait()
        await reply.finish("at the end")

    townhall = await start_townhall(plugin_doing(act))
    turn = await ada.type("/act")
    assert await townhall.settled(turn) is None
    assert turn.message.versions == ["", "at the end"]


async def test_an_interaction_that_comes_twice_is_acted_on_once(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord, ada: Person
) -> None:
    acted = []

    async def act(interaction: discord.Interaction) -> None:
        acted.append(interaction.id)
        await interaction.response.send_message("once")

    townhall = await start_townhall(plugin_doing(act))
    discord_server.gateway.delays = lambda _: (0.0, 0.0)
    first, second = await ada.type("/act"), await ada.type("/act")
    assert await townhall.settled(first) is None
    assert await townhall.settled(second) is None
    assert acted == [first.interaction_id, second.interaction_id]


async def test_who_could_not_be_answered_in_time_was_told_by_discord(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord, ada: Person,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    async def act(interaction: discord.Interaction) -> None:
        now = discord_server.world.clock()
        discord_server.world.clock = lambda: now + 3.1
        await interaction.response.send_message("late")

    townhall = await start_townhall(plugin_doing(act))
    turn = await ada.type("/act")
    assert isinstance(await townhall.settled(turn), discord.NotFound)
    assert turn.failed
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
        f"request {turn.interaction_id} could not be answered in time; its asker was told so by Discord"
    ]


async def test_the_bot_starts_in_a_storm(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord, ada: Person
) -> None:
    for method, path in (("GET", "/users/@me"), ("GET", "/oauth2/applications/@me"), ("PUT", "/applications/*")):
        discord_server.faults.cut(method, path, times=3)
        discord_server.faults.answer(method, path, 503)
    townhall = await start_townhall(plugin_doing(greet))
    turn = await ada.type("/act")
    assert await townhall.settled(turn) is None
    assert turn.text == "good day"


async def test_in_a_storm_every_text_arrives_whole(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty members at once, a gateway in trouble every few milliseconds; the soak does this for minutes."""
    monkeypatch.setattr(backoff, "uniform", lambda low, high: high / 50)
    text = " ".join(f"word{number}" for number in range(600))

    class Writer(Plugin):
        name = "writer"

        def commands(self) -> Sequence[discord.app_commands.Command[Any, ..., None]]:
            @discord.app_commands.command(description="Write")
            async def write(interaction: discord.Interaction) -> None:
                await interaction.response.defer(thinking=True)
                async with LiveReply(interaction, interval=0.01) as reply:
                    for length in range(0, len(text), 500):
                        reply.show(text[:length])
                        await asyncio.sleep(0.005)  # a model's pace: storms, and edits, are a matter of time
                    assert await reply.finish(text)

            return [write]

    storm = FaultProfile(
        "storm", rate_limited=0.1, retry_after=(0.01, 0.05), failing=0.1, cut=0.1, slow=0.1, slow_for=(0.0, 0.02),
        doubled=0.2, late=0.2, late_for=(0.0, 0.02), incident_every=0.1, skew=30.0,
        incidents=("drop", "cut", "reconnect", "invalid but resumable"),
    )  # fmt: skip
    townhall = await start_townhall(Writer)
    discord_server.faults.begin(storm, seed=3)
    guild = discord_server.townhall().guild
    turns = [await Person(guild.add_member(f"member{number}")).type("/write") for number in range(20)]
    for turn in turns:
        assert await townhall.settled(turn, 60) is None
        # A page may stand there twice where only Discord's answer was lost; none is missing.
        assert set(re.findall(r"word\d+", turn.text)) == set(text.split())
        assert not any(message.thinking for message in turn.messages)
    assert discord_server.faults.happened["connections cut"] > 0


async def test_a_first_connection_that_breaks_is_made_again(
    start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord, ada: Person
) -> None:
    """discord.py asked a connection that never stood where to go on, and the bot ended with a traceback."""
    broken: list[Change] = []

    def cut_the_first(change: Change) -> None:
        if change.kind == "bot_connected" and not broken:
            broken.append(change)
            discord_server.faults.cut_gateway()

    discord_server.world.subscribe(cut_the_first)
    townhall = await start_townhall(plugin_doing(greet))
    turn = await ada.type("/act")
    assert await townhall.settled(turn) is None
    assert broken
