"""One repository's way from the hub to the cache: what is needed of it, in which order, and how far it is."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from plugins.gpt2.checkpoint.config_file import GENERATION_NAME, read_config
from plugins.gpt2.checkpoint.errors import CheckpointError, DownloadFailed
from plugins.gpt2.checkpoint.files import (
    CONFIG_NAME,
    INDEX_NAME,
    MERGES_NAME,
    PICKLE_INDEX_NAME,
    PICKLE_NAME,
    SETTINGS_NAMES,
    TOKENIZER_NAME,
    VOCAB_NAME,
    WEIGHTS_NAME,
    pickle_refused,
    weight_map,
)
from plugins.gpt2.checkpoint.hub_cache import is_damaged, repo_folder
from plugins.gpt2.checkpoint.other_formats import NAMED
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import check_kind, load_tokenizer
from townhall_bot.i18n.formatting import format_bytes

log = logging.getLogger("townhall.gpt2.hub")


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """How far a download is: ``file`` is on its way; the bytes are those of all files that it brings."""

    file: str
    done_bytes: int
    total_bytes: int


OnProgress = Callable[[DownloadProgress], None]
"""Called from the downloading thread, every few megabytes. What it raises ends the download and reaches the caller."""


@dataclass(frozen=True, slots=True)
class _File:
    """One file of weights. ``damaged`` says that what lies in the cache must be replaced."""

    name: str
    size: int
    there: bool
    damaged: bool


class Download:
    """One repository on its way to the cache, all files of the same commit."""

    def __init__(self, repo: str, on_progress: OnProgress | None) -> None:
        self.repo = repo
        self.on_progress = on_progress
        self.revision: str | None = None
        self.done = 0
        self.total = 0

    def run(self, *, allow_pickle: bool) -> Path:
        """Bring the small files, judge them, and bring the weights only then; return the folder.

        Raises the library's errors, and :class:`CheckpointError`.
        """
        folder = self._judged()
        files = [self._ask(folder / name) for name in self._weights(allow_pickle=allow_pickle)]
        self.done, self.total = 0, sum(file.size for file in files if not file.there)
        _check_disk(self.repo, self.total)
        for file in files:  # also those whose bytes are there already: this commit still needs its link to them
            after = self.done + (0 if file.there else file.size)
            log.info("getting %s of %s", file.name, self.repo)
            self._report(file.name, self.done)
            self._get(file.name, force=file.damaged)
            self._report(file.name, after)
        return folder

    def _judged(self) -> Path:
        """Bring what says how weights and text are read; raise CheckpointError where that is not GPT-2's way."""
        path = self._small(CONFIG_NAME)
        if path is None:
            raise CheckpointError(self._instead(f"lacks a file that GPT-2 needs: {CONFIG_NAME}"))
        read_config(path)
        self.revision, folder = path.parent.name, path.parent
        for name in (GENERATION_NAME, *SETTINGS_NAMES):
            self._small(name)
        if self._small(TOKENIZER_NAME) is None:
            check_kind(folder)
            if lacking := [name for name in (VOCAB_NAME, MERGES_NAME) if self._small(name) is None]:
                raise CheckpointError(
                    f"{self.repo} lacks a file that GPT-2 needs: {' and '.join(lacking)}, or {TOKENIZER_NAME}. "
                    "Choose another repository."
                )
        config = read_config(path)
        load_tokenizer(folder, vocab_size=config.vocab_size, ends=config.ends)
        return folder

    def _weights(self, *, allow_pickle: bool) -> list[str]:
        """Return the names of the files that hold the weights, in the best form that the repository has."""
        if self._has(WEIGHTS_NAME):
            return [WEIGHTS_NAME]
        if index := self._small(INDEX_NAME):
            return sorted(set(weight_map(index).values()))
        whole = self._has(PICKLE_NAME)
        index = None if whole else self._small(PICKLE_INDEX_NAME)
        if not whole and index is None:
            raise CheckpointError(self._instead(f"has neither {WEIGHTS_NAME} nor {INDEX_NAME}"))
        if not allow_pickle:
            raise CheckpointError(pickle_refused(self.repo))
        return [PICKLE_NAME] if index is None else sorted(set(weight_map(index).values()))

    def _instead(self, what_it_lacks: str) -> str:
        """Return what to say of a repository that holds something else than a checkpoint."""
        for name, (what, cure) in NAMED.items():
            if self._has(name):
                return f"{self.repo} is {what}. {cure}"
        return f"{self.repo} {what_it_lacks}. Choose another repository, one with safetensors weights."

    def _has(self, name: str) -> bool:
        from huggingface_hub.errors import RemoteEntryNotFoundError

        try:
            self._size_and_hash(name)
        except RemoteEntryNotFoundError:
            return False
        return True

    def _size_and_hash(self, name: str) -> tuple[int | None, str]:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        found = get_hf_file_metadata(hf_hub_url(self.repo, name, revision=self.revision), retry_on_errors=True)
        return found.size, found.etag or ""

    def _ask(self, path: Path) -> _File:
        """Compare what lies in the cache, if anything does, with what the hub says of the file."""
        size, known = self._size_and_hash(path.name)
        there = path if path.is_file() else repo_folder(self.repo) / "blobs" / known
        if not there.is_file():
            return _File(path.name, size or 0, there=False, damaged=False)
        damaged = there.stat().st_size != (size or there.stat().st_size) or is_damaged(there, thorough=True)
        if damaged:
            log.warning("%s of %s is damaged on this disk; it is downloaded again", path.name, self.repo)
        return _File(path.name, size or 0, there=not damaged, damaged=damaged)

    def _small(self, name: str) -> Path | None:
        """Return a small file, downloaded again where it is damaged; None where the repository has none."""
        from huggingface_hub.errors import RemoteEntryNotFoundError

        try:
            path = self._get(name)
        except RemoteEntryNotFoundError:
            return None
        return self._get(name, force=True) if is_damaged(path) else path

    def _get(self, name: str, *, force: bool = False) -> Path:
        from huggingface_hub import hf_hub_download

        base = self.done

        class Bar(_Bar):
            def report(bar) -> None:
                self._report(name, base + bar.n)

        # the library asks for a tqdm class and uses only what _Bar has
        bar = cast(Any, Bar)
        return Path(hf_hub_download(self.repo, name, revision=self.revision, force_download=force, tqdm_class=bar))

    def _report(self, name: str, done: int) -> None:
        self.done = done
        if self.on_progress is not None and self.total:
            self.on_progress(DownloadProgress(name, done, self.total))


class _Bar:
    """What ``huggingface_hub`` needs of a progress bar, over plain HTTP as over Xet; draws nothing."""

    format_dict: dict[str, Any] = {}  # noqa: RUF012 - read by the library, written by nobody

    def __init__(self, *_: object, total: int | None = None, initial: int = 0, **__: object) -> None:
        self.total = total
        self.n = initial

    def report(self) -> None:
        """Tell where the file is; the download fills this in."""

    def update(self, n: int = 1) -> None:
        self.n += n
        self.report()

    def update_transfer(self, n: int = 1) -> None:
        """Bytes on the network: only those that are written count here."""

    def set_postfix_str(self, *_: object, **__: object) -> None: ...

    def set_transfer_postfix_str(self, *_: object, **__: object) -> None: ...

    def refresh(self) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None: ...


def _check_disk(repo: str, needed: int) -> None:
    """Refuse a download that the disk cannot hold, before it starts."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    existing = next(path for path in (cache, *cache.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise DownloadFailed(
            f"{repo} needs {format_bytes(needed)}, but only {format_bytes(free)} are free at {cache}. "
            "Free some space (townhall models remove …) or point HF_HOME to another disk."
        )
