"""What an engine says of itself to its routers, twice a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plugins.gpt2.protocol import EngineStatus
from plugins.gpt2.wire.values import fields_of, status_in, status_out


@dataclass(frozen=True, slots=True)
class Registration:
    """An engine: its own ``name``, which is another one after each start, and the address where it takes requests.

    An address without a host (``http://:8766``) is the one that the registration comes from. ``offers`` are the models
    that it can load; ``leaving`` says that it takes nothing new.
    """

    name: str
    url: str
    offers: tuple[str, ...]
    status: EngineStatus
    leaving: bool = False


def registration_out(said: Registration) -> dict[str, Any]:
    """Return a registration as an object."""
    return {
        "name": said.name,
        "url": said.url,
        "offers": list(said.offers),
        "status": status_out(said.status),
        "leaving": said.leaving,
    }


def registration_in(said: Mapping[str, Any]) -> Registration:
    """Return the registration of an object. Raises WireError."""
    offers, status = tuple(said.get("offers") or ()), status_in(said.get("status") or {})
    return fields_of(Registration, said, offers=offers, status=status)
