"""Checks requests against Discord's own OpenAPI description (discord/discord-api-spec), where that file is at hand.

The description misses some rules (those are in ``validation.py`` and ``command_rules.py``) but knows every field's
name and type, so that a request that only this server would understand is noticed.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

log = logging.getLogger("townhall.loopback")

DESCRIPTION_VARIABLE = "TOWNHALL_DISCORD_OPENAPI"
JSON = "application/json"
ID_FIELDS = frozenset({"channel_id", "guild_id", "message_id", "recipient_id"})
ID_LISTS = frozenset({"messages", "roles", "users"})
_URN = "urn:discord-openapi"


def find_description() -> Path | None:
    """Return where the description lies: the environment names it, or it is beside the checkout; else None."""
    named = os.environ.get(DESCRIPTION_VARIABLE)
    beside = Path(__file__).resolve().parents[4] / "shared" / "data" / "discord-openapi.json"
    path = Path(named) if named else beside
    return path if path.is_file() else None


def checker(path: Path | None) -> RequestChecker | None:
    """Return a checker for the description at ``path``; None, with a line in the log, where that cannot be."""
    if path is None:
        log.info("requests are not checked against Discord's OpenAPI description: set %s", DESCRIPTION_VARIABLE)
        return None
    if importlib.util.find_spec("jsonschema_rs") is None:
        log.info("requests are not checked against Discord's OpenAPI description: jsonschema-rs is not installed")
        return None
    return _load(path)


class RequestChecker:
    """Knows the body that each route takes. Reading the description takes about 50 ms, a check far less than one."""

    def __init__(self, description: dict[str, Any]) -> None:
        import jsonschema_rs

        self._registry = jsonschema_rs.Registry([(_URN, description)])
        self._paths: dict[str, Any] = description["paths"]
        self._validators: dict[tuple[str, ...], Draft202012Validator] = {}

    def knows(self, method: str, route: str) -> bool:
        """Tell whether the description has this route."""
        return method.lower() in self._paths.get(route, {})

    def faults(self, method: str, route: str, body: object) -> list[str]:
        """Return what is wrong with a request's JSON body (None: it has none), a line each."""
        if not self.knows(method, route):
            return [f"{method} {route} is not in Discord's description"]
        operation = self._paths[route][method.lower()]
        content = operation.get("requestBody", {}).get("content", {})
        if JSON not in content:
            return [] if body is None else [f"{method} {route} takes no body"]
        if body is None:
            return [f"{method} {route} needs a body"] if operation["requestBody"].get("required") else []
        return self._faults((route, method.lower(), "requestBody"), _with_text_ids(body))

    def answer_faults(self, method: str, route: str, status: int, body: object) -> list[str]:
        """Return what is wrong with this server's own answer, a line each: it should look like Discord's."""
        responses = self._paths.get(route, {}).get(method.lower(), {}).get("responses", {})
        if JSON not in responses.get(str(status), {}).get("content", {}):
            return []
        return self._faults((route, method.lower(), "responses", str(status)), body)

    def _faults(self, place: tuple[str, ...], body: object) -> list[str]:
        validator = self._validator(place)
        if validator.is_valid(body):
            return []
        where, message = _nearest(validator.iter_errors(body))
        return [f"{where}: {message[:300]}"]

    def _validator(self, place: tuple[str, ...]) -> Draft202012Validator:
        if place not in self._validators:
            import jsonschema_rs

            pointer = "/".join(_escaped(part) for part in ("paths", *place, "content", JSON, "schema"))
            reference = {"$ref": f"{_URN}#/{pointer}"}
            self._validators[place] = jsonschema_rs.Draft202012Validator(reference, registry=self._registry)
        return self._validators[place]


def _nearest(errors: Iterable[ValidationError]) -> tuple[str, str]:
    """Return where and what the error nearest to the body's root is.

    Of a choice of which nothing fits it is the fault deepest inside: that of the alternative that fits furthest.
    """
    found = min(errors, key=lambda error: len(error.instance_path))
    while inside := [error for branch in getattr(found.kind, "context", ()) for error in branch]:
        found = max(inside, key=lambda error: len(error.instance_path))
    return "/".join(map(str, found.instance_path)) or "the body", found.message


def _escaped(part: str) -> str:
    # A JSON pointer (RFC 6901) inside a URI's fragment.
    return quote(part.replace("~", "~0").replace("/", "~1"), safe="~@")


def _with_text_ids(body: Any) -> Any:
    # Discord takes ids and the numbers of new files as integers too, which its description does not say.
    if isinstance(body, list):
        return [_with_text_ids(each) for each in body]
    if not isinstance(body, dict):
        return body
    rewritten: dict[str, Any] = {}
    for key, value in body.items():
        if key in ID_FIELDS and isinstance(value, int):
            rewritten[key] = str(value)
        elif key in ID_LISTS and isinstance(value, list):
            rewritten[key] = [str(each) if isinstance(each, int) else each for each in value]
        elif key in ("attachments", "default_values") and isinstance(value, list):
            rewritten[key] = [{**each, "id": str(each.get("id"))} if isinstance(each, dict) else each for each in value]
        else:
            rewritten[key] = _with_text_ids(value)
    return rewritten


@cache
def _load(path: Path) -> RequestChecker:
    return RequestChecker(json.loads(path.read_text(encoding="utf-8")))
