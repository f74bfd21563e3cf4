"""Commands are described to Discord in German too, and every text has its translation with the same values."""

import re
import string
from importlib.metadata import entry_points

import pytest

from plugins.ping.plugin import PingPlugin
from townhall_bot.i18n import NO_TEXTS, Texts
from townhall_bot.i18n.core_texts import TEXTS
from townhall_bot.loopback import LoopbackDiscord
from townhall_bot.loopback.people.refusals import TEXTS as REFUSALS
from townhall_bot.loopback.web.server import TEXTS as PAGE_TEXTS
from townhall_bot.plugins import ENTRY_POINT_GROUP
from townhall_bot.testkit import StartTownhall

ALL_TEXTS: dict[str, Texts] = {"core": TEXTS, "page": PAGE_TEXTS, "refusals": REFUSALS} | {
    point.name: point.load().texts
    for point in entry_points(group=ENTRY_POINT_GROUP)
    if point.load().texts is not NO_TEXTS
}
TRANSLATIONS = sorted((name, locale) for name, texts in ALL_TEXTS.items() for locale in texts.locales if locale != "en")


async def test_discord_is_told_the_german_descriptions(
    start_townhall: StartTownhall, discord_server: LoopbackDiscord
) -> None:
    await start_townhall(PingPlugin)
    told = {command.name: command.definition["description_localizations"] for command in discord_server.commands}
    assert told["ping"]["de"].startswith("Ist der Bot da?")
    assert told["privacy"]["de"].startswith("Was dieser Bot über dich speichert")


@pytest.mark.parametrize(("name", "locale"), TRANSLATIONS)
def test_a_translation_has_every_text_with_the_same_values(name: str, locale: str) -> None:
    texts = ALL_TEXTS[name]
    english, translated = texts._by_locale["en"], texts._by_locale[locale]
    assert not set(english) - set(translated)
    for key, text in translated.items():
        assert values(text) <= values(english[key]), key
        assert values(english[key]) - {"count"} <= values(text), key


def test_german_is_there() -> None:
    assert {(name, "de") for name in ALL_TEXTS} == set(TRANSLATIONS)


@pytest.mark.parametrize("name", sorted(ALL_TEXTS))
def test_descriptions_keep_to_discords_hundred_characters(name: str) -> None:
    for texts in ALL_TEXTS[name]._by_locale.values():
        for key, text in texts.items():
            if re.search(r"(^|\.)description$", key):
                assert 1 <= len(text) <= 100, key


def values(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}
