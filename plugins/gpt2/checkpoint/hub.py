"""Models from the Hugging Face hub, through ``huggingface_hub``: only the files that are needed, kept in its cache.

The library honours ``HF_HOME``, ``HF_HUB_CACHE``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE`` and ``HF_TOKEN``; it is imported
late, so that a ``.env`` which sets them is read first. What is complete on disk is used without asking the hub: a
restart never waits for a network, and never brings other weights than before. A connection that breaks is taken up
again where it broke; after a failed download, files that had arrived are not downloaded again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from plugins.gpt2.checkpoint.config_file import read_config
from plugins.gpt2.checkpoint.errors import CheckpointError, DownloadFailed, UnknownModel
from plugins.gpt2.checkpoint.files import (
    CONFIG_NAME,
    INDEX_NAME,
    MERGES_NAME,
    PICKLE_NAME,
    TOKENIZER_NAME,
    VOCAB_NAME,
    WEIGHTS_NAME,
    lacking_files,
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


def cached_config(repo: str) -> Path | None:
    """Return ``config.json`` of ``repo`` in the cache, whatever else of it is there, or None. Asks nobody."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(repo, CONFIG_NAME)
    return Path(config) if isinstance(config, str) else None


def cached_snapshot(repo: str, *, allow_pickle: bool = False) -> Path | None:
    """Return the folder of ``repo`` in the cache, or None where a file is lacking. Asks nobody."""
    config = cached_config(repo)
    if config is None:
        return None
    try:
        return None if lacking_files(config.parent, allow_pickle=allow_pickle) else config.parent
    except CheckpointError:  # an index that cannot be read is as good as none: download it again
        return None


def download(
    repo: str,
    *,
    allow_pickle: bool = False,
    local_only: bool = False,
    refresh: bool = False,
    on_progress: OnProgress | None = None,
) -> Path:
    """Return the folder of ``repo``, downloaded where the cache lacks it. Blocks; may be called from any thread.

    ``refresh`` asks the hub for a newer version. Raises :class:`UnknownModel`, :class:`DownloadFailed`, and
    :class:`CheckpointError` where the repository holds no GPT-2 that can be used: found out before the weights come.
    """
    from huggingface_hub import constants

    folder = cached_snapshot(repo, allow_pickle=allow_pickle)
    if folder is not None and not refresh:
        return folder
    if local_only or constants.HF_HUB_OFFLINE:
        why, cure = "downloads are not allowed here", "Download it first where they are"
        if constants.HF_HUB_OFFLINE:
            why, cure = "HF_HUB_OFFLINE is set", "Unset that and download it"
        raise DownloadFailed(
            f"{repo} is not complete on this disk (looked in {constants.HF_HUB_CACHE}), and {why}. "
            f"{cure}: townhall models download {repo}"
        )
    logging.getLogger("huggingface_hub").handlers.clear()  # it brings one of its own: every line would be there twice
    logging.getLogger("huggingface_hub.utils._http").setLevel("ERROR")  # it tells each of six tries in two lines
    with _in_words(repo):
        return _Download(repo, on_progress).run(allow_pickle=allow_pickle)


def remove(repo: str) -> int:
    """Delete every version of ``repo`` from the cache; return the bytes freed, 0 where there was nothing."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        cache = scan_cache_dir(constants.HF_HUB_CACHE)
    except CacheNotFound:
        return 0
    theirs = frozenset(found for found in cache.repos if found.repo_type == "model" and found.repo_id == repo)
    revisions = [revision.commit_hash for found in theirs for revision in found.revisions]
    if not revisions:
        return 0
    # Of this repository alone: a copy of it under another name has the same commits.
    strategy = replace(cache, repos=theirs).delete_revisions(*revisions)
    strategy.execute()
    return strategy.expected_freed_size


def cached_repos() -> dict[str, int]:
    """Return the models in the cache, GPT-2 or not, with their bytes on disk."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        cache = scan_cache_dir(constants.HF_HUB_CACHE)
    except CacheNotFound:
        return {}
    return {found.repo_id: found.size_on_disk for found in cache.repos if found.repo_type == "model"}


class _Download:
    """One repository on its way to the cache, all files of the same commit."""

    def __init__(self, repo: str, on_progress: OnProgress | None) -> None:
        self.repo = repo
        self.on_progress = on_progress
        self.revision: str | None = None
        self.done = 0
        self.total = 0

    def run(self, *, allow_pickle: bool) -> Path:
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


@contextmanager
def _in_words(repo: str) -> Iterator[None]:
    """Turn the library's errors into ones that say what to do."""
    from huggingface_hub import constants, errors

    # httpx.HTTPError or httpx2.HTTPError, whichever the library is built on: broken connections, timeouts
    bases = cast("tuple[type[Exception], ...]", errors.HfHubHTTPError.__mro__)
    http_error = next(base for base in bases if base.__name__ == "HTTPError")
    hub = constants.ENDPOINT
    try:
        yield
    except errors.GatedRepoError as error:
        raise DownloadFailed(
            f"{repo} is gated: its owners want their terms accepted first. Do so at {hub}/{repo}, signed in, "
            "then set HF_TOKEN to a token of that account."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UnknownModel(
            f"the hub at {hub} has no model {repo}, or it is private. "
            "Check the spelling; for a private one set HF_TOKEN."
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise DownloadFailed(
            f"the hub at {hub} cannot be reached for {repo} ({error.__cause__ or error}). "
            "Check the network and HF_ENDPOINT; models that are on disk keep working."
        ) from error
    except errors.RemoteEntryNotFoundError as error:
        raise CheckpointError(
            f"{repo} on {hub} lacks a file that GPT-2 needs ({CONFIG_NAME}, {VOCAB_NAME} and {MERGES_NAME}, "
            f"or {TOKENIZER_NAME}): {error}. "
            "Choose another repository."
        ) from error
    except (errors.HfHubHTTPError, http_error) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            cure = "Set HF_TOKEN to a token that may read it."
        else:
            cure = "Try again later." if status else "Check the network and HF_ENDPOINT, then try again."
        raise DownloadFailed(f"downloading {repo} from {hub} failed: {str(error).rstrip('.')}. {cure}") from error
    except OSError as error:
        raise DownloadFailed(
            f"downloading {repo} failed: {error}. Check that {constants.HF_HUB_CACHE} can be written, then try again."
        ) from error
