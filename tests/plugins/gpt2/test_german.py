"""German as the proof that texts can be translated: a member's day, an admin's day, and what Discord is told."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.plugins.gpt2.fake_plugin import answered, host_settings, plugin_with, refused
from tests.plugins.gpt2.fake_source import FakeSource, Gate
from townhall_bot.loopback import Guild, Message, Person
from townhall_bot.testkit import RunningTownhall, StartTownhall

MEMORY = 10**9
"""What this machine has left."""


async def begin(start_townhall: StartTownhall, source: FakeSource | None = None, **settings: str) -> RunningTownhall:
    models = plugin_with(source or FakeSource(), available_memory=lambda: MEMORY)
    host = {"ALLOWED_MODELS": "fake,other,bad,townhall-mini", "MEMBER_LIMIT": "1"} | settings
    return await start_townhall(models, settings=host_settings(**host))


def small_print(message: Message) -> list[str]:
    return [line.removeprefix("-# ") for line in message.content.split("\n") if line.startswith("-# ")]


@pytest.fixture
def in_german(guild: Guild, ada: Person, admin: Person) -> None:
    """A German server with a German member and a German admin."""
    guild.locale = ada.user.locale = admin.user.locale = "de"


async def test_the_channel_reads_its_language_and_each_person_theirs(
    start_townhall: StartTownhall, guild: Guild, ada: Person
) -> None:
    guild.locale = "de"
    gate = Gate(after=6)
    townhall = await begin(start_townhall, FakeSource(before_step=gate))
    turn = await ada.type("/gpt2 prompt:Hallo count:30")
    await turn.until(lambda turn: "Schreibt …" in turn.text)
    assert (await refused(townhall, ada, "/gpt2 prompt:Noch einer")).startswith("You have 1 text on the way")
    ada.user.locale = "de"
    assert (await refused(townhall, ada, "/gpt2 prompt:Noch einer")).startswith("Von dir ist 1 Text in Arbeit")
    await (await ada.press(turn.message, "Anhalten")).acknowledged()
    gate.open()
    assert await townhall.settled(turn) is None
    assert turn.text.endswith("-# Angehalten.")
    assert [button["label"] for button in turn.message.buttons] == ["Noch einmal", "Fortsetzen", "Ändern …", "Löschen"]


async def test_a_member_waits_for_the_model(start_townhall: StartTownhall, ada: Person, in_german: None) -> None:
    gate = Gate()
    townhall = await begin(start_townhall, FakeSource(before_open=lambda name: gate("open")))
    turn = await ada.type("/gpt2 prompt:Hallo count:3")
    await turn.until(lambda turn: turn.text == "⏳ fake: wird heruntergeladen, 1 MB von 2 MB (50 %)")
    gate.open()
    assert await townhall.settled(turn) is None


async def test_a_member_asks_with_a_long_prompt_with_none_and_for_the_timing(
    start_townhall: StartTownhall, ada: Person, in_german: None
) -> None:
    townhall = await begin(start_townhall, FakeSource(context=100))
    long = await answered(townhall, ada, f"/gpt2 prompt:{'x' * 150} count:20")
    assert small_print(long.message) == [
        "Dein Prompt hat 150 Tokens; dieses Modell liest 100 samt dem neuen Text, "
        "deshalb habe ich die letzten 80 genommen."
    ]
    none = await answered(townhall, ada, '/gpt2 prompt:" " count:3 seed:7 timing:True')
    empty, timing = small_print(none.message)
    assert empty == "Dein Prompt ist leer, deshalb beginnt das Modell einen eigenen Text."
    time = r"[\d.]+ m?s"
    assert re.fullmatch(
        rf"Wartezeit {time} · erstes Token {time} · Lesen [\d.]+ Tokens/s · Schreiben [\d.]+ Tokens/s · "
        rf"1 \+ 3 Tokens in {time} · Startwert 7 · fake auf FAKE, fp32",
        timing,
    )


async def test_everything_there_is_to_say_of_a_text_fits_below_it(
    start_townhall: StartTownhall, ada: Person, in_german: None
) -> None:
    name = "people/a-poet-with-a-rather-long-name-in-german"
    townhall = await begin(start_townhall, FakeSource(context=100), MODEL=name)
    turn = await answered(townhall, ada, f"/gpt2 prompt:{'x' * 1500} count:80 seed:9007199254740991 timing:True")
    cut, context, timing = small_print(turn.message)
    assert cut.startswith("Dein Prompt hat 1.500 Tokens; dieses Modell liest 100 samt dem neuen Text,")
    assert context == "Der Text endet hier, weil das Modell nicht mehr auf einmal liest."
    assert timing.endswith(f"Startwert 9007199254740991 · {name} auf FAKE, fp32")


@pytest.mark.usefixtures("lively")
async def test_a_members_text_fails_in_the_middle_and_the_bot_stops_during_the_next(
    start_townhall: StartTownhall, ada: Person, in_german: None
) -> None:
    gate, steps = Gate(), 0

    def before_step(kind: str) -> None:
        nonlocal steps
        steps += 1
        if steps == 6:
            raise RuntimeError("device lost")
        if steps > 9:
            gate(kind)

    townhall = await begin(start_townhall, FakeSource(before_step=before_step))
    assert (await refused(townhall, ada, "/gpt2 prompt:Hallo count:30")).endswith(
        "\n-# Das Modell ist an dieser Anfrage gescheitert (RuntimeError). Was bis dahin geschrieben wurde, bleibt "
        "stehen; frage bitte noch einmal."
    )
    turn = await ada.type("/gpt2 prompt:Hallo count:30")
    await turn.until(lambda turn: "Schreibt …" in turn.text)
    stopping = asyncio.create_task(townhall.stop())
    await turn.until(lambda turn: turn.text.endswith("\n-# Der Bot wird gerade beendet."))
    gate.open()
    await stopping


async def test_an_admin_looks_at_the_settings_and_members_feel_the_change(
    start_townhall: StartTownhall, admin: Person, ada: Person, in_german: None
) -> None:
    townhall = await begin(start_townhall)
    panel = await answered(townhall, admin, "/gpt2-config")
    models = {choice["value"]: choice["label"] for choice in panel.message.components[0]["components"][0]["options"]}
    assert models["other"] == "other · noch herunterzuladen"
    assert re.fullmatch(
        r"townhall-mini · 10M Parameter, braucht [\d,]+ MB Arbeitsspeicher, ✓ auf der Festplatte",
        models["townhall-mini"],
    )
    assert models["townhall-mini"] in panel.text
    offered = await admin.complete("/gpt2-config model:mini")
    assert [choice["name"] for choice in offered] == [models["townhall-mini"]]
    await answered(townhall, admin, "/gpt2-config max_count:20 default_count:10")
    assert await refused(townhall, ada, "/gpt2 prompt:Hallo count:21") == (
        "count ist 21; auf diesem Server dürfen es höchstens 20 Tokens sein."
    )


async def test_an_admin_chooses_models_that_do_not_work(
    start_townhall: StartTownhall, admin: Person, ada: Person, in_german: None
) -> None:
    source = FakeSource()
    townhall = await begin(start_townhall, source)
    await answered(townhall, ada, "/gpt2 prompt:Hallo count:3")
    goes_on = "Dieser Server macht mit fake weiter."
    assert await refused(townhall, admin, "/gpt2-config model:gpt2-xl") == (
        "Dieser Betreiber bietet das Modell „gpt2-xl“ nicht an. Zur Auswahl stehen: fake, other, bad, townhall-mini.\n"
        + goes_on
    )
    # What is wrong with a file is technical, and English; the sentence around it is not.
    assert await refused(townhall, admin, "/gpt2-config model:bad") == (
        f"bad ließ sich nicht öffnen: bad: config.json is not there. Copy it again.\n{goes_on}"
    )
    source.memory_bytes = 3 * MEMORY
    assert (await refused(townhall, admin, "/gpt2-config model:other")).startswith(
        "other braucht 3,00 GB Arbeitsspeicher, und 1,00 GB sind frei. Wähle ein kleineres Modell, oder bitte den "
    )


async def test_an_admin_sees_a_model_come_and_go_out_of_service(
    start_townhall: StartTownhall, admin: Person, ada: Person, ben: Person, in_german: None
) -> None:
    gate, broken = Gate(), False

    def before_step(kind: str) -> None:
        if broken:
            raise RuntimeError("device lost")

    source = FakeSource(before_open=lambda name: None if name == "fake" else gate(name), before_step=before_step)
    townhall = await begin(start_townhall, source)
    turn = await admin.type("/gpt2-config model:other")
    await turn.until(lambda turn: turn.text == "⏳ other: wird heruntergeladen, 1 MB von 2 MB (50 %)")
    gate.open()
    assert await townhall.settled(turn) is None
    broken = True
    for _ in range(3):
        said = await refused(townhall, ada, "/gpt2 prompt:Hallo")
        assert said.startswith("Das Modell ist an dieser Anfrage gescheitert (RuntimeError).")
    assert await refused(townhall, ada, "/gpt2 prompt:Hallo") == (
        "other ist an deinen letzten Anfragen nacheinander gescheitert. In 10 min kannst du es wieder fragen, am "
        "besten mit einem anderen Prompt; ein Admin kann mit /gpt2-config ein anderes Modell wählen."
    )
    for person in (ben, admin):
        await refused(townhall, person, "/gpt2 prompt:Hallo")
    assert await refused(townhall, ada, "/gpt2 prompt:Hallo") == (
        "other ist außer Betrieb: Es ist 5-mal hintereinander gescheitert, zuletzt mit RuntimeError: device lost. "
        "Ein Admin kann es mit /gpt2-config noch einmal wählen, oder ein anderes Modell."
    )


async def test_discord_is_told_the_german_names_and_descriptions(start_townhall: StartTownhall, guild: Guild) -> None:
    await begin(start_townhall)
    commands = {command.name: command.definition for command in guild.world.registered(None)}
    assert commands["Continue with GPT-2"]["name_localizations"]["de"] == "Mit GPT-2 fortsetzen"
    assert commands["gpt2"]["description_localizations"]["de"] == "GPT-2 einen Text fortsetzen lassen"
    prompt = commands["gpt2"]["options"][0]
    assert prompt["description_localizations"]["de"].startswith("Der Anfang eines Textes.")
