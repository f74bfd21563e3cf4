"""A checkpoint, ready to be read: its config, its tensors under canonical names, its tokeniser. No tinygrad here.

Everything is checked against ``config.json`` before a tensor is read, so a file that does not fit costs no memory.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from plugins.gpt2.checkpoint import hub, hub_cache
from plugins.gpt2.checkpoint.config_file import read_config
from plugins.gpt2.checkpoint.download import DownloadProgress, OnProgress
from plugins.gpt2.checkpoint.errors import CheckpointError, DownloadFailed, UnknownModel
from plugins.gpt2.checkpoint.files import (
    CONFIG_NAME,
    INDEX_NAME,
    MERGES_NAME,
    PICKLE_INDEX_NAME,
    PICKLE_NAME,
    TOKENIZER_NAME,
    VOCAB_NAME,
    WEIGHTS_NAME,
    pickle_refused,
    weight_map,
)
from plugins.gpt2.checkpoint.model_names import locate
from plugins.gpt2.checkpoint.other_formats import SAVED, folder_is
from plugins.gpt2.checkpoint.pickle_file import open_pickle
from plugins.gpt2.checkpoint.safetensors_file import open_safetensors
from plugins.gpt2.checkpoint.tensor_file import READABLE, TensorFile, TensorRef
from plugins.gpt2.checkpoint.tokenizer.bpe import BPETokenizer
from plugins.gpt2.checkpoint.tokenizer.tokenizer_files import load_tokenizer
from plugins.gpt2.model.constants import HEAD, MASKS, PREFIX, TOKENS, GPT2Config, block_of, tensors

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "DownloadFailed",
    "DownloadProgress",
    "TensorRef",
    "UnknownModel",
    "on_disk",
    "open_checkpoint",
]

log = logging.getLogger("townhall.gpt2.checkpoint")

_WRAPPER = re.compile(r"(?<![^.])(module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What DataParallel, torch.compile() and FSDP put into names; no module of GPT-2 is called so."""


class Checkpoint:
    """A checked checkpoint. Tensors stay on disk until they are read.

    ``tensors`` holds exactly what ``config`` needs, under names without ``transformer.``; ``total_bytes`` is their
    size on disk; ``fingerprint`` changes when the weights, the config or the vocabulary do.
    """

    def __init__(self, name: str, folder: Path, *, allow_pickle: bool = False) -> None:
        """Open the checkpoint in ``folder``. Raises :class:`CheckpointError`."""
        self.name = name
        self.folder = folder
        with _readable(folder):
            if not (folder / CONFIG_NAME).exists() and (instead := folder_is(folder)):
                raise CheckpointError(instead)
            self._files = list(_open_weights(folder, allow_pickle=allow_pickle))
            found = _canonical(self._files)
            self.config = _with_real_head(read_config(folder / CONFIG_NAME), found)
        self.tensors: Mapping[str, TensorRef] = dict(_select(self.config, found, folder))
        self.total_bytes = sum(ref.nbytes for ref in self.tensors.values())

    def tokenizer(self) -> BPETokenizer:
        """Build the tokeniser from the checkpoint's own files. Raises :class:`CheckpointError`."""
        with _readable(self.folder):
            return load_tokenizer(self.folder, vocab_size=self.config.vocab_size, ends=self.config.ends)

    @cached_property
    def fingerprint(self) -> str:
        """Return 32 hex digits that stand for this content.

        They hash config and vocabulary in full; of the weights each file's header, size and time of change, and the
        first and last 4 KiB of every tensor: milliseconds instead of reading gigabytes.
        """
        digest = hashlib.sha256()
        for name in (CONFIG_NAME, VOCAB_NAME, MERGES_NAME, TOKENIZER_NAME):
            path = self.folder / name
            content = path.read_bytes() if path.is_file() else b""
            digest.update(b"%s %d " % (name.encode(), len(content)) + content)
        for file in self._files:
            digest.update(b"%d %d " % (file.size, file.path.stat().st_mtime_ns) + file.header)
        for ref in self.tensors.values():
            digest.update(ref.raw(0, 4096) + ref.raw(max(0, ref.nbytes - 4096), 4096))
        return digest.hexdigest()[:32]

    def close(self) -> None:
        """Let go of the maps; views that were handed out stay valid. The checkpoint is not used afterwards."""
        self._files.clear()
        self.tensors = {}

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_checkpoint(
    model: str, *, allow_pickle: bool = False, local_only: bool = False, on_progress: OnProgress | None = None
) -> Checkpoint:
    """Open ``model``: townhall-mini, an official size, a hub id or a folder. Blocks; may be called from any thread.

    What is not on disk is downloaded, unless ``local_only``; ``on_progress`` hears about it and may raise to stop it.
    Raises :class:`UnknownModel`, :class:`DownloadFailed` or :class:`CheckpointError`.
    """
    place = locate(model)
    if place.repo is None:
        assert place.folder is not None
        return Checkpoint(place.name, place.folder, allow_pickle=allow_pickle)
    folder = hub.download(place.repo, allow_pickle=allow_pickle, local_only=local_only, on_progress=on_progress)
    return Checkpoint(place.name, folder, allow_pickle=allow_pickle)


def on_disk(model: str, *, allow_pickle: bool = False) -> Path | None:
    """Return the folder of ``model`` where nothing would have to be downloaded, else None. Asks nobody."""
    place = locate(model)
    return hub_cache.cached_snapshot(place.repo, allow_pickle=allow_pickle) if place.repo else place.folder


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Turn what the system refuses into words; files that are looked at one by one have words of their own."""
    try:
        yield
    except OSError as error:
        what = error.filename or folder
        raise CheckpointError(
            f"{what}: cannot be read: {error.strerror or error}. Check the path and its rights."
        ) from error


def _open_weights(folder: Path, *, allow_pickle: bool) -> Iterator[TensorFile]:
    """Open the single file, or else the shards that the index names, or else the pickle where that is allowed."""
    if (folder / WEIGHTS_NAME).exists():
        yield open_safetensors(folder / WEIGHTS_NAME)
    elif (folder / INDEX_NAME).exists():
        yield from _open_shards(folder / INDEX_NAME, open_safetensors)
    elif not (folder / PICKLE_NAME).exists() and not (folder / PICKLE_INDEX_NAME).exists():
        raise CheckpointError(folder_is(folder) or f"{folder}: there is no {WEIGHTS_NAME} and no {INDEX_NAME}. {SAVED}")
    elif not allow_pickle:
        raise CheckpointError(pickle_refused(folder))
    elif (folder / PICKLE_NAME).exists():
        yield open_pickle(folder / PICKLE_NAME)
    else:
        yield from _open_shards(folder / PICKLE_INDEX_NAME, open_pickle)


def _open_shards(index: Path, open_file: Callable[[Path], TensorFile]) -> Iterator[TensorFile]:
    by_shard: dict[str, set[str]] = {}
    for name, shard in weight_map(index).items():
        by_shard.setdefault(shard, set()).add(name)
    for shard, names in sorted(by_shard.items()):
        file = open_file(index.with_name(shard))
        if lacking := sorted(names - set(file.tensors)):
            raise CheckpointError(
                f"{file.path}: tensor {lacking[0]} is not in it, but {index.name} says so. "
                "Copy all shards and the index from the same checkpoint."
            )
        yield replace(file, tensors={name: ref for name, ref in file.tensors.items() if name in names})


def _canonical(files: list[TensorFile]) -> dict[str, TensorRef]:
    """Return the tensors under canonical names, attention masks left out."""
    found: dict[str, TensorRef] = {}
    for file in files:
        for name, ref in file.tensors.items():
            short = _WRAPPER.sub("", name).removeprefix(PREFIX)
            if MASKS.fullmatch(short):
                continue
            if short in found:
                raise CheckpointError(
                    f"{file.path}: tensor {short} is there twice, with different prefixes. Save the checkpoint again."
                )
            found[short] = ref
    return found


def _with_real_head(config: GPT2Config, found: dict[str, TensorRef]) -> GPT2Config:
    """Return ``config`` with the head that the file has, as transformers 5 decides it.

    A tied head may be saved as well, or in the embedding's stead. Saved with other values it is a head of its own.
    """
    head, embedding = found.get(f"{HEAD}.weight"), found.get(f"{TOKENS}.weight")
    if not config.tied_head or head is None:
        return config
    if embedding is None:
        found[f"{TOKENS}.weight"] = head
    elif not _same_values(head, embedding):
        log.info("%s: %s.weight differs from %s.weight, so the head is not tied", head.file, HEAD, TOKENS)
        return replace(config, tied_head=False)
    return config


def _same_values(one: TensorRef, other: TensorRef) -> bool:
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    step = 1 << 22  # 4 MiB at a time; different heads differ in the first piece
    return all(one.raw(at, step) == other.raw(at, step) for at in range(0, one.nbytes, step))


def _select(config: GPT2Config, found: dict[str, TensorRef], folder: Path) -> Iterator[tuple[str, TensorRef]]:
    """Yield what the model needs, each shape compared with the config's."""
    for tensor in tensors(config):
        name, shape = tensor.name, tensor.shape
        ref = found.pop(name, None)
        if ref is None:
            raise CheckpointError(
                f"{folder}: tensor {name} of shape {shape} is missing, config.json says that it is there. "
                "Copy or download the checkpoint again."
            )
        if ref.shape != shape:
            raise CheckpointError(
                f"{ref.file}: tensor {name} has shape {ref.shape}, config.json makes it {shape}. "
                "These files do not belong together: copy both from the same checkpoint."
            )
        if ref.dtype not in READABLE:
            raise CheckpointError(
                f"{ref.file}: tensor {name} is {ref.dtype}; supported are {', '.join(READABLE)}. "
                "Save the checkpoint in one of these types."
            )
        yield name, replace(ref, name=name)
    found.pop(f"{HEAD}.weight", None)
    for name, ref in found.items():
        if block_of(name) is not None:
            raise CheckpointError(
                f"{ref.file}: tensor {name} of shape {ref.shape} has no place in a GPT-2 of {config.n_layer} layers. "
                "config.json does not belong to these weights."
            )
        log.info("%s: tensor %s is not GPT-2's and is left out", ref.file, name)
