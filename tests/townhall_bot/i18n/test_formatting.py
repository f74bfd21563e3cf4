"""Numbers as people read them, in their own language too."""

from __future__ import annotations

import pytest

from townhall_bot.i18n import Texts
from townhall_bot.i18n.formatting import Amount, format_bytes


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (312_400, "312 kB"),
        (999_400, "999 kB"),
        (999_600, "1 MB"),
        (2_000_000, "2 MB"),
        (46_812_345, "46.8 MB"),
        (548_105_171, "548 MB"),
        (999_999_999, "1.00 GB"),
        (1_520_000_000, "1.52 GB"),
        (11_910_000_000, "11.91 GB"),
    ],
)
def test_bytes_are_told_in_the_unit_that_fits(count: int, shown: str) -> None:
    assert str(format_bytes(count)) == shown


def test_a_size_stays_a_number() -> None:
    assert format_bytes(2_000_000) == 2e6
    assert f"{format_bytes(2_000_000):>8}" == "    2 MB"


def test_a_number_with_a_form_of_its_own_has_the_marks_of_the_readers_language() -> None:
    texts = Texts({"en": {"free": "{size} free"}, "de": {"free": "{size} frei"}})
    assert texts.of("de")("free", size=format_bytes(1_520_000_000)) == "1,52 GB frei"
    assert texts.of("en")("free", size=Amount(0.5, "half a byte")) == "half a byte free"
