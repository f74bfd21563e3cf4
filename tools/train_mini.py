"""Train townhall-mini from scratch, by the code of ``townhall models train --new``: nothing else needs to be installed.

    python -m tools.train_mini --corpus corpus --out townhall-mini --minutes 60

The corpus is a folder of UTF-8 text files (.txt, .md), in subfolders as you like; each file is a document. Files named
SOURCE say where a subfolder comes from and are not trained on. townhall-mini's had three parts: ``sotu`` (an address a
file), ``us-gov-plain-english`` (a site's articles a file) and ``classic-books`` (a book a file); see
plugins/gpt2/mini/README.md.

A draft that guesses for it (``TOWNHALL_GPT2_DRAFT``) is a tenth of its size and has its vocabulary:

    … -m tools.train_mini --corpus corpus --out plain --minutes 25 --layers 2 --heads 2 --width 96 --batch 4 \\
        --learning-rate 4e-3 --vocabulary-of townhall-mini

It is right more often once ``tools.distil`` has taught it what townhall-mini says.

Options of the command that are not named here go on to it (``--batch``, ``--learning-rate``, ``--seed``…). What was
interrupted goes on with ``--resume``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from townhall_bot.cli import main as townhall

SHAPE = {"layers": 6, "heads": 5, "width": 320, "context": 512}


def main(given: Sequence[str] | None = None) -> int:
    """Train and put the checkpoint into ``--out``; return the command's exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="folder of text files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint; must not exist yet")
    parser.add_argument("--minutes", type=float, default=60, help="how long to train (default: %(default)s)")
    for name, default in SHAPE.items():
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    parser.add_argument("--resume", action="store_true", help="go on with what was interrupted")
    options, rest = parser.parse_known_args(given)
    if options.out.exists():
        parser.error(f"--out {options.out} exists; give a new folder")
    if options.corpus is None and not options.resume:
        parser.error("--corpus names the folder of text files")
    data = options.out.absolute().with_name(f".{options.out.name}.training")
    os.environ["TOWNHALL_DATA_DIR"] = str(data)
    words = ["models", "train", options.out.name, "--minutes", str(options.minutes)]
    if options.resume:
        words.append("--resume")
    else:
        words += ["--texts", str(options.corpus), "--new"]
        words += [word for name in SHAPE for word in (f"--{name}", str(getattr(options, name)))]
    status = townhall([*words, *rest])
    if status == 0:
        shutil.move(data / "models" / options.out.name, options.out)
        shutil.rmtree(data, ignore_errors=True)
        print(options.out)
    return status


if __name__ == "__main__":
    sys.exit(main())
