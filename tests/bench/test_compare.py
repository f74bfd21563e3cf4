from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bench.compare import main
from bench.job import Job
from bench.models import random_folder
from bench.peers import OTHERS, PEERS, PeerFailed, Workplace, chosen
from plugins.gpt2.model.constants import GPT2Config

TINY = GPT2Config(1, 2, 32, 96, 300, 128, end_of_text=299)


def test_a_tiny_model_is_measured_without_peers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = random_folder(tmp_path, "tiny", TINY)
    what = ["--folder", str(folder), "--cache", str(tmp_path), "--peers", "townhall", "--weights", "int8"]
    how = ["--only", "decode,prefill", "--repeats", "1", "--steps", "3", "--threads", "1"]
    assert main([*what, *how]) == 0
    lines = capsys.readouterr().out.splitlines()
    result = json.loads(lines[-1])
    assert result["failed"] == {}
    figures = result["medians"]["townhall-int8"]
    assert figures["decode_ms"].keys() == {"1", "4", "8"}
    assert figures["prefill_ms"].keys() == {"16"}
    assert 0 < figures["load_ms"] < figures["first_token_ms"]
    assert figures["first_start_ms"] > 0
    assert len(result["runs"]["townhall-int8"]) == 1
    assert any(line.startswith("| townhall-int8 ") for line in lines)


def test_townhall_stands_for_each_of_the_weights_once() -> None:
    assert [peer.name for peer in chosen("townhall,llama-cpp-f16,townhall-int8", "int8,fp16")] == [
        "townhall-int8",
        "townhall-fp16",
        "llama-cpp-f16",
    ]
    assert set(OTHERS) < PEERS.keys()


def test_a_name_that_does_not_exist_is_answered_with_those_that_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--peers", "vllm"])
    assert "ctranslate2-int8" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--only", "speed"], ["--repeats", "0"], ["--model", "gpt5"]])
def test_an_option_that_makes_no_sense_is_refused_before_anything_runs(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(wrong)
    assert refused.value.code == 2


def test_a_process_that_fails_is_reported_with_its_last_words(tmp_path: Path) -> None:
    place = Workplace(sys.executable, tmp_path, tmp_path)
    with pytest.raises(PeerFailed, match=r"bench\.runners\.townhall ended with status 1.*no-such-model"):
        place.measure(PEERS["townhall-int8"], Job(str(tmp_path / "no-such-model"), "", 1))


def test_a_missing_interpreter_is_said_to_be_one(tmp_path: Path) -> None:
    place = Workplace(str(tmp_path / "python"), tmp_path, tmp_path)
    with pytest.raises(PeerFailed, match="--peer-python"):
        place.measure(PEERS["transformers-fp32"], Job("", "", 1))
