"""Converts a checkpoint's folder for CTranslate2: ``python -m bench.formats.ctranslate2_folder FOLDER OUT int8``.

Runs where ``ctranslate2``, ``transformers`` and ``torch`` are installed.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path
from typing import Any


def write_folder(folder: Path, out: Path, quantization: str) -> None:
    """Write ``out`` through CTranslate2's own converter; a folder that is half written never gets its name."""
    converters: Any = importlib.import_module("ctranslate2.converters")
    partial = out.with_name(out.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    converters.TransformersConverter(str(folder)).convert(str(partial), quantization=quantization)
    partial.replace(out)


if __name__ == "__main__":
    write_folder(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
