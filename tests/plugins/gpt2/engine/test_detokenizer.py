from __future__ import annotations

import random

import pytest

from plugins.gpt2.engine.detokenizer import Detokenizer
from tests.plugins.gpt2.fake_model import ByteTokenizer


def pieces(data: bytes, stop: tuple[str, ...] = ()) -> tuple[list[str], Detokenizer]:
    """What the stream gives out for each byte, and at last for the end."""
    stream = Detokenizer(ByteTokenizer(), stop)
    return [*(stream.push(byte) for byte in data), stream.finish()], stream


def test_plain_text_comes_at_once() -> None:
    assert pieces(b"abc")[0] == ["a", "b", "c", ""]


def test_a_character_comes_when_its_last_byte_is_there() -> None:
    given, stream = pieces("a😀é".encode())
    assert given == ["a", "", "", "", "😀", "", "é", ""]
    assert stream.text == "a😀é"


def test_half_a_character_at_the_end_is_not_shown() -> None:
    given, stream = pieces("ab😀".encode()[:-1])
    assert "".join(given) == stream.text == "ab"


def test_bytes_that_can_never_be_a_character_are_shown_as_such() -> None:
    assert "".join(pieces(b"a\xffb")[0]) == "a\ufffdb"
    assert "".join(pieces(b"\xe2\x82z")[0]) == "\ufffdz"


def test_text_ends_before_a_stop_string_and_nothing_follows() -> None:
    given, stream = pieces(b"one. Two. Three", stop=(". T",))
    assert "".join(given) == stream.text == "one"
    assert stream.stopped


def test_a_possible_stop_waits_and_comes_when_it_is_none() -> None:
    given, stream = pieces(b"a\n\nb\nc", stop=("\n\n\n",))
    assert given == ["a", "", "", "\n\nb", "", "\nc", ""]
    assert not stream.stopped


def test_a_possible_stop_at_the_end_is_text() -> None:
    assert pieces(b"a\n", stop=("\n\n",))[0] == ["a", "", "\n"]


def test_a_stop_string_that_repeats_its_own_beginning_is_found() -> None:
    assert "".join(pieces(b"aaab!", stop=("aab",))[0]) == "a"


@pytest.mark.parametrize("seed", range(30))
def test_any_division_into_pieces_gives_the_same_text(seed: int) -> None:
    dice = random.Random(seed)
    text = "".join(dice.choice("aabé😀") for _ in range(60))
    stops = tuple({"".join(dice.choice("aabé") for _ in range(dice.randint(2, 5))) for _ in range(2)})

    class Chunks(ByteTokenizer):
        """Tokens are indices of chunks of the text."""

        def __init__(self, cuts: list[int]) -> None:
            data = text.encode()
            self.chunks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

        def decode_bytes(self, tokens: object) -> bytes:
            assert isinstance(tokens, list)
            return b"".join(self.chunks[token] for token in tokens)

    def through(cuts: list[int]) -> tuple[str, bool]:
        tokenizer = Chunks(cuts)
        stream = Detokenizer(tokenizer, stops)
        given = "".join(stream.push(token) for token in range(len(tokenizer.chunks))) + stream.finish()
        assert given == stream.text
        return given, stream.stopped

    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    expected = (
        text
        if not ends
        else text[: min(text.find(s) for s in stops if s in text and text.find(s) + len(s) == min(ends))]
    )
    length = len(text.encode())
    for _ in range(5):
        cuts = sorted(dice.sample(range(1, length), dice.randint(0, 20)))
        assert through(cuts) == (expected, bool(ends))
