from __future__ import annotations

import pytest

from plugins.gpt2.formatting import detail, duration, parameters, rate, seconds, without_folders


def test_numbers_read_as_people_write_them() -> None:
    assert [str(parameters(n)) for n in (26_496, 10_000_000, 124_439_808, 1_557_611_200)] == [
        "26k",
        "10M",
        "124M",
        "1.6B",
    ]
    assert [duration(s) for s in (0.2, 8.4, 89, 180)] == ["1 s", "8 s", "89 s", "3 min"]
    assert [str(seconds(ms)) for ms in (12.4, 999, 1234)] == ["12 ms", "999 ms", "1.2 s"]
    assert [str(rate(per_s)) for per_s in (45.678, 240.0)] == ["45.7", "240"]


def test_an_exception_is_told_as_a_part_of_a_sentence() -> None:
    assert detail(ValueError("/srv/poet/config.json is not there. Copy it again.")) == (
        "config.json is not there. Copy it again"
    )
    assert detail(MemoryError()) == "MemoryError"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("looked in /home/poet/.cache/hub), and", "looked in hub), and"),
        ("/srv/poet/model.safetensors: tensor wte", "model.safetensors: tensor wte"),
        ("~/models/poet is empty", "poet is empty"),
        ("openai-community/gpt2 at https://huggingface.co/a/b", "openai-community/gpt2 at https://huggingface.co/a/b"),
        ("shape (3, 4) and/or 5", "shape (3, 4) and/or 5"),
    ],
)
def test_the_hosts_folders_are_not_shown(text: str, shown: str) -> None:
    assert without_folders(text) == shown
