"""What can be wrong with a checkpoint, in words for the person who chose it."""

from __future__ import annotations


class CheckpointError(ValueError):
    """A checkpoint cannot be used. The message names the file, what was found, what was expected and the cure."""


class Truncated(CheckpointError):
    """A file ends before what it says of itself: it was not copied or downloaded to its end."""


class UnknownModel(CheckpointError):
    """No model has this name: the message lists what is known and the nearest name."""


class DownloadFailed(CheckpointError):
    """The hub did not deliver: the message says whether it was the name, the access, the network or the disk."""
