"""Dataclasses and messages as objects of JSON, and back. What a newer peer says besides is passed over."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.messages import Message
from plugins.gpt2.protocol import EngineStatus, GenerationRequest, Limits, ModelEntry, SamplingParams, ServingModel
from plugins.gpt2.wire.lines import WireError
from townhall_bot.i18n.formatting import Amount

Made = TypeVar("Made")


def fields_of(kind: type[Made], said: Mapping[str, Any], **made: object) -> Made:
    """Return a dataclass of what was said, with the fields ``made`` already. Raises :class:`WireError`."""
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # only dataclasses are asked for
    try:
        return kind(**{name: value for name, value in said.items() if name in names} | made)
    except (TypeError, AttributeError) as error:
        raise WireError(f"{kind.__name__} cannot be read: {error}.") from error


def message_out(said: Message) -> dict[str, Any]:
    """Return a message as an object; what is no number or text in it goes as the text that a person would read."""
    return {"name": said.name, "values": {key: _value_out(value) for key, value in said.values.items()}}


def message_in(said: Mapping[str, Any]) -> Message:
    """Return the message of an object."""
    try:
        values = said["values"].items()
        return Message(said["name"], {key: _value_in(value) for key, value in values})
    except (KeyError, AttributeError, TypeError) as error:
        raise WireError(f"A message cannot be read: {error!r}.") from error


def request_out(request: GenerationRequest) -> dict[str, Any]:
    """Return a request as an object."""
    return dataclasses.asdict(request)


def request_in(said: Mapping[str, Any]) -> GenerationRequest:
    """Return the request of an object."""
    sampling, limits = dict(said.get("sampling") or {}), said.get("limits")
    sampling["stop"] = tuple(sampling.get("stop") or ())
    return fields_of(
        GenerationRequest,
        said,
        sampling=fields_of(SamplingParams, sampling),
        limits=None if limits is None else fields_of(Limits, limits),
        turns=tuple(said.get("turns") or ()),
    )


def info_in(said: Mapping[str, Any]) -> ModelInfo:
    """Return the facts of a model."""
    return fields_of(ModelInfo, said, also_end=tuple(said.get("also_end") or ()))


def model_in(said: Mapping[str, Any]) -> ServingModel:
    """Return a model that serves."""
    return fields_of(ServingModel, said, info=info_in(said.get("info") or {}))


def status_out(status: EngineStatus) -> dict[str, Any]:
    """Return a status as an object."""
    return {
        "loaded": [dataclasses.asdict(model) for model in status.loaded],
        "loading": None if status.loading is None else message_out(status.loading),
        "running": status.running,
        "queued": status.queued,
        "device": status.device,
        "dtype": status.dtype,
        "failure": status.failure,
        "out_of_service": {name: message_out(said) for name, said in status.out_of_service.items()},
        "offered": [dataclasses.asdict(entry) for entry in status.offered],
    }


def status_in(said: Mapping[str, Any]) -> EngineStatus:
    """Return the status of an object."""
    loading = said.get("loading")
    return fields_of(
        EngineStatus,
        said,
        loaded=tuple(model_in(model) for model in said.get("loaded") or ()),
        loading=None if loading is None else message_in(loading),
        out_of_service={name: message_in(each) for name, each in (said.get("out_of_service") or {}).items()},
        offered=tuple(fields_of(ModelEntry, entry) for entry in said.get("offered") or ()),
    )


def _value_out(value: object) -> object:
    if isinstance(value, Message):
        return message_out(value)
    if isinstance(value, Amount):  # its form is put into the marks of a language where it is read
        return {"amount": float(value), "form": str(value)}
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _value_in(value: object) -> object:
    if isinstance(value, dict):
        return Amount(value["amount"], value["form"]) if "amount" in value else message_in(value)
    return value
