"""Models that were trained here: a folder each below the data folder's ``models``, called by their names.

A run that is not finished lies beside them in a folder of its own, ``.NAME.training``.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from plugins.gpt2.checkpoint.config_file import CONFIG_NAME
from plugins.gpt2.checkpoint.errors import CheckpointError

FOLDER = "models"
UNFINISHED = ".training"
_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,62}[A-Za-z0-9])?", re.ASCII)


def models_folder() -> Path | None:
    """Return where own models are kept, there or not; None where the settings name no folder that could be."""
    # Reading settings takes pydantic, 0.08 s to import: a model that is named by its folder does without.
    from townhall_bot.settings import ENV_FILE, Settings, SettingsError, load_settings

    try:
        return load_settings(Settings, ENV_FILE).data_dir / FOLDER
    except SettingsError:
        return None


def is_name(name: str) -> bool:
    """Tell whether an own model may be called so: letters, digits, ``.``, ``_``, ``-``; nothing of a path."""
    return _NAME.fullmatch(name) is not None


def own_model(name: str) -> Path | None:
    """Return the folder of the model that was trained here under this name; None where there is none."""
    home = models_folder() if is_name(name) else None
    return home / name if home is not None and (home / name / CONFIG_NAME).is_file() else None


def own_models() -> list[str]:
    """Return the names of all models that were trained here."""
    return [name for name in _names() if own_model(name) is not None]


def unfinished_models() -> list[str]:
    """Return the names of all runs that were begun and not finished."""
    home = models_folder()
    if home is None or not home.is_dir():
        return []
    return sorted(path.name[1 : -len(UNFINISHED)] for path in home.glob(f".*{UNFINISHED}") if path.is_dir())


def run_folder(home: Path, name: str) -> Path:
    """Return where the run that makes a model keeps what it has."""
    return home / f".{name}{UNFINISHED}"


def remove_own(name: str) -> int:
    """Delete a model that was trained here and what its run left; return the bytes freed. Raises CheckpointError."""
    home, freed = models_folder(), 0
    for folder in () if home is None else (home / name, run_folder(home, name)):
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
        try:
            if folder.is_dir():
                shutil.rmtree(folder)
        except OSError as error:
            raise CheckpointError(
                f"{folder} cannot be removed: {error.strerror or error}. Check its rights."
            ) from error
        freed += size
    return freed


def own_partial(home: Path, name: str, what: str) -> Path:
    """Return where a model is put together, or put aside, before it takes its place."""
    return home / f".{name}.{what}"


def _names() -> list[str]:
    home = models_folder()
    try:
        return sorted(path.name for path in home.iterdir() if path.is_dir()) if home is not None else []
    except OSError:
        return []
