"""Who is measured, which file each of them reads, and how to run one in a process of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from bench.job import Job, Outcome
from plugins.gpt2.checkpoint.files import WEIGHTS_NAME

ROOT = Path(__file__).resolve().parent.parent
OURS = "townhall"


@dataclass(frozen=True, slots=True)
class Peer:
    """One column of the comparison: a runner, and the kind of weights it is asked for.

    ``converter`` makes the file that the runner reads, ``suffix`` is what it is called; both empty where the runner
    reads the checkpoint's folder itself.
    """

    name: str
    runner: str
    weights: str
    converter: str = ""
    suffix: str = ""

    @property
    def ours(self) -> bool:
        """Whether this is Townhall, which runs on this interpreter and not on the peers'."""
        return self.runner == OURS


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        *(Peer(f"{OURS}-{weights}", OURS, weights) for weights in ("int8", "int4", "fp16", "bf16", "fp32")),
        Peer("llama-cpp-q8_0", "llama_cpp", "q8_0", "gguf_file", "-q8_0.gguf"),
        Peer("llama-cpp-q8_0-repacked", "llama_cpp", "q8_0-repacked", "gguf_file", "-q8_0.gguf"),
        Peer("llama-cpp-q4_0", "llama_cpp", "q4_0", "gguf_file", "-q4_0.gguf"),
        Peer("llama-cpp-q4_0-repacked", "llama_cpp", "q4_0-repacked", "gguf_file", "-q4_0.gguf"),
        Peer("llama-cpp-f16", "llama_cpp", "f16", "gguf_file", "-f16.gguf"),
        Peer("ctranslate2-int8", "ctranslate2", "int8", "ctranslate2_folder", "-ct2-int8"),
        Peer("transformers-fp32", "transformers", "fp32"),
        Peer("transformers-bf16", "transformers", "bf16"),
    )
}
OTHERS = tuple(name for name, peer in PEERS.items() if not peer.ours and "q4_0" not in name)
"""Who is measured where nobody is named. Q4_0 is slow at many streams, and a peer of our 4 bits alone."""


class PeerFailed(Exception):
    """A process ended without an answer; the message holds the end of what it said."""


def chosen(names: str, weights: str) -> list[Peer]:
    """Return the peers that a comma-separated list names; ``townhall`` stands for one with each of ``weights``.

    Raises ValueError for a name that there is not.
    """
    found: list[Peer] = []
    for name in names.split(","):
        for single in [f"{OURS}-{kind}" for kind in weights.split(",")] if name == OURS else [name]:
            if single not in PEERS:
                raise ValueError(f"no peer {single!r}; there are {OURS}, {', '.join(PEERS)}")
            if PEERS[single] not in found:
                found.append(PEERS[single])
    return found


def _fingerprint(folder: Path) -> str:
    """Return what tells this checkpoint from another one of the same name."""
    facts = (folder / WEIGHTS_NAME).stat()
    return hashlib.sha256(f"{folder} {facts.st_size} {facts.st_mtime_ns}".encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where processes run. ``cache`` holds converted files, ``kernels`` what Townhall keeps between starts."""

    peer_python: str
    cache: Path
    kernels: Path
    timeout_s: float = 1800

    def prepare(self, peer: Peer, folder: Path) -> Path:
        """Return what ``peer`` reads of the checkpoint in ``folder``, converted once. Raises :class:`PeerFailed`."""
        if not peer.converter:
            return folder
        out = self.cache / f"{folder.name}-{_fingerprint(folder)}{peer.suffix}"
        if not out.exists():
            self.cache.mkdir(parents=True, exist_ok=True)
            module = f"bench.formats.{peer.converter}"
            self._run([self.peer_python, "-m", module, str(folder), str(out), peer.weights], "", threads=2)
        return out

    def measure(self, peer: Peer, job: Job) -> Outcome:
        """Do ``job`` in a new process. Raises :class:`PeerFailed`."""
        python = sys.executable if peer.ours else self.peer_python
        asked = replace(job, weights=peer.weights, began=time.monotonic())
        output = self._run([python, "-m", f"bench.runners.{peer.runner}"], asked.to_json(), job.threads)
        try:
            return Outcome.from_output(output.splitlines())
        except (ValueError, TypeError) as error:
            raise PeerFailed(f"{peer.name} gave no result: {error}") from error

    def _run(self, command: list[str], line: str, threads: int) -> str:
        environment = os.environ | {
            "OMP_NUM_THREADS": str(threads),
            "OPENBLAS_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "XDG_CACHE_HOME": str(self.kernels),  # so that the first start finds nothing
        }
        try:
            done = subprocess.run(
                command, input=line + "\n", env=environment, cwd=ROOT, capture_output=True, text=True,
                timeout=self.timeout_s, check=False,
            )  # fmt: skip  # one argument a line would be longer than the function
        except subprocess.TimeoutExpired as error:
            raise PeerFailed(f"{' '.join(command[1:3])} took more than {self.timeout_s:.0f} s") from error
        except OSError as error:
            raise PeerFailed(f"{command[0]} cannot be run: {error}. Point --peer-python at an interpreter.") from error
        if done.returncode != 0:
            said = " / ".join(done.stderr.strip().splitlines()[-3:])
            raise PeerFailed(f"{' '.join(command[1:3])} ended with status {done.returncode}: {said}")
        return done.stdout
