"""What the Hugging Face cache on this disk holds: which models, which versions whole, which files damaged. Asks nobody.

A file there is a link, in a version's folder, to a blob that is named after its content: sha256 for large files, git's
sha1 for small ones (https://huggingface.co/docs/huggingface_hub/guides/manage-cache).
"""

from __future__ import annotations

import functools
import hashlib
import logging
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from plugins.gpt2.checkpoint.errors import CheckpointError, Truncated
from plugins.gpt2.checkpoint.files import CONFIG_NAME, SMALL_FILES, lacking_files, weight_files
from plugins.gpt2.checkpoint.hub_errors import endpoint, hub_constants
from plugins.gpt2.checkpoint.safetensors_file import open_safetensors

if TYPE_CHECKING:
    from huggingface_hub import HFCacheInfo

CHUNK = 1 << 22
"""Bytes that are hashed at a time."""

log = logging.getLogger("townhall.gpt2.hub")


def hub_folder() -> Path | None:
    """Return the cache's folder, there or not; None where this user has no home for it and ``HF_HOME`` names none."""
    folder = Path(hub_constants().HF_HUB_CACHE)
    return None if folder.parts[:1] == ("~",) else folder


def repo_folder(repo: str) -> Path:
    """Return where ``repo`` is kept in the cache, there or not."""
    constants = hub_constants()
    # What names it in the library needs an address of the hub that can be read, which what is on disk does not.
    name: str = constants.REPO_ID_SEPARATOR.join(("models", *repo.split("/")))
    return Path(constants.HF_HUB_CACHE) / name


def cached_config(repo: str) -> Path | None:
    """Return ``config.json`` of ``repo`` in the cache, whatever else of it is there, or None."""
    return next((folder / CONFIG_NAME for folder in _versions(repo)), None)


def cached_snapshot(repo: str, *, allow_pickle: bool = False) -> Path | None:
    """Return the folder of a whole version of ``repo`` in the cache: the newest known one first. None without one."""
    return next((folder for folder in _versions(repo) if _is_whole(folder, allow_pickle=allow_pickle)), None)


def _versions(repo: str) -> Iterator[Path]:
    """Yield the folders of all versions that have a config: the hub's latest, as it was last heard of, first.

    The others serve where that one is not whole, or where ``refs`` is gone, as in copies of a cache.
    """
    if hub_folder() is None:
        return
    home = repo_folder(repo)
    try:
        latest = (home / "refs/main").read_text().strip()
    except (OSError, UnicodeDecodeError):
        latest = ""
    try:
        folders = [path.parent for path in home.glob(f"snapshots/*/{CONFIG_NAME}") if path.is_file()]
        yield from sorted(folders, key=lambda folder: (folder.name != latest, -folder.stat().st_mtime_ns))
    except OSError as error:
        log.warning("%s cannot be looked at: %s", home, error)


def _is_whole(folder: Path, *, allow_pickle: bool) -> bool:
    try:
        if lacking_files(folder, allow_pickle=allow_pickle):
            return False
        names = [name for name in SMALL_FILES if (folder / name).is_file()]
        names += weight_files(folder, allow_pickle=allow_pickle)
        damaged = [name for name in names if is_damaged(folder / name)]
    except (CheckpointError, OSError):  # an index that cannot be read is as good as none: download it again
        return False
    if damaged:
        log.warning("%s: %s cut short or damaged, so this version does not count", folder, ", ".join(damaged))
    return not damaged


def is_damaged(path: Path, *, thorough: bool = False) -> bool:
    """Tell whether a file of the cache is certainly not what the hub sent.

    Small files are compared with their hash; large ones by what their header says of their size, and with ``thorough``
    by their hash too, which takes a second for each gigabyte or two. Remembered until the file changes.
    """
    state = path.stat()
    return _is_damaged(path, known_hash(path), thorough, state.st_size, state.st_mtime_ns)


@functools.lru_cache(1024)
def _is_damaged(path: Path, known: str | None, thorough: bool, size: int, changed_ns: int) -> bool:
    if path.suffix == ".safetensors":
        try:
            open_safetensors(path)
        except Truncated:
            return True
        except CheckpointError:
            pass  # which is told when it is opened
    if path.suffix == ".bin" and _begins_a_zip(path) and not zipfile.is_zipfile(path):  # the list is at a zip's end
        return True
    if known is None or not (thorough or len(known) == 40):
        return False
    return known not in content_hashes(path, known)


def _begins_a_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\3\4"


def known_hash(path: Path) -> str | None:
    """Return the hash of a file's content that its blob is called by; None where it is no file of the cache."""
    blob = path  # which may be a link itself: several models share large files
    if path.parent.name != "blobs" and path.is_symlink():
        blob = path.readlink()
    return blob.name if blob.parent.name == "blobs" and len(blob.name) in (40, 64) and blob.name.isalnum() else None


def content_hashes(path: Path, known: str) -> tuple[str, ...]:
    """Return the hashes of a file's content that are as long as ``known``, the hub's own first.

    Of 40 digits that is git's; mirrors of the hub also use the plain sha1.
    """
    size = path.stat().st_size
    found = [hashlib.sha256()] if len(known) == 64 else [hashlib.sha1(b"blob %d\0" % size), hashlib.sha1()]
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            for digest in found:
                digest.update(chunk)
    return tuple(digest.hexdigest() for digest in found)


def remove(repo: str) -> int:
    """Delete every version of ``repo`` from the cache; return the bytes freed, 0 where there was nothing."""
    if (cache := _scanned()) is None:
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
    if (cache := _scanned()) is None:
        return {}
    return {found.repo_id: found.size_on_disk for found in cache.repos if found.repo_type == "model"}


def _scanned() -> HFCacheInfo | None:
    endpoint()
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    folder = hub_folder()
    try:
        return scan_cache_dir(folder) if folder is not None else None
    except CacheNotFound:
        return None
