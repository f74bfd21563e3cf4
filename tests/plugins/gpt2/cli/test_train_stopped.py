"""``townhall models train`` as a process of its own that is told to stop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SAID = "The lamp is lit, the ferry is late, and Ben says so. " * 150
SHAPE = ("--new", "--layers", "1", "--heads", "2", "--width", "16", "--context", "64", "--vocabulary", "512")
# At the lowest priority, as it is, the tests beside it would take all of a busy machine's time.
PROGRAM = (
    "import sys; from plugins.gpt2.cli import train; train.make_way = lambda: None; "
    "from townhall_bot.cli import main; sys.exit(main())"
)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_training_that_is_told_to_stop_keeps_what_it_learnt(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "said.txt").write_text(SAID)
    words = ["models", "train", "our-voice", "--texts", str(tmp_path / "texts"), "--batch", "2", *SHAPE]
    command = [sys.executable, "-c", PROGRAM, *words, "--minutes", "60", "--learning-rate", "0.01"]
    data = tmp_path / "data"
    environment = os.environ | {"TOWNHALL_DATA_DIR": str(data)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            told = ""
            while not (steps := re.findall(r"step (\d+),", told)) or int(steps[-1]) < 50:
                more = process.stderr.read(1)
                assert more, told
                told += more
            process.send_signal(number)
            printed, rest = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, printed) == (status, "our-voice\n"), rest
    assert "our-voice: " in rest
    assert "`townhall models train our-voice --resume` goes on." in rest
    card = (data / "models" / "our-voice" / "README.md").read_text()
    assert "It ended because it was stopped" in card.replace("\n", " ")
    assert (data / "models" / "our-voice" / "model.safetensors").stat().st_size > 0
