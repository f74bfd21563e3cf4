"""What becomes of a request, as objects of JSON: events, errors, and that it has its place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.messages import Message
from plugins.gpt2.protocol import (
    Busy,
    DeadlineExceeded,
    EngineFailed,
    Event,
    Finished,
    GenerationError,
    InvalidRequest,
    ModelUnavailable,
    Queued,
    Started,
    Text,
    Timing,
)
from plugins.gpt2.wire.lines import WireError
from plugins.gpt2.wire.values import fields_of, info_in, message_in, message_out

ERRORS: Mapping[str, type[GenerationError]] = {
    "invalid": InvalidRequest,
    "busy": Busy,
    "deadline": DeadlineExceeded,
    "unavailable": ModelUnavailable,
    "failed": EngineFailed,
    "error": GenerationError,
}
"""The errors by what they are called on the wire; what an older peer does not know is a plain one to it."""
_KINDS = {kind: name for name, kind in ERRORS.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class Admitted:
    """The request has its place: the first line of a stream, where it is no error."""


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """A line of progress of a model that was asked for."""

    line: Message


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """The model that was asked for serves."""

    info: ModelInfo


Told = Event | GenerationError | Admitted | Progress | Loaded


def event_out(event: Told) -> dict[str, Any]:
    """Return an event or error as an object of one key, which names it."""
    match event:
        case Admitted():
            return {"admitted": {}}
        case Queued(ahead, wait_s, loading):
            said = None if loading is None else message_out(loading)
            return {"queued": {"ahead": ahead, "wait_s": wait_s, "loading": said}}
        case Started(notice):
            return {"started": {"notice": None if notice is None else message_out(notice)}}
        case Text(piece, tokens):
            return {"text": {"piece": piece, "tokens": tokens}}
        case Finished(reason, timing):
            return {"finished": {"reason": reason, "timing": dataclasses.asdict(timing)}}
        case Progress(line):
            return {"progress": message_out(line)}
        case Loaded(info):
            return {"loaded": dataclasses.asdict(info)}
        case GenerationError():
            partial = {"partial_text": event.partial_text} if isinstance(event, EngineFailed) else {}
            return {"error": {"kind": _KINDS[type(event)], "message": message_out(event.message), **partial}}


def event_in(said: Mapping[str, Any]) -> Told | None:
    """Return what an object tells; None for a beat, and for what only a newer peer knows. Raises WireError."""
    for name, value in said.items():
        if name in _READERS:
            try:
                return _READERS[name](value)
            except (KeyError, TypeError, AttributeError) as error:
                raise WireError(f"“{name}” cannot be read: {error!r}.") from error
    return None


def _optional(said: Mapping[str, Any] | None) -> Message | None:
    return None if said is None else message_in(said)


def _error(said: Mapping[str, Any]) -> GenerationError:
    kind, told = ERRORS.get(said["kind"], GenerationError), message_in(said["message"])
    return EngineFailed(told, said.get("partial_text", "")) if issubclass(kind, EngineFailed) else kind(told)


_READERS: Mapping[str, Callable[[Any], Told]] = {
    "admitted": lambda said: Admitted(),
    "queued": lambda said: fields_of(Queued, said, loading=_optional(said.get("loading"))),
    "started": lambda said: Started(_optional(said["notice"])),
    "text": lambda said: fields_of(Text, said),
    "finished": lambda said: fields_of(Finished, said, timing=fields_of(Timing, said["timing"])),
    "progress": lambda said: Progress(message_in(said)),
    "loaded": lambda said: Loaded(info_in(said)),
    "error": _error,
}
