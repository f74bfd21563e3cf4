"""Numbers as people read them."""

from __future__ import annotations


class Amount(float):
    """A number with a form of its own. As it stays a number, texts put it into the marks of their language."""

    _form: str

    def __new__(cls, value: float, form: str) -> Amount:
        """Return ``value``, read as ``form``, which is English."""
        made = super().__new__(cls, value)
        made._form = form
        return made

    def __str__(self) -> str:
        return self._form

    def __format__(self, spec: str, /) -> str:
        return format(self._form, spec)


def format_bytes(count: float) -> Amount:
    """Return bytes in decimal units, as file managers show them, in three digits: 312 kB, 46.8 MB, 548 MB, 1.52 GB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= 0.9995 * size:  # what would be read as 1,000 of the smaller unit
            return Amount(count, f"{count / size:.2f} GB" if unit == "GB" else f"{count / size:.3g} {unit}")
    return Amount(count, f"{count:.0f} B")
