"""/gpt2-stats, the metrics and /privacy: numbers of what happened, never what was written or by whom."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from prometheus_client import CollectorRegistry, generate_latest

from plugins.gpt2.messages import TEXTS
from plugins.gpt2.pictures import GROUNDS
from plugins.gpt2.plugin import GPT2Plugin
from plugins.gpt2.stats import stats_command
from plugins.gpt2.stats.chart import draw
from plugins.gpt2.stats.summary import DAY_S, Day, span_h, sum_up
from tests.plugins.gpt2.fake_plugin import answered, begin
from townhall_bot.loopback import Person
from townhall_bot.store import Record
from townhall_bot.store.sums import HOUR_S, bucket_of, by_hour
from townhall_bot.testkit import StartTownhall

NOW = 1_800_000_000.0
WORDS = TEXTS.of("en-US")


def request(hours_ago: float, *, speed: float = 50.0, wait: float = 1.0, model: str = "fake") -> Record:
    numbers = {"tokens": 20, "prompt_tokens": 3, "queue_s": wait, "first_token_s": 0.2, "total_s": 2, "tok_s": speed}
    return Record(datetime.fromtimestamp(NOW - hours_ago * 3600, UTC), 1, None, model, numbers)


def summed(records: list[Record], here: int = 0) -> Day:
    rows = [
        (int(record.at.timestamp() // HOUR_S), record.label, name, bucket_of(number), 1, number, number)
        for record in records
        for name, number in record.numbers.items()
    ]
    return sum_up(by_hour(rows), records, here=here, now=NOW)


def test_a_day_is_summed_up() -> None:
    day = summed([request(5, wait=9), request(2), request(1, speed=90), request(0)], here=3)
    assert (day.requests, day.here, day.tokens) == (4, 3, 80)
    [fake] = day.models
    assert (fake.median_tokens_per_s, fake.best_tokens_per_s) == (50, 90)
    assert (fake.median_wait_s, fake.longest_wait_s) == (1, 9)
    assert fake.median_first_token_s == pytest.approx(0.2)
    assert [point.hours_ago for point in day.points] == pytest.approx([5, 2, 1, 0])


def test_a_day_without_requests_invents_nothing() -> None:
    day = summed([])
    assert (day.requests, day.tokens, day.models) == (0, 0, ())


def test_models_are_never_mixed() -> None:
    day = summed([request(2, speed=300), request(1, speed=10, model="large"), request(1, speed=300)])
    assert [(model.model, model.median_tokens_per_s) for model in day.models] == [("fake", 300), ("large", 10)]


def test_a_text_of_one_token_has_no_speed() -> None:
    day = summed([request(1, speed=0.0)])
    assert day.points[0].tokens_per_s is None
    assert day.models[0].median_tokens_per_s is None


def test_each_hour_has_its_median() -> None:
    [model] = summed([request(3.2, speed=1.0), request(0.9, speed=4.0), request(0.1, speed=6.0)]).models
    assert model.speeds == ((3.5, 1.0), (0.5, 5.0))


@pytest.mark.parametrize(("oldest", "hours"), [(0.01, 1), (1.0, 1), (1.1, 3), (5, 6), (11, 12), (13, 24), (24, 24)])
def test_the_picture_shows_no_more_hours_than_there_is_to_show(oldest: float, hours: int) -> None:
    assert span_h(summed([request(0), request(oldest)]).points) == hours


def test_a_few_texts_of_just_now_are_seen(tmp_path: Path) -> None:
    day = summed([request(minutes / 60, speed=30) for minutes in (5, 20, 40)])
    (tmp_path / "picture.png").write_bytes(draw(day, TEXTS.of("en"), tmp_path))
    picture = Image.open(tmp_path / "picture.png").convert("RGB")
    columns = [x for x in range(picture.width) for y in range(300) if _is_blue(picture.getpixel((x, y)))]
    assert max(columns) - min(columns) > picture.width / 3  # spread over the picture, not squeezed at its edge


def _is_blue(pixel: Any) -> bool:
    red, _, blue = pixel
    return bool(blue > red + 60)


@pytest.mark.parametrize("locale", TEXTS.locales)
def test_the_picture_has_no_ground_of_its_own_and_is_seen_on_each_theme(tmp_path: Path, locale: str) -> None:
    day = summed([request(h / 4, speed=30 + h % 7, model=f"fake{h % 2}") for h in range(90)])
    (tmp_path / "picture.png").write_bytes(draw(day, TEXTS.of(locale), tmp_path))
    picture = Image.open(tmp_path / "picture.png").convert("RGBA")
    assert picture.size == (960, 600)
    assert picture.getchannel("A").getextrema() == (0, 255)
    for ground in GROUNDS:
        seen = Image.new("RGBA", picture.size, ground)
        seen.alpha_composite(picture)
        darkest, brightest = seen.convert("L").getextrema()
        assert isinstance(darkest, int) and isinstance(brightest, int)  # noqa: PT018 - one fact: these are no pairs
        assert brightest - darkest > 75


async def test_members_see_the_day_in_numbers_and_as_a_picture_drawn_beside_the_event_loop(
    start_townhall: StartTownhall, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    townhall = await begin(start_townhall)
    plugin = townhall.plugin(GPT2Plugin)
    threads: list[int] = []

    def watched(*args: Any) -> bytes:
        threads.append(threading.get_ident())
        return draw(*args)

    monkeypatch.setattr(stats_command, "draw", watched)
    for _ in range(3):
        await answered(townhall, ada, "/gpt2 prompt:Hello count:30")
    turn = await answered(townhall, ada, "/gpt2-stats")
    assert "Texts: 3 on this server, 3 in all, 90 tokens" in turn.text
    assert "Model: fake on FAKE, fp32" in turn.text
    assert "Now: 0 running, 0 waiting" in turn.text
    assert "Running for: 0 min" in turn.text
    assert "Speed of a text: median " in turn.text
    [picture] = turn.message.attachments
    assert picture.data.startswith(b"\x89PNG")
    assert turn.message.embeds[0]["image"]["url"].endswith("/gpt2-stats.png")
    assert threads
    assert threads[0] != threading.get_ident()
    # What was counted survives a restart, and holds neither words nor people.
    records = await plugin.context.records.since("request", DAY_S)
    assert {record.user_id for record in records} == {None}
    await townhall.stop()
    townhall = await begin(start_townhall)
    again = await answered(townhall, ada, "/gpt2-stats")
    assert "3 in all, 90 tokens" in again.text


async def test_before_the_first_text_there_is_nothing_to_draw(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    turn = await answered(townhall, ada, "/gpt2-stats")
    assert "Texts: Nothing was written yet." in turn.text
    assert turn.message.attachments == []


async def test_prometheus_reads_tokens_requests_queue_and_first_tokens(
    start_townhall: StartTownhall, ada: Person
) -> None:
    townhall = await begin(start_townhall)
    plugin = townhall.plugin(GPT2Plugin)
    registry = CollectorRegistry()
    plugin.metrics(registry)
    await answered(townhall, ada, "/gpt2 prompt:Hello count:30")
    lines = generate_latest(registry).decode().splitlines()
    assert "townhall_gpt2_tokens_total 30.0" in lines
    assert 'townhall_gpt2_requests_total{reason="length"} 1.0' in lines
    assert "townhall_gpt2_queue_length 0.0" in lines
    assert "townhall_gpt2_models_loaded 1.0" in lines
    assert "townhall_gpt2_first_token_seconds_count 1.0" in lines


async def test_privacy_says_what_is_kept_and_the_database_agrees(start_townhall: StartTownhall, ada: Person) -> None:
    townhall = await begin(start_townhall)
    plugin = townhall.plugin(GPT2Plugin)
    assert "Keeps no prompts and no texts" in plugin.privacy(WORDS)
    await answered(townhall, ada, "/gpt2 prompt:Hushhush count:30")
    assert await plugin.delete_member_data(ada.id) == 0
    kept = list(plugin.context.data_dir.parent.parent.glob("townhall.db*"))
    await townhall.stop()
    assert kept
    assert not any(b"Hushhush" in path.read_bytes() for path in kept if path.exists())
