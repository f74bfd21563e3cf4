"""German as the proof that texts can be translated: what the channel reads, what one person reads, and the commands."""

from __future__ import annotations

import string

import pytest

from plugins.gpt2.phrases import TEXTS, error, explained
from plugins.gpt2.plugin import GPT2Plugin
from plugins.gpt2.protocol import Busy
from plugins.gpt2.service import GPT2Service
from plugins.gpt2.settings import GPT2Settings
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import Guild, Person
from townhall_bot.replies import Refusal
from townhall_bot.testkit import RunningTownhall, StartTownhall

HOST = {"TOWNHALL_GPT2_MODEL": "fake", "TOWNHALL_GPT2_ALLOWED_MODELS": "fake", "TOWNHALL_GPT2_MEMBER_LIMIT": "1"}


async def begin(start_townhall: StartTownhall, gate: Gate) -> RunningTownhall:
    class WithFakeModels(GPT2Plugin):
        def make_service(self, settings: GPT2Settings) -> GPT2Service:
            return GPT2Service(settings, FakeSource(before_step=gate), available_memory=lambda: None)

    return await start_townhall(WithFakeModels, settings=HOST)


async def test_on_a_german_server_texts_and_buttons_are_german_and_refusals_follow_the_person(
    start_townhall: StartTownhall, guild: Guild, ada: Person
) -> None:
    guild.locale = "de"
    gate = Gate(after=6)
    townhall = await begin(start_townhall, gate)
    turn = await ada.type("/gpt2 prompt:Hallo count:30")
    await turn.until(lambda turn: "Schreibt …" in turn.text)
    refused = await ada.type("/gpt2 prompt:Noch einer")
    assert isinstance(await townhall.settled(refused), Refusal)
    assert refused.text.startswith("You have 1 text on the way")  # she reads English
    ada.user.locale = "de"
    refused = await ada.type("/gpt2 prompt:Noch einer")
    assert isinstance(await townhall.settled(refused), Refusal)
    assert refused.text.startswith("Von dir ist 1 Text in Arbeit")
    await (await ada.press(turn.message, "Anhalten")).acknowledged()
    gate.open()
    assert await townhall.settled(turn) is None
    assert turn.text.endswith("-# Angehalten.")
    assert [button["label"] for button in turn.message.buttons] == ["Noch einmal", "Fortsetzen", "Ändern …", "Löschen"]


async def test_discord_is_told_the_german_names_and_descriptions(
    start_townhall: StartTownhall, guild: Guild, ada: Person
) -> None:
    await begin(start_townhall, Gate())
    commands = {command.name: command.definition for command in guild.world.registered(None)}
    assert commands["Continue with GPT-2"]["name_localizations"]["de"] == "Mit GPT-2 fortsetzen"
    assert commands["gpt2"]["description_localizations"]["de"] == "GPT-2 einen Text fortsetzen lassen"
    prompt = commands["gpt2"]["options"][0]
    assert prompt["description_localizations"]["de"].startswith("Der Anfang eines Textes.")


def test_an_error_can_be_said_in_both_languages() -> None:
    busy = error(Busy, "busy.queue", count=3, wait="8 s")
    assert str(busy).startswith("The queue is full: 3 are waiting")
    assert explained(busy, TEXTS.of("de")).startswith("Die Warteschlange ist voll: 3 warten")
    assert explained(Busy("as it is"), TEXTS.of("de")) == "as it is"


@pytest.mark.parametrize("name", sorted(TEXTS._by_locale["de"]))
def test_each_german_text_has_the_same_values_as_its_english_one(name: str) -> None:
    def values(text: str) -> set[str | None]:
        return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}

    german, english = TEXTS._by_locale["de"][name], TEXTS.english(name)
    assert values(german) == values(english)
    if name.startswith(("gpt2.", "config.option.")) or name.endswith(".description"):
        assert len(german) <= 100  # of a description
