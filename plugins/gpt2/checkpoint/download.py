"""One repository's way from the hub to the cache: what is needed of it, in which order, and how far it is."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from plugins.gpt2.checkpoint.config_file import read_config
from plugins.gpt2.checkpoint.errors import CheckpointError, DownloadFailed
from plugins.gpt2.checkpoint.files import (
    CONFIG_NAME,
    INDEX_NAME,
    MERGES_NAME,
    PICKLE_NAME,
    TOKENIZER_NAME,
    VOCAB_NAME,
    WEIGHTS_NAME,
    pickle_refused,
    weight_map,
)

if TYPE_CHECKING:
    from huggingface_hub import DryRunFileInfo

log = logging.getLogger("townhall.gpt2.hub")


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """How far a download is: ``file`` is on its way; the bytes are those of all files that it brings."""

    file: str
    done_bytes: int
    total_bytes: int


OnProgress = Callable[[DownloadProgress], None]
"""Called from the downloading thread, every few megabytes. What it raises ends the download and reaches the caller."""


class Download:
    """One repository on its way to the cache, all files of the same commit."""

    def __init__(self, repo: str, on_progress: OnProgress | None) -> None:
        self.repo = repo
        self.on_progress = on_progress
        self.revision: str | None = None
        self.done = 0
        self.total = 0

    def run(self, *, allow_pickle: bool) -> Path:
        """Bring what the cache lacks; return the folder. Raises the library's errors, and :class:`CheckpointError`."""
        config = self._get(CONFIG_NAME)
        read_config(config)
        self.revision = config.parent.name
        files = [*self._vocabulary(), *self._weights(allow_pickle=allow_pickle)]
        self.done, self.total = 0, sum(info.file_size or 0 for info in files if info.will_download)
        _check_disk(self.repo, self.total)
        for info in files:  # also those whose bytes are there already: this commit still needs its link to them
            after = self.done + (info.file_size or 0 if info.will_download else 0)
            log.info("getting %s of %s", info.filename, self.repo)
            self._get(info.filename)
            self._report(info.filename, after)
        return config.parent

    def _vocabulary(self) -> Iterable[DryRunFileInfo]:
        from huggingface_hub.errors import RemoteEntryNotFoundError

        try:
            return [self._ask(VOCAB_NAME), self._ask(MERGES_NAME)]
        except RemoteEntryNotFoundError:
            return [self._ask(TOKENIZER_NAME)]  # transformers 5 saves nothing else

    def _weights(self, *, allow_pickle: bool) -> Iterable[DryRunFileInfo]:
        # not its base EntryNotFoundError: an unreachable hub is one of those too
        from huggingface_hub.errors import RemoteEntryNotFoundError

        try:
            return [self._ask(WEIGHTS_NAME)]
        except RemoteEntryNotFoundError:
            pass
        try:
            index = self._get(INDEX_NAME)
        except RemoteEntryNotFoundError:
            pass
        else:
            return [self._ask(shard) for shard in sorted(set(weight_map(index).values()))]
        try:
            found = self._ask(PICKLE_NAME)
        except RemoteEntryNotFoundError as error:
            raise CheckpointError(
                f"{self.repo} has neither {WEIGHTS_NAME} nor {INDEX_NAME}. "
                "Choose a repository with safetensors weights."
            ) from error
        if not allow_pickle:
            raise CheckpointError(pickle_refused(self.repo))
        return [found]

    def _ask(self, name: str) -> DryRunFileInfo:
        from huggingface_hub import hf_hub_download

        return hf_hub_download(self.repo, name, revision=self.revision, dry_run=True)

    def _get(self, name: str) -> Path:
        from huggingface_hub import hf_hub_download

        base = self.done

        class Bar(_Bar):
            def report(bar) -> None:
                self._report(name, base + bar.n)

        # the library asks for a tqdm class and uses only what _Bar has
        return Path(hf_hub_download(self.repo, name, revision=self.revision, tqdm_class=cast(Any, Bar)))

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
            f"{repo} needs {needed / 1e6:.0f} MB, but only {free / 1e6:.0f} MB are free at {cache}. "
            "Free some space (townhall models remove …) or point HF_HOME to another disk."
        )
