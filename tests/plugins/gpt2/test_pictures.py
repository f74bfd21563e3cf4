"""Pictures are read on Discord's light theme and on its dark ones."""

from __future__ import annotations

import pytest

from plugins.gpt2.pictures import BLUES, GROUNDS, LEAST_CONTRAST, REDS, TEXT, contrast


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("colour", [TEXT, *BLUES, *REDS])
def test_every_colour_stands_out_on_every_theme(colour: str, ground: str) -> None:
    assert contrast(colour, ground) >= LEAST_CONTRAST
