"""``townhall gpt2``: what a person at a shell sees."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.cli.generate import main
from plugins.gpt2.engine import sequence
from plugins.gpt2.language_model import Logits
from plugins.gpt2.model import gpt2
from plugins.gpt2.model.target import compiler
from tools.random_checkpoint import RECIPES, write_checkpoint

Captured = pytest.CaptureFixture[str]

REFERENCE = Path(__file__).parents[1] / "model" / "reference" / "townhall-mini.npz"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings of whoever runs the tests are nobody's here."""
    for name in [name for name in os.environ if name.startswith("TOWNHALL_GPT2_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_text_is_all_of_stdout_and_the_way_there_is_on_stderr(capsys: Captured) -> None:
    assert main(["--prompt", "My fellow citizens", "--count", "12", "--temperature", "0"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("My fellow citizens")
    assert len(shown.out) > len("My fellow citizens") + 10
    told = [line for line in shown.err.replace("\r", "\n").splitlines() if "it/s" not in line]
    assert told[0] == "using CPU backend"
    assert told[1] == "using townhall-mini"
    assert re.search(r"loaded weights in [\d.]+ ms, [\d.]+ MB loaded at [\d.]+ [MG]B/s", shown.err)
    assert told[-1] == "Generating text..."


def test_json_is_one_object_on_the_last_line(capsys: Captured) -> None:
    assert main(["--prompt", "To apply", "--count", "7", "--seed", "5", "--json", "--weights", "fp16"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["text"].startswith("To apply")
    assert result["new_tokens"] == 7
    assert result["finish_reason"] == "length"
    assert (result["model"], result["device"], result["dtype"], result["seed"]) == ("townhall-mini", "CPU", "fp16", 5)
    timing = result["timing"]
    assert set(timing) == {"load_ms", "queue_ms", "first_token_ms", "prefill_tok_s", "decode_tok_s", "total_ms"}
    assert 0 < timing["first_token_ms"] <= timing["total_ms"]


def test_the_hosts_own_prompt_may_hold_special_tokens_and_turns_come_before_it(capsys: Captured) -> None:
    def prompt_tokens(*words: str) -> int:
        assert main(["--count", "1", "--temperature", "0", "--json", *words]) == 0
        return int(json.loads(capsys.readouterr().out.splitlines()[-1])["prompt_tokens"])

    plain = prompt_tokens("--prompt", "The king")
    assert prompt_tokens("--prompt", "The king<|endoftext|>") == plain + 1
    # townhall-mini was not trained on conversations: a turn is a line, and a special token in it is spelled out
    assert prompt_tokens("--turn", "The king", "--prompt", "The king") == 2 * plain + 1
    assert prompt_tokens("--turn", "<|endoftext|>", "--prompt", "The king") > plain + 5


def test_the_same_seed_gives_the_same_text_and_another_seed_another(capsys: Captured) -> None:
    texts = []
    for seed in ("1", "1", "2"):
        assert main(["--prompt", "The king", "--count", "20", "--seed", seed, "--json"]) == 0
        written = json.loads(capsys.readouterr().out)
        assert written["finish_reason"] == "length"
        texts.append(written["text"])
    assert texts[0] == texts[1] != texts[2]


def written(capsys: Captured, *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return result


def test_greedy_text_is_the_text_of_transformers(capsys: Captured) -> None:
    with np.load(REFERENCE) as stored, open_checkpoint("townhall-mini") as checkpoint:
        expected, tokenizer = dict(stored), checkpoint.tokenizer()
    known = [index for index in range(len(expected["texts"])) if f"greedy_{index}" in expected]
    assert known
    for index in known:
        theirs = [int(token) for token in expected[f"greedy_{index}"]]
        prompt = str(expected["texts"][index])
        given = ["--prompt", prompt, "--count", str(len(theirs)), "--temperature", "0", "--weights", "fp32"]
        assert written(capsys, *given)["text"] == prompt + tokenizer.decode_bytes(theirs).decode()


def test_a_penalty_that_is_asked_for_holds_for_greedy_text_too(capsys: Captured) -> None:
    given = ("--prompt", "the of the of the of", "--count", "40", "--temperature", "0")
    plain = written(capsys, *given)["text"]
    assert written(capsys, *given, "--repetition_penalty", "1")["text"] == plain
    assert written(capsys, *given, "--repetition_penalty", "1.5")["text"] != plain


def test_a_text_ends_before_any_of_the_stops(capsys: Captured) -> None:
    given = ("--prompt", "The king", "--count", "30", "--temperature", "0")
    whole = written(capsys, *given)["text"]
    words = whole.removeprefix("The king").split()
    ended = written(capsys, *given, "--stop", "no such words", "--stop", words[5])
    assert ended["finish_reason"] == "stop"
    assert ended["text"] == whole[: whole.index(words[5], len("The king"))]


@pytest.mark.parametrize("narrow", [("--top_k", "1"), ("--top_p", "0.01"), ("--min_p", "1")])
def test_filters_leave_the_likeliest_token(capsys: Captured, narrow: tuple[str, str]) -> None:
    given = ("--prompt", "The king", "--count", "20", "--repetition_penalty", "1")
    greedy = written(capsys, *given, "--temperature", "0")["text"]
    assert written(capsys, *given, "--temperature", "1.5", "--seed", "3", *narrow)["text"] == greedy


def test_timing_gives_a_line_a_token_and_sums_up(capsys: Captured) -> None:
    assert main(["--prompt", "The king", "--count", "5", "--temperature", "0", "--timing"]) == 0
    told = capsys.readouterr().err
    assert len(re.findall(r"token +\d+: +[\d.]+ ms", told)) == 5
    assert re.search(r"first token after [\d.]+ ms, prefill of 2 tokens [\d.]+ tok/s, decode of 5 tokens", told)
    assert re.search(
        r"a token takes \d+ kernels and [\d.]+ MB of weights, multiplied by [a-z0-9-]+: [\d.]+ GB/s, \d+% of", told
    )


def test_an_empty_prompt_is_explained(capsys: Captured) -> None:
    assert main(["--prompt", "", "--count", "3", "--temperature", "0"]) == 0
    assert "Your prompt is empty, so the model starts a text of its own." in capsys.readouterr().err


def test_a_prompt_longer_than_the_context_is_explained(capsys: Captured) -> None:
    assert main(["--prompt", "word " * 900, "--count", "4", "--temperature", "0"]) == 0
    assert "this model reads 512 with the new text, so I used the last 508" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--model_size", "gpt5"], 1, "no model is called 'gpt5'. Did you mean gpt2? Known are townhall-mini"),
        (["--stop", "x" * 101], 2, "A stop string has 101 characters; allowed is 1 to 100."),
        (["--stop", "a", "--stop", "b", "--stop", "c", "--stop", "d", "--stop", "e"], 2, "5"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_right(
    capsys: Captured, arguments: list[str], status: int, said: str
) -> None:
    assert main(arguments) == status
    shown = capsys.readouterr()
    assert said in shown.err
    assert "using" not in shown.err
    assert shown.out == ""


def test_a_text_that_fills_the_context_says_why_it_ends(capsys: Captured) -> None:
    assert main(["--prompt", "word " * 900, "--count", "3000", "--temperature", "0"]) == 0
    assert "townhall-mini can hold no more: the text ends after " in capsys.readouterr().err


def test_a_device_that_is_not_here_is_named_with_its_cure(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_GPT2_DEVICE", "CUDA:99")
    assert main(["--count", "1"]) == 1
    assert "tinygrad cannot open the device 'CUDA:99'" in capsys.readouterr().err


def test_a_model_of_damaged_weights_is_to_be_verified(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = gpt2.GPT2.decode
    monkeypatch.setattr(gpt2.GPT2, "decode", lambda model, *given: decode(model, *given) * float("nan"))
    assert main(["--count", "3", "--temperature", "0"]) == 1
    assert "`townhall models verify townhall-mini` tells whether" in capsys.readouterr().err


def test_a_setting_that_is_wrong_stops_it_by_name(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWNHALL_GPT2_WEIGHTS", "int3")
    assert main(["--count", "1"]) == 2
    assert "TOWNHALL_GPT2_WEIGHTS" in capsys.readouterr().err


def test_ctrl_c_stops_at_once_and_shows_what_there_is(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    decode, steps = gpt2.GPT2.decode, []

    def interrupted(model: gpt2.GPT2, *given: Any) -> Logits:
        steps.append(given)
        if len(steps) == 5:
            signal.raise_signal(signal.SIGINT)
        return decode(model, *given)

    monkeypatch.setattr(gpt2.GPT2, "decode", interrupted)
    assert main(["--prompt", "My fellow citizens", "--count", "400", "--temperature", "1", "--seed", "1"]) == 130
    assert len(steps) == 5
    shown = capsys.readouterr().out
    assert shown.startswith("My fellow citizens")
    assert len(shown) > len("My fellow citizens") + 5


def test_ctrl_c_before_the_first_step_is_not_lost(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []

    def pressed_while_the_prompt_is_read(*given: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return sequence.begin(*given)

    def decode(model: gpt2.GPT2, *given: Any) -> Logits:
        steps.append(given)
        return real(model, *given)

    real = gpt2.GPT2.decode
    monkeypatch.setattr("plugins.gpt2.engine.scheduler.begin", pressed_while_the_prompt_is_read)
    monkeypatch.setattr(gpt2.GPT2, "decode", decode)
    assert main(["--prompt", "My fellow citizens", "--count", "400", "--temperature", "0"]) == 130
    assert steps == []
    assert capsys.readouterr().out.startswith("My fellow citizens")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # that it cannot be raised is the point
@pytest.mark.parametrize("stage", ["loading", "warming up"])
def test_ctrl_c_that_hits_a_finaliser_is_not_lost(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    class Dropped:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    load, calls = gpt2.load, []

    def loading(*given: Any, on_progress: Any, **named: Any) -> gpt2.GPT2:
        def progress(told: Any) -> None:
            if told.stage == stage:
                calls.append(told)
                if len(calls) == 1:
                    Dropped()
            on_progress(told)

        return load(*given, on_progress=progress, **named)

    monkeypatch.setattr(gpt2, "load", loading)
    assert main(["--count", "3", "--temperature", "0"]) == 130
    assert len(calls) == 1
    assert "stopped while loading; nothing was written" in capsys.readouterr().err


def test_the_model_file_is_a_program_of_its_own(tmp_path: Path) -> None:
    options = ["--prompt", "The king", "--count", "3", "--temperature", "0", "--json"]
    command = [sys.executable, "-m", gpt2.__name__, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, timeout=60)
    written = json.loads(done.stdout)
    assert (written["new_tokens"], written["finish_reason"]) == (3, "length")
    narrow = {**os.environ, "PYTHONIOENCODING": "ascii"}
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", gpt2.__name__, "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=narrow)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr


def test_converted_weights_that_changed_on_the_disk_are_made_anew_and_the_text_is_the_same(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "cache_folder", lambda: tmp_path / "cache")
    asked = ("--prompt", "My fellow citizens", "--count", "5", "--temperature", "0")
    assert main(asked) == 0
    text = capsys.readouterr().out
    (weights,) = (tmp_path / "cache/weights").iterdir()
    good = weights.read_bytes()
    middle = len(good) // 2
    weights.write_bytes(good[:middle] + b"\xff" * 100 + good[middle + 100 :])
    assert main(asked) == 0
    shown = capsys.readouterr()
    assert shown.out == text
    assert shown.err.count("townhall gpt2: ") == shown.err.count("(it changed on the disk); it is made anew") == 1
    assert weights.read_bytes() == good


def test_a_cache_that_cannot_be_written_is_told_once_for_each_kind_and_the_text_comes(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "cache_folder", lambda: tmp_path / "cache")
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert main(["--prompt", "My fellow citizens", "--count", "5", "--temperature", "0"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("My fellow citizens")
    told = [line for line in shown.err.replace("\r", "\n").splitlines() if line.startswith("townhall gpt2: ")]
    assert [" ".join(line.split()[2:5]) for line in told] == ["converted weights cannot", "captured steps cannot"]


def test_a_draft_changes_no_text_and_one_of_another_vocabulary_is_refused(capsys: Captured, tmp_path: Path) -> None:
    for name in ("three-heads", "five-heads", "seven-heads"):
        write_checkpoint(tmp_path / name, RECIPES[name].config, RECIPES[name].seed)
    asked = ["--model_size", "./five-heads", "--count", "12", "--seed", "4", "--prompt", "abc"]
    texts = []
    for more in ([], ["--draft", "./three-heads"]):
        assert main([*asked, *more]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert main([*asked, "--draft", "./seven-heads"]) == 1
    assert "seven-heads cannot guess for ./five-heads" in capsys.readouterr().err
