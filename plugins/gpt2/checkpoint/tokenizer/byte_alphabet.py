"""GPT-2's printable stand-in for each byte, in which vocabularies and merges are written."""

from __future__ import annotations


def _byte_alphabet() -> dict[str, int]:
    """Return letter → byte (``bytes_to_unicode`` in OpenAI's encoder.py), in the order of GPT-2's ids."""
    printable = [byte for byte in range(256) if chr(byte).isprintable() and byte != 0x20]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


BYTE_ALPHABET = _byte_alphabet()
_LETTERS = frozenset(BYTE_ALPHABET)
_TO_LATIN1 = {ord(letter): byte for letter, byte in BYTE_ALPHABET.items()}
_FROM_LATIN1 = {byte: letter for letter, byte in BYTE_ALPHABET.items()}


def to_bytes(letters: str) -> bytes | None:
    """Return the bytes that ``letters`` stand for, or None where one of them stands for none."""
    if not _LETTERS.issuperset(letters):
        return None
    return letters.translate(_TO_LATIN1).encode("latin-1")


def to_letters(content: bytes) -> str:
    """Return the letters that stand for ``content``."""
    return content.decode("latin-1").translate(_FROM_LATIN1)
