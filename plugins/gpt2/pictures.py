"""The colours of pictures, which have no ground of their own: they stand out on Discord's light and dark theme."""

from __future__ import annotations

GROUNDS = ("#ffffff", "#313338", "#1a1a1e")
"""What they are seen on: Discord's light theme, its dark one before 2025, and the darkest since."""
NO_GROUND = "none"
TEXT, GRID = "#7d828d", "#7d828d"
GRID_ALPHA = 0.35
BLUES = ("#3b8fd4", "#8a7cf0", "#1f9e6f", "#8a929c")
REDS = ("#d9730d", "#e0605c", "#b08300", "#d0637c")
LEAST_CONTRAST = 3.0
"""What lines and large letters need (WCAG 2.2, 1.4.11 and 1.4.3)."""


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21, as WCAG defines it (relative luminance)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
