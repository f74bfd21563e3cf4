"""What a person at a shell sees of a download: nothing until a byte comes, then a bar that names the file."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from townhall_bot.cli.terminal import tell

if TYPE_CHECKING:
    from plugins.gpt2.checkpoint.download import DownloadProgress


class DownloadBar(AbstractContextManager["DownloadBar"]):
    """Called with each progress; first says on standard error that ``name`` is looked for on the hub."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bar: Any = None
        tell(f"looking for {name} on the hub; one that does not answer is asked again for half a minute")

    def __call__(self, progress: DownloadProgress) -> None:
        """Show how far the download is."""
        if self.bar is None:
            self.bar = tqdm(total=progress.total_bytes, unit="B", unit_scale=True, file=sys.stderr, disable=None)
        self.bar.total = progress.total_bytes
        self.bar.set_description(f"{self.name}: {progress.file}", refresh=False)
        self.bar.update(progress.done_bytes - self.bar.n)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
