"""What a model writes can show no false link, no invitation, no hidden order of letters."""

import pytest

from townhall_bot.replies import sanitize


def test_plain_text_stays_as_it_is() -> None:
    family = "\u200d".join("👨👩👧")
    text = f"My fellow citizens,\n\n\t1 < 2, *so* `a[0] (1)`? Grüße, 日本語, {family}"
    assert sanitize(text) == text


def test_a_masked_link_shows_where_it_leads() -> None:
    assert "](" not in sanitize("[your bank](https://evil.example)")
    assert "https://evil.example" in sanitize("[your bank](https://evil.example)")


@pytest.mark.parametrize("invite", ["discord.gg/abc", "https://Discord.com/invite/abc", "discordapp.com/invite/x"])
def test_an_invitation_is_no_longer_one(invite: str) -> None:
    assert invite not in sanitize(f"join {invite} now")
    assert sanitize(invite).replace("\u200b", "") == invite


def test_control_characters_and_reordering_marks_are_gone() -> None:
    assert sanitize("a\x00b\x1b[31mc\u202egnp.exe\x7f") == "ab[31mcgnp.exe"


def test_line_ends_are_line_feeds() -> None:
    assert sanitize("one\r\ntwo\rthree") == "one\ntwo\nthree"
