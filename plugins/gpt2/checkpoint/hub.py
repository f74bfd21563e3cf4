"""Models from the Hugging Face hub, through ``huggingface_hub``: only the files that are needed, kept in its cache.

The library honours ``HF_HOME``, ``HF_HUB_CACHE``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE`` and ``HF_TOKEN``; it is imported
late, so that a ``.env`` which sets them is read first. What is complete on disk is used without asking the hub: a
restart never waits for a network, and never brings other weights than before. A connection that breaks is taken up
again where it broke; after a failed download, files that had arrived are not downloaded again.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from plugins.gpt2.checkpoint.download import Download, OnProgress
from plugins.gpt2.checkpoint.errors import CheckpointError, DownloadFailed
from plugins.gpt2.checkpoint.files import CONFIG_NAME, lacking_files
from plugins.gpt2.checkpoint.hub_errors import in_words


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
    with in_words(repo):
        return Download(repo, on_progress).run(allow_pickle=allow_pickle)


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
