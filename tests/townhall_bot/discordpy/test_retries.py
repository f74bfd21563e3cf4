"""In bad weather people are answered once, in time, and completely; what cannot arrive is said to be lost."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import discord
import pytest

from townhall_bot.discordpy import retries
from townhall_bot.loopback import LoopbackDiscord, Person, TownhallWorld
from townhall_bot.loopback.faults.climates import Climate
from townhall_bot.plugins import Plugin
from townhall_bot.replies import LiveReply
from townhall_bot.testkit import StartTownhall

Act = Callable[[discord.Interaction], Awaitable[None]]
PluginDoing = Callable[..., type[Plugin]]
Fail = Callable[[LoopbackDiscord], object]

CALLBACK, FOLLOW_UP, ANSWER = "/interactions/*/callback", "/webhooks/*", "/webhooks/*/messages/@original"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PAUSES", (0.0,) * 3)
    monkeypatch.setattr(retries, "FIRST_ANSWER_PAUSES", (0.0,) * 3)


async def greet(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("good day")


async def think(interaction: discord.Interaction) -> None:
    await interaction.response.defer(thinking=True)
    await LiveReply(interaction).finish("thought")


@pytest.mark.parametrize("act", [greet, think])
@pytest.mark.parametrize(
    "fail",
    [
        lambda server: server.weather.answer("POST", CALLBACK, 503, times=3),
        lambda server: server.weather.answer("POST", CALLBACK, 500, times=2),
        lambda server: server.weather.answer("POST", CALLBACK, 429, retry_after=0.01, times=2),
        lambda server: server.weather.cut("POST", CALLBACK, times=3),
        lambda server: server.weather.answer("POST", CALLBACK, 502, after=True),
        lambda server: server.weather.cut("POST", CALLBACK, after=True),
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
    discord_server.weather.cut("POST", CALLBACK, after=True)
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
    discord_server.weather.cut("POST", CALLBACK, times=4, after=True)
    turn = await ada.type("/act")
    assert await townhall.settled(turn) is None
    assert turn.text == "complete"


@pytest.mark.parametrize(("status", "after"), [(503, False), (502, False), (500, True)])
async def test_a_follow_up_arrives(
    status: int, after: bool, start_townhall: StartTownhall, plugin_doing: PluginDoing,
    discord_server: LoopbackDiscord, ada: Person,
) -> None:  # fmt: skip
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("first")
        discord_server.weather.answer("POST", "/webhooks/{webhook_id}/{webhook_token}", status, after=after)
        await interaction.followup.send("second", file=discord.File(__file__))

    townhall = await start_townhall(plugin_doing(act))
    turn = await ada.type("/act")
    assert await townhall.settled(turn) is None
    assert turn.messages[-1].content == "second"
    assert turn.messages[-1].attachments[0].text.startswith('"""In bad weather')


@pytest.mark.parametrize("after", [False, True])
async def test_a_message_to_a_channel_stands_there_once(
    after: bool, start_townhall: StartTownhall, plugin_doing: PluginDoing, discord_server: LoopbackDiscord,
    world: TownhallWorld, ada: Person,
) -> None:  # fmt: skip
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("done", ephemeral=True)
        discord_server.weather.cut("POST", "/channels/*/messages", times=2, after=after)
        assert isinstance(interaction.channel, discord.TextChannel)
        await interaction.channel.send("hear ye")

    townhall = await start_townhall(plugin_doing(act))
    assert await townhall.settled(await ada.type("/act")) is None
    assert [message.content for message in world.channels["general"].messages] == ["hear ye"]


@pytest.mark.parametrize(
    "fail",
    [
        lambda server: server.weather.answer("DELETE", ANSWER, 500, after=True),
        lambda server: server.weather.cut("DELETE", ANSWER, after=True),
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
        failed = discord_server.weather.answer("PATCH", ANSWER, 503)
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
        discord_server.weather.cut(method, path, times=3)
        discord_server.weather.answer(method, path, 503)
    townhall = await start_townhall(plugin_doing(greet))
    turn = await ada.type("/act")
    assert await townhall.settled(turn) is None
    assert turn.text == "good day"


async def test_a_new_session_is_asked_for_at_once_and_then_at_discord_s_pace(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(round(seconds, 1))

    townhall = await start_townhall()
    monkeypatch.setattr("townhall_bot.bot.asyncio.sleep", sleep)
    townhall.bot._next_identify = 0.0
    for _ in range(3):
        await townhall.bot.before_identify_hook(None)
    assert waits == [0.0, 5.0, 10.0]


async def test_in_a_storm_every_text_arrives_whole(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty members at once, a gateway in trouble every few milliseconds; the soak does this for minutes."""
    monkeypatch.setattr(retries, "PAUSES", (0.0, 0.01, 0.02, 0.04))
    monkeypatch.setattr(retries, "FIRST_ANSWER_PAUSES", (0.0, 0.01, 0.02, 0.04, 0.08, 0.16))
    # discord.py waits longer, up to minutes by chance, the more often it has lost the connection.
    monkeypatch.setattr("discord.client.ExponentialBackoff.delay", lambda backoff: 0.01)
    monkeypatch.setattr("townhall_bot.bot.IDENTIFY_SECONDS", 0.0)  # the storm may break the first session too
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

    storm = Climate(
        "storm", rate_limited=0.1, retry_after=(0.01, 0.05), failing=0.1, cut=0.1, slow=0.1, slow_for=(0.0, 0.02),
        doubled=0.2, late=0.2, late_for=(0.0, 0.02), incident_every=0.05, skew=30.0,
        incidents=("drop", "cut", "reconnect", "invalid but resumable"),
    )  # fmt: skip
    discord_server.weather.begin(storm, seed=3)
    townhall = await start_townhall(Writer)
    guild = discord_server.townhall().guild
    turns = [await guild.add_member(f"member{number}").type("/write") for number in range(20)]
    for turn in turns:
        assert await townhall.settled(turn, 60) is None
        # A page may stand there twice where only Discord's answer was lost; none is missing.
        assert set(re.findall(r"word\d+", turn.text)) == set(text.split())
        assert not any(message.thinking for message in turn.messages)
    assert discord_server.weather.happened["connections cut"] > 0
