"""A Ray of the tests' own on loopback, with a token, and Townhall's command line beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
            "TOWNHALL_CACHE_DIR": os.environ.get("TOWNHALL_CACHE_DIR", ""),
        }

    def ray(self, *arguments: str, **more: str) -> str:
        """Run Ray's own program, which has to end well; return what it says."""
        program = str(Path(sys.executable).with_name("ray"))
        return self._run([program, *arguments], self.environment | more, check=True).stdout

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
def running_cluster(cpus: int = 4) -> Iterator[Cluster]:
    """Start a head with so many cores in its books, and stop it."""
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:  # a short path: there are sockets in it
        cluster = Cluster(Path(folder))
        head = ("--head", f"--node-ip-address={ADDRESS}", f"--port={PORT}", f"--num-cpus={cpus}")
        cluster.ray("start", *head, "--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}/ray")
        try:
            yield cluster
        finally:
            cluster.ray("stop", "--force")
