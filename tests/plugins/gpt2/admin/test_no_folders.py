"""Where the host keeps its models is the host's business: no folder of it in anything that Discord gets."""

from __future__ import annotations

import pytest

from plugins.gpt2.admin.model_choices import public_names
from tests.plugins.gpt2.admin.test_config_panel import MODEL
from tests.plugins.gpt2.fake_plugin import HOST, answered, host_settings, menu, plugin_with, refused
from tests.plugins.gpt2.fake_source import FakeSource
from townhall_bot.loopback import Guild, LoopbackDiscord, Person
from townhall_bot.testkit import StartTownhall

POET, OTHER, BROKEN = "/srv/hidden/poet", "/srv/hidden/of-old/poet", "/srv/hidden/broken"


def fails(name: str) -> None:
    if name == BROKEN:
        raise ValueError(f"{name}/config.json is not there. Copy it again.")


@pytest.mark.parametrize("locale", ["en-US", "de"])
async def test_nothing_that_discord_gets_names_a_folder_of_the_host(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord, guild: Guild, admin: Person, locale: str
) -> None:
    guild.locale = admin.user.locale = locale
    settings = host_settings(MODEL=POET, ALLOWED_MODELS=f"{POET},{OTHER},{BROKEN}")
    assert HOST["MODEL"] not in settings.values()
    townhall = await start_townhall(plugin_with(FakeSource(before_open=fails)), settings=settings)
    log = admin.guild.add_channel("log")
    await answered(townhall, admin, "/gpt2-config audit_channel:#log")

    turn = await answered(townhall, admin, "/gpt2 prompt:Hello count:3 seed:2 timing:True")
    assert "poet" in turn.text
    choices = await admin.complete("/gpt2-config model:po")
    assert [choice["value"] for choice in choices] == ["poet", "poet (2)"]
    await answered(townhall, admin, "/gpt2-config model:poet (2)")
    panel = await answered(townhall, admin, "/gpt2-config")
    assert (await townhall.bot.store.guild_settings("gpt2").all(guild.id))["model"] == OTHER
    chosen = await admin.select(panel.message, "poet", custom_id=menu(panel.message, MODEL))
    assert await townhall.settled(chosen) is None
    assert (await townhall.bot.store.guild_settings("gpt2").all(guild.id))["model"] == POET
    assert "broken" in await refused(townhall, admin, "/gpt2-config model:broken")
    assert "poet" in await refused(townhall, admin, "/gpt2-config model:nobody")
    await answered(townhall, admin, "/gpt2-config audit:True")
    await answered(townhall, admin, "/gpt2-stats")
    await answered(townhall, admin, "/privacy")
    again = await admin.press(turn.message, turn.message.buttons[1]["label"])
    await again.until(lambda turn: turn.messages and len(turn.message.buttons) == 4)
    assert log.messages

    said = [repr((request.path, request.body)) for request in discord_server.requests]
    assert len(said) > 20
    assert [each for each in said if "hidden" in each or "/srv" in each] == []


def test_two_folders_of_one_name_are_told_apart() -> None:
    assert public_names([POET, "gpt2", OTHER, "people/poet"]) == {
        "poet": POET,
        "gpt2": "gpt2",
        "poet (2)": OTHER,
        "people/poet": "people/poet",
    }
