"""A host trains a model on a channel's export and members ask it for texts: docs/training.md, in under a minute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from plugins.gpt2.model.constants import tensors
from plugins.gpt2.plugin import GPT2Plugin
from plugins.gpt2.training.start import read_start
from townhall_bot.loopback import Person
from townhall_bot.testkit import StartTownhall

SAID = (
    "Who lit the lamps by the river tonight?",
    "The ferry was late again, and the baker closed early.",
    "The town hall needs paint; the clock stands still.",
    "Good morning! The market is open until noon.",
    "The bridge is closed on Monday, so take the ferry.",
)
SHAPE = ("--new", "--layers", "2", "--heads", "2", "--width", "32", "--context", "64", "--vocabulary", "512")


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    messages = [
        {
            "type": "Default",
            "timestamp": f"2026-01-{1 + number // 20:02}T10:{number % 20:02}:00+00:00",
            "content": SAID[number * 7 % len(SAID)],
            "author": {"name": f"member{number % 3}", "nickname": ("Ada", "Ben", "Cy")[number % 3], "isBot": False},
            "mentions": [],
        }
        for number in range(200)
    ]
    (folder / "general.json").write_text(json.dumps({"guild": {}, "channel": {}, "messages": messages}))
    return folder


@pytest.fixture
def data(exports: Path, tmp_path: Path) -> Path:
    """A data folder with a model that was trained by the command, as a process of its own."""
    words = ["models", "train", "our-voice", "--texts", str(exports), "--replace-names", "--batch", "4", *SHAPE]
    # At the lowest priority, as it is, the tests beside it would take all of a busy machine's time.
    program = "import sys; from plugins.gpt2.cli import train; train.make_way = lambda: None; "
    program += "from townhall_bot.cli import main; sys.exit(main())"
    environment = os.environ | {"TOWNHALL_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, "-c", program, *words, "--minutes", "0.08", "--learning-rate", "0.01"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "our-voice\n"
    assert "% less)" in done.stderr
    return tmp_path / "data"


async def test_a_channels_voice_answers_on_discord(start_townhall: StartTownhall, ada: Person, data: Path) -> None:
    settings = {"TOWNHALL_DATA_DIR": str(data), "TOWNHALL_GPT2_MODEL": "our-voice", "TOWNHALL_GPT2_ROWS": "1"}
    townhall = await start_townhall(GPT2Plugin, settings=settings)
    turn = await ada.type("/gpt2 prompt:user1: count:24 temperature:0")
    assert await townhall.settled(turn, seconds=60) is None
    words = {word for text in SAID for word in text.split()}
    written = turn.text.removeprefix("**user1:**").split()
    assert sum(word in words for word in written) >= 3, turn.text
    assert not {"Ada:", "Ben:", "Cy:"} & set(written)

    # The file is what transformers reads: its names, its types, its mark.
    folder = data / "models" / "our-voice"
    config = read_start(folder).config
    with safe_open(folder / "model.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - not a dict
        assert {file.get_slice(name).get_dtype() for name in shapes} == {"F16"}
    assert shapes == {tensor.name: tensor.shape for tensor in tensors(config)}
    described = json.loads((folder / "config.json").read_text())
    assert (described["model_type"], described["architectures"]) == ("gpt2", ["GPT2LMHeadModel"])
    assert described["torch_dtype"] == "float16"
