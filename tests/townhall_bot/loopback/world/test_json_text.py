"""What cannot be sent on never gets in, and what is sent can be read."""

import json

import pytest

from townhall_bot.loopback.world import json_text


@pytest.mark.parametrize("text", [
    r'"\ud800"', r'{"\uDfff": 1}', r'["a", "\udc00\ud800"]', "1e400", "[-1E999]", "NaN", "[Infinity]", "-Infinity",
    "[" * 100_000, "9" * 5000, "", b"\xff",
])  # fmt: skip
def test_what_no_utf_8_or_no_json_has_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json, str and this module each raise one of its kinds
        json_text.read(text)


def test_emoji_and_large_numbers_are_read_as_they_are() -> None:
    assert json_text.read(r'["\ud83d\ude00", 123456789012345678901234567890, 1e308]') == [
        "\N{GRINNING FACE}", 123456789012345678901234567890, 1e308,
    ]  # fmt: skip


def test_what_is_written_can_be_sent() -> None:
    sent = json_text.write({"a\ud800": "\udfff \N{GRINNING FACE}"}).encode()
    assert json.loads(sent) == {"a?": "? \N{GRINNING FACE}"}
