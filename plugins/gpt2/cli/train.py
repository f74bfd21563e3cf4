"""``townhall models train``: from a folder of texts to a model in the data folder."""

from __future__ import annotations

import argparse
import errno
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from plugins.gpt2.checkpoint.errors import CheckpointError
from plugins.gpt2.checkpoint.model_names import known_models
from plugins.gpt2.checkpoint.own_models import is_name, models_folder, own_model, run_folder
from plugins.gpt2.cli.ctrl_c import CtrlC
from plugins.gpt2.cli.told_warnings import told
from plugins.gpt2.cli.train_options import complaint
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.training.locked import AlreadyTrained, locked
from plugins.gpt2.training.plan import DoesNotFit, read_plan
from plugins.gpt2.training.precision import NoSuchProducts
from plugins.gpt2.training.priority import make_way
from plugins.gpt2.training.run_files import BEST, STATE
from townhall_bot.cli.terminal import FAILED, OK, USAGE, note, tell
from townhall_bot.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from plugins.gpt2.training.samples import Sample
    from plugins.gpt2.training.session import Session

COMMAND = "models train"


class Refused(ValueError):
    """What was asked for cannot be; the message says why and what can."""


def run(options: argparse.Namespace) -> int:
    """Train; return 0, 1 where it failed, 2 for wrong arguments, 130 after Ctrl-C and 143 after SIGTERM.

    What was learnt until either is kept.
    """
    if (wrong := complaint(options)) is not None:
        note(f"{wrong}.", COMMAND)
        return USAGE
    make_way()
    # A service, a container and a machine that goes down end it by SIGTERM.
    ctrl_c = CtrlC(signal.SIGINT, signal.SIGTERM)
    folder: Path | None = None
    try:
        settings = load_settings(GPT2Settings)
        home = _home()
        folder = run_folder(home, options.name)
        _check_name(options, folder)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, options.name), ctrl_c, told(f"townhall {COMMAND}"):
            return _train(options, settings, home, folder, ctrl_c)
    except SettingsError as error:
        note(str(error), COMMAND)
        return USAGE
    except KeyboardInterrupt:
        tell(f"\nstopped.{_what_is_kept(folder, options.name)}")
        return _status_of(ctrl_c)
    except (Refused, AlreadyTrained, DoesNotFit, NoSuchProducts, CheckpointError) as error:
        note(str(error), COMMAND)
    except OSError as error:
        note(_of_system(error, folder, options.name), COMMAND)
    except (ValueError, RuntimeError, MemoryError) as error:
        if ctrl_c.pressed:
            tell(f"\nstopped.{_what_is_kept(folder, options.name)}")
            return _status_of(ctrl_c)
        note(f"{str(error) or type(error).__name__}{_what_is_kept(folder, options.name)}", COMMAND)
    return FAILED


def _home() -> Path:
    home = models_folder()
    if home is None:
        raise Refused("the settings name no data folder that can be used; `townhall doctor` says more.")
    home.mkdir(parents=True, exist_ok=True)
    return home


def _check_name(options: argparse.Namespace, folder: Path) -> None:
    name = options.name
    if not is_name(name):
        raise Refused(f"{name!r} cannot be a model's name: letters, digits, '.', '_' and '-', 64 at most.")
    if name in known_models():
        raise Refused(f"{name} is a model that is known already; choose another name.")
    begun = any((folder / file).exists() for file in (STATE, BEST))
    if options.resume:
        if read_plan(folder) is None:
            raise Refused(f"no training of {name} was begun here; begin one with --texts FOLDER.")
        return
    if own_model(name) is not None:
        raise Refused(f"{name} is there already; choose another name, or `townhall models remove {name}` first.")
    if begun:
        raise Refused(
            f"a training of {name} was begun and not finished: go on with it by --resume, "
            f"or `townhall models remove {name}` first."
        )


def _train(options: argparse.Namespace, settings: GPT2Settings, home: Path, folder: Path, ctrl_c: CtrlC) -> int:
    from plugins.gpt2.cli.train_begin import begin
    from plugins.gpt2.training.session import Session

    if options.resume:
        plan = read_plan(folder)
        assert plan is not None  # which was checked before the lock
        session = Session.again(
            home,
            folder,
            plan,
            settings,
            minutes=options.minutes,
            threads=options.threads,
            precision=options.precision,
        )
    else:
        with _cleared_where_refused(folder):
            session = begin(options, settings, home, folder, ctrl_c.check)
    return _learn(session, ctrl_c)


@contextmanager
def _cleared_where_refused(folder: Path) -> Iterator[None]:
    """Leave nothing where there will be no training."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _learn(session: Session, ctrl_c: CtrlC) -> int:
    from plugins.gpt2.cli.train_bar import TrainBar

    tell(session.described())
    if session.plan.source:
        _show("before", session.samples_before)
        ctrl_c.check()
    run = session.open()
    ctrl_c.check()
    before = run.progress.step
    with ctrl_c.noted(), TrainBar(run.progress.elapsed_s, session.total_s) as bar:
        end = run.train(stopped=lambda: ctrl_c.pressed, on_step=bar)
    name = session.plan.name
    if run.best is None:
        steps = run.progress.step - before
        raise Refused(
            f"after {steps:,} steps the held-out texts are no better than before, so there is no new model. "
            "Train longer (--resume --minutes), give more texts, or begin anew with a lower --learning-rate."
        )
    session.finish(run, end)
    if end != "stopped":
        _show("after", session.samples_after)
        shutil.rmtree(session.folder, ignore_errors=True)
    _tell_result(session, run.progress.before, run.best.loss, end == "stopped")
    print(name)
    return _status_of(ctrl_c) if end == "stopped" else OK


def _show(when: str, samples: Callable[[], list[Sample]]) -> None:
    tell(f"\nthree texts {when}:")
    for sample in samples():
        tell(f"  {' '.join(sample.prompt.split())} » {' '.join(sample.text.split())}")
    tell("")


def _tell_result(session: Session, before: float | None, after: float, stopped: bool) -> None:
    name = session.plan.name
    gained = "" if before is None else f" (before: {before:.3f}, {100 * (before - after) / before:.1f} % less)"
    tell(f"\n{name}: {after:.3f} nats a token on the held-out texts{gained}")
    tell(f"its card, with the curves of the training: {session.home / name / 'README.md'}")
    if stopped:
        tell(f"`townhall models train {name} --resume` goes on.")
    tell(
        f"Try it: townhall gpt2 --model_size {name} --prompt 'Good morning'\n"
        f"For Discord, put it into .env: TOWNHALL_GPT2_MODEL={name}, or let admins choose it in /gpt2-config: "
        f"TOWNHALL_GPT2_ALLOWED_MODELS=townhall-mini,{name}"
    )


def _status_of(ctrl_c: CtrlC) -> int:
    """Return what a shell returns for a program that the signal ended."""
    return 128 + ctrl_c.number


def _what_is_kept(folder: Path | None, name: str) -> str:
    if folder is not None and any((folder / file).exists() for file in (STATE, BEST)):
        return f" What was learnt is kept: `townhall models train {name} --resume` goes on."
    return " Nothing was trained."


def _of_system(error: OSError, folder: Path | None, name: str) -> str:
    what = f"{error.filename or 'the data folder'}: {error.strerror or error}."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = "the disk is full. Free some space, or let TOWNHALL_DATA_DIR name a folder on another disk."
    return f"{what}{_what_is_kept(folder, name)}"
