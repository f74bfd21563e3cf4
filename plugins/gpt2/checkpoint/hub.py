"""Models from the Hugging Face hub, through ``huggingface_hub``: only the files that are needed, kept in its cache.

The library honours ``HF_HOME``, ``HF_HUB_CACHE``, ``HF_ENDPOINT``, ``HF_HUB_OFFLINE`` and ``HF_TOKEN``; it is imported
late, so that a ``.env`` which sets them is read first. What is complete on disk is used without asking the hub: a
restart never waits for a network, and never brings other weights than before. A connection that breaks is taken up
again where it broke; after a failed download, files that had arrived are not downloaded again.
"""

from __future__ import annotations

import logging
from pathlib import Path

from plugins.gpt2.checkpoint.download import Download, OnProgress
from plugins.gpt2.checkpoint.errors import DownloadFailed
from plugins.gpt2.checkpoint.hub_cache import cached_snapshot, hub_folder
from plugins.gpt2.checkpoint.hub_errors import hub_constants, in_words


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
    constants = hub_constants()
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
    if hub_folder() is None:
        raise DownloadFailed(
            "this user has no home folder, so there is no place for models. Set HF_HOME to a folder that this user can "
            "write to, in full, beginning with '/'."
        )
    logging.getLogger("huggingface_hub").handlers.clear()  # it brings one of its own: every line would be there twice
    logging.getLogger("huggingface_hub.utils._http").setLevel("ERROR")  # it tells each of six tries in two lines
    with in_words(repo):
        return Download(repo, on_progress).run(allow_pickle=allow_pickle)
