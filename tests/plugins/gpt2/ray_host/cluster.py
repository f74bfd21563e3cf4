"""A Ray of the tests' own on loopback, with a token, and Townhall's command line beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CHECKOUT = Path(__file__).parents[4]
ADDRESS = "127.0.0.2"
"""Ray takes the machine's outward address where it is told 127.0.0.1."""
PORT = 6399
SECRET = "a secret of the tests"


class Cluster:
    """What programs need to know to find it. ``folder`` is everybody's home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ours = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "TOWNHALL_"))}
        self.environment = ours | {
            "HOME": str(folder),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": "5" * 64,
            "RAY_ADDRESS": f"{ADDRESS}:{PORT}",
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": str(CHECKOUT),
        }

    program = str(Path(sys.executable).with_name("ray"))
    """Ray's own."""

    def townhall(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Townhall's."""
        return self._run([sys.executable, "-m", "townhall_bot", *arguments], self.environment | more)

    def python(self, *arguments: str) -> str:
        """Run a module, which has to end well; return what it says."""
        return self._run([sys.executable, "-m", *arguments], self.environment, check=True).stdout

    def _run(
        self, command: list[str], environment: dict[str, str], *, check: bool = False
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, timeout=110)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done


@contextmanager
def running_cluster(cpus: int = 4, *, address: str = ADDRESS, port: int = PORT, **more: str) -> Iterator[Cluster]:
    """Start a head with so many cores in its books, and end it; ``ray stop`` would end every Ray of this machine."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:  # a short path, for sockets
        cluster = Cluster(Path(folder))
        head = subprocess.Popen(
            [cluster.program, "start", "--head", "--block", f"--node-ip-address={address}", f"--port={port}",
             f"--num-cpus={cpus}", "--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}/ray"],
            env=cluster.environment | more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            assert head.stdout is not None
            said = ""
            while "Ray runtime started" not in said:
                line = head.stdout.readline()
                assert line, said
                said += line
            yield cluster
        finally:
            # On SIGTERM the head waits for half a minute, and what it started outlives its own end by as much.
            for process in reversed([*below(head.pid)]):  # parents first: they would start others
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            head.kill()
            head.communicate(timeout=90)


def below(parent: int) -> Iterator[int]:
    """Yield the processes that a process has started, and those that they have, children before parents."""
    children = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False).stdout
    for child in map(int, children.split()):
        yield from below(child)
        yield child
