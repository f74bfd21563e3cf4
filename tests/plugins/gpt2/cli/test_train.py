"""``townhall models train``: what a host types and reads, and what lies in the data folder afterwards.

What learns here is quick and knows only how common tokens are; ``tests/end_to_end/test_own_voice.py`` trains a model.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugins.gpt2.checkpoint.checkpoint import open_checkpoint
from plugins.gpt2.checkpoint.own_models import own_models, unfinished_models
from plugins.gpt2.cli import models as models_command
from plugins.gpt2.cli import train
from plugins.gpt2.model.constants import GPT2Config
from plugins.gpt2.model.target import compiler
from plugins.gpt2.training import run as run_module
from plugins.gpt2.training import session
from plugins.gpt2.training.batches import Batches
from plugins.gpt2.training.learner import Arrays, Batch, Pace
from plugins.gpt2.training.plan import Need
from plugins.gpt2.training.run_files import RunFiles
from plugins.gpt2.training.samples import Sample
from plugins.gpt2.training.start import weights_of
from plugins.gpt2.training.texts.token_file import open_tokens
from tests.plugins.gpt2.training.unigram import Loss, Unigram
from townhall_bot.machine import memory
from townhall_bot.testkit import CleanSettings

SAID = "The lamp is lit, the ferry is late, and Ben says so. " * 150
Train = Callable[..., tuple[int, str, str]]


class QuickTrainer(Unigram):
    """Stands in for the trainer; its weights are those that it was given, a little moved."""

    at_step: Callable[[int], None] = staticmethod(lambda step: None)

    def __init__(self, config: GPT2Config, weights: Mapping[str, Any], *, schedule: Pace, **_: Any) -> None:
        super().__init__(schedule, config.vocab_size)
        self._weights = {name: np.array(values, np.float32) for name, values in weights.items()}

    def step(self, tokens: Batch) -> Loss:
        result = super().step(tokens)
        type(self).at_step(self.steps)
        return result

    def weights(self) -> Arrays:
        return {name: values + np.float32(0.001) for name, values in self._weights.items()}


@pytest.fixture
def data(tmp_path: Path, clean_settings: CleanSettings) -> Path:
    """The data folder."""
    clean_settings({"TOWNHALL_DATA_DIR": str(tmp_path / "data")})
    return tmp_path / "data"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "secret-path" / "exports"
    folder.mkdir(parents=True)
    (folder / "said.txt").write_text(SAID)
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> type[QuickTrainer]:
    trainer = type("Quick", (QuickTrainer,), {})

    def opened(settled: session.Session) -> run_module.Run:
        plan, pace = settled.plan, Pace(10 * settled.plan.learning_rate)
        with weights_of(plan.source, settled.begun.config, plan.seed) as weights:
            learner = trainer(settled.begun.config, weights, schedule=pace)
        batches = Batches(*open_tokens(settled.folder, settled.counts), plan.batch, plan.context, plan.seed)
        files = RunFiles(settled.folder)
        run = run_module.Run(learner, batches, pace, files, total_s=settled.total_s, tokens_per_step=1)
        run.resume()
        return run

    monkeypatch.setattr(session.Session, "open", opened)
    monkeypatch.setattr(session, "_need", lambda config, method, rows, context: Need(rows * 1_000_000, 1e8))
    monkeypatch.setattr(
        session, "samples_of", lambda folder, name, prompts, settings: [Sample(p, "…") for p in prompts]
    )
    monkeypatch.setattr(session, "_flops", lambda precision, threads: 1e9)
    monkeypatch.setattr(train, "make_way", lambda: None)  # the tests that come next want their share of the machine
    return trainer


@pytest.fixture
def townhall(capsys: pytest.CaptureFixture[str], quick: type[QuickTrainer], data: Path) -> Train:
    """Run ``townhall models`` with these words; return exit status, what was printed, what was told."""
    parser = argparse.ArgumentParser()
    models_command.configure(parser)

    def run(*words: object) -> tuple[int, str, str]:
        status = models_command.run(parser.parse_args([str(word) for word in words]))
        output = capsys.readouterr()
        return status, output.out, output.err

    return run


def begin(townhall: Train, texts: Path, *more: object) -> tuple[int, str, str]:
    return townhall("train", "our-voice", "--texts", texts, "--minutes", "0.01", *more)


def test_a_folder_of_texts_becomes_a_model_that_everything_knows(townhall: Train, texts: Path, data: Path) -> None:
    (texts / "picture.png").write_bytes(b"\x89PNG")
    status, printed, told = begin(townhall, texts)
    assert (status, printed) == (0, "our-voice\n")
    assert "1 files read (1 of plain text), 1 left out\n  left out: picture.png: .png is not read\n" in told
    assert "1 documents, 2," in told
    assert "% of them are held out to measure with" in told
    assert "our-voice begins with townhall-mini, 10M parameters; all of them are trained" in told
    assert "of memory; about" in told
    assert told.count(" » ") == 6, "three texts before and three after"
    assert "tokens/s" in told
    assert "TOWNHALL_GPT2_MODEL=our-voice" in told

    folder = data / "models" / "our-voice"
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.md", "config.json", "curves.png", "merges.txt", "model.safetensors", "vocab.json"}
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG\r\n")
    with open_checkpoint("our-voice") as checkpoint, open_checkpoint("townhall-mini") as mini:
        assert checkpoint.folder == folder
        assert checkpoint.config == mini.config
        moved, was = (c.tensors["h.0.attn.c_attn.weight"].numpy() for c in (checkpoint, mini))
        assert np.allclose(moved, was + np.float16(0.001), atol=1e-3)
        assert checkpoint.tokenizer().encode("The ferry") == mini.tokenizer().encode("The ferry")

    card = (folder / "README.md").read_text()
    assert 'The folder "exports": 1 of plain text; 1 documents' in card
    assert "secret-path" not in card
    assert "nats a token before, " in card
    row = next(line for line in townhall("list")[1].splitlines() if line.startswith("our-voice"))
    assert row.split()[1] == "10M"
    assert row.endswith("trained here")
    assert townhall("verify", "our-voice")[0] == 0
    assert not unfinished_models()


def test_a_name_that_is_there_is_not_trained_over(townhall: Train, texts: Path) -> None:
    begin(townhall, texts)
    status, _, told = begin(townhall, texts)
    assert status == 1
    assert "our-voice is there already; choose another name, or `townhall models remove our-voice` first." in told
    assert townhall("remove", "our-voice")[1].startswith("removed our-voice, which was trained here, ")
    assert own_models() == []
    assert begin(townhall, texts)[0] == 0


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gpt2", "gpt2 is a model that is known already"),
        ("../up", "'../up' cannot be a model's name"),
        (".hidden", "cannot be a model's name"),
        ("a/b", "cannot be a model's name"),
    ],
)
def test_a_name_that_cannot_be(townhall: Train, texts: Path, data: Path, name: str, why: str) -> None:
    status, _, told = townhall("train", name, "--texts", texts)
    assert status == 1
    assert why in told
    assert list((data / "models").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "--texts FOLDER names the folder of your texts"),
        (("--texts", "x", "--resume"), "--resume goes on with the texts and the model"),
        (("--texts", "x", "--new", "--from", "gpt2"), "--new begins from nothing, --from with a model"),
        (("--texts", "x", "--new", "--width", "100", "--heads", "3"), "--width 100 is not a multiple of --heads 3"),
        (("--texts", "x", "--new", "--method", "lora"), "a new one is trained in full"),
    ],
)
def test_options_that_do_not_go_together(townhall: Train, words: tuple[str, ...], why: str) -> None:
    status, _, told = townhall("train", "our-voice", *words)
    assert status == 2
    assert why in told


def test_what_cannot_be_trained_on_is_refused_and_leaves_nothing(townhall: Train, texts: Path, data: Path) -> None:
    (texts / "said.txt").write_text("Too short.")
    status, _, told = begin(townhall, texts)
    assert status == 1
    assert "At least 1,000 are needed, about 4,000 characters" in told
    (texts / "said.txt").write_bytes(bytes(9000))
    assert "said.txt: it holds nothing but zeros" in begin(townhall, texts)[2]
    assert "there is no folder nowhere/of mine. " in begin(townhall, Path("nowhere/of mine"))[2]
    (texts / "said.txt").write_text(SAID)
    assert "no model is called 'gtp2'. Did you mean gpt2?" in begin(townhall, texts, "--from", "gtp2")[2]
    assert list((data / "models").iterdir()) == []
    assert "no training of our-voice was begun here" in townhall("train", "our-voice", "--resume")[2]


def test_a_model_that_does_not_fit_is_refused_with_what_would(
    townhall: Train, texts: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def need(config: GPT2Config, method: str, rows: int, context: int) -> Need:
        return Need((30 if method == "full" else 5) * rows * 10**9, 1e9)

    monkeypatch.setattr(session, "_need", need)
    monkeypatch.setattr(memory, "available_bytes", lambda: 20 * 10**9)
    status, _, told = begin(townhall, texts)
    assert status == 1
    assert "it takes 30.00 GB of memory, and 20.00 GB are free. --method lora takes 5.00 GB." in told
    assert begin(townhall, texts, "--method", "lora")[0] == 0
    told = townhall("train", "other", "--texts", texts, "--batch", "4", "--method", "lora", "--minutes", "0.01")[2]
    assert told.count("of memory") == 1
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**9)
    assert "Stop what takes memory, or train a smaller model" in townhall("train", "third", "--texts", texts)[2]


def test_a_disk_without_room_is_told_before_anything_is_read(
    townhall: Train, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 100_000_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    status, _, told = begin(townhall, texts)
    assert status == 1
    assert "it takes 346 MB of disk, and 100 MB are free in " in told
    assert "TOWNHALL_DATA_DIR" in told


def test_a_disk_that_fills_up_at_the_end_loses_nothing(
    townhall: Train, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(session, "write_result", full)
        status, _, told = begin(townhall, texts)
    assert status == 1
    assert "the disk is full. Free some space" in told
    assert "What was learnt is kept: `townhall models train our-voice --resume` goes on." in told
    assert townhall("train", "our-voice", "--resume")[0] == 0
    assert own_models() == ["our-voice"]


def test_ctrl_c_keeps_what_there_is_and_resume_goes_on(
    townhall: Train, texts: Path, quick: type[QuickTrainer], data: Path
) -> None:
    quick.at_step = staticmethod(lambda step: signal.raise_signal(signal.SIGINT) if step == 30 else None)
    status, printed, told = townhall("train", "our-voice", "--texts", texts, "--minutes", "60")
    assert (status, printed) == (130, "our-voice\n")
    assert "`townhall models train our-voice --resume` goes on." in told
    assert "It ended because it was stopped" in (data / "models/our-voice/README.md").read_text().replace("\n", " ")
    assert unfinished_models() == own_models() == ["our-voice"]
    assert "trained here; `townhall models train our-voice --resume` goes on" in townhall()[1]
    assert "is there already" in begin(townhall, texts)[2]

    quick.at_step = staticmethod(lambda step: None)
    status, _, told = townhall("train", "our-voice", "--resume", "--minutes", "0.03")
    assert status == 0
    card = (data / "models/our-voice/README.md").read_text()
    assert "its time was over" in card
    steps = int(card.split("## How\n")[1].split()[0].replace(",", ""))
    assert steps > 30
    assert not unfinished_models()


def test_a_training_keeps_the_precision_that_it_began_with(
    townhall: Train, texts: Path, quick: type[QuickTrainer], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "multiplies_bf16", lambda: True)
    quick.at_step = staticmethod(lambda step: signal.raise_signal(signal.SIGINT) if step >= 30 else None)
    for precision in ("fp32", "bf16"):
        _, _, told = townhall("train", precision, "--texts", texts, "--minutes", "60", "--precision", precision)
        assert f"tokens a step, products in {precision}\n" in told
        assert f"tokens a step, products in {precision}\n" in townhall("train", precision, "--resume")[2]
        assert f"Products of {precision}, summed in fp32." in (data / f"models/{precision}/README.md").read_text()

    monkeypatch.setattr(compiler, "multiplies_bf16", lambda: False)  # another machine
    status, _, told = townhall("train", "bf16", "--resume")
    assert status == 1
    assert "--precision fp32 trains here, with --resume too." in told
    assert "products in fp32\n" in townhall("train", "bf16", "--resume", "--precision", "fp32")[2]
    assert "products in fp32\n" in townhall("train", "bf16", "--resume")[2]


def test_a_killed_training_is_told_of_and_goes_on(
    townhall: Train, texts: Path, quick: type[QuickTrainer], data: Path
) -> None:
    class Killed(BaseException):
        pass

    def kill(step: int) -> None:
        if any(data.rglob("best.safetensors")):
            raise Killed

    quick.at_step = staticmethod(kill)
    with pytest.raises(Killed):
        townhall("train", "our-voice", "--texts", texts, "--minutes", "0.1")
    assert (own_models(), unfinished_models()) == ([], ["our-voice"])
    assert "our-voice" in townhall()[1], "the list tells of what was not finished"
    status, _, told = begin(townhall, texts)
    assert status == 1
    assert "a training of our-voice was begun and not finished: go on with it by --resume" in told
    quick.at_step = staticmethod(lambda step: None)
    assert townhall("train", "our-voice", "--resume", "--minutes", "0.01")[0] == 0


def test_names_are_replaced_where_the_host_asks(townhall: Train, texts: Path, data: Path) -> None:
    message: dict[str, Any] = {
        "type": "Default",
        "timestamp": "2026-01-01T10:00:00+00:00",
        "content": "Ben said so, @Ben",
    }
    message |= {"author": {"name": "ben", "nickname": "Ben", "isBot": False}}
    (texts / "channel.json").write_text(json.dumps({"messages": [message] * 20}))
    _, _, told = begin(townhall, texts, "--replace-names")
    assert "the names of 1 people are replaced" in told
    assert "and user1 says so" in told or "user1" in told
    assert "Ben" not in told
    assert "replaced by stand-ins" in (data / "models/our-voice/README.md").read_text()


def test_a_new_model_has_the_shape_and_the_vocabulary_that_were_asked_for(townhall: Train, texts: Path) -> None:
    words = ("--new", "--layers", "2", "--heads", "2", "--width", "16", "--context", "64")
    status, _, told = begin(townhall, texts, *words, "--vocabulary", "512")
    assert status == 0
    assert "our-voice begins with random weights" in told
    assert told.count(" » ") == 3, "random weights write nothing to be read"
    with open_checkpoint("our-voice") as checkpoint:
        config, tokenizer = checkpoint.config, checkpoint.tokenizer()
        assert (config.n_layer, config.n_head, config.n_embd, config.n_positions) == (2, 2, 16, 64)
        assert config.vocab_size == tokenizer.vocab_size <= 512
        assert tokenizer.end_of_text == config.end_of_text
        assert len(tokenizer.encode(" ferry is late")) == 3
    status, _, _ = townhall(
        "train", "draft", "--texts", texts, "--minutes", "0.01", *words, "--vocabulary-of", "our-voice"
    )
    assert status == 0
    with open_checkpoint("draft") as draft, open_checkpoint("our-voice") as checkpoint:
        assert draft.tokenizer().encode(SAID) == checkpoint.tokenizer().encode(SAID)
        assert draft.config.end_of_text == checkpoint.config.end_of_text
