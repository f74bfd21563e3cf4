"""Checks requests against Discord's own OpenAPI description (discord/discord-api-spec), where that file is at hand.

The description misses some rules (those are in ``validation.py`` and ``command_rules.py``) but knows every field's
name and type, so that a request that only this server would understand is noticed.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

log = logging.getLogger("townhall.loopback")

DESCRIPTION_VARIABLE = "TOWNHALL_DISCORD_OPENAPI"
JSON = "application/json"
ID_FIELDS = frozenset({"channel_id", "guild_id", "message_id", "recipient_id"})
ID_LISTS = frozenset({"messages", "roles", "users"})
_URN = "urn:discord-openapi"
REMEMBERED = 2000
_INTERCHANGEABLE = re.compile(r'(?<=")(?:\d{17,20}|[\da-f]{64}|\d{4}-\d\d-\d\dT[\d:.]+\+00:00)(?=")')
"""Ids, keys and times in JSON: one is as good as another."""


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
    if importlib.util.find_spec("jsonschema") is None:
        log.info("requests are not checked against Discord's OpenAPI description: jsonschema is not installed")
        return None
    return _load(path)


class RequestChecker:
    """Knows the body that each route takes. Reading the description takes about 50 ms, a check about one."""

    def __init__(self, description: dict[str, Any]) -> None:
        import referencing
        import referencing.jsonschema

        resource = referencing.Resource.from_contents(
            description, default_specification=referencing.jsonschema.DRAFT202012
        )
        self._registry: referencing.Registry[Any] = referencing.Registry().with_resource(_URN, resource)
        self._paths: dict[str, Any] = description["paths"]
        self._validators: dict[tuple[str, ...], Any] = {}
        self._passed: set[tuple[tuple[str, ...], str]] = set()
        """Places and bodies without a fault: a bot's commands are large, and the same at every start."""

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
        from jsonschema.exceptions import best_match  # type: ignore[import-untyped]  # it ships no types

        seen = (place, _INTERCHANGEABLE.sub("", json.dumps(body)))
        if seen in self._passed:
            return []
        error = best_match(self._validator(place).iter_errors(body))
        if error is None:
            if len(self._passed) >= REMEMBERED:
                self._passed.clear()
            self._passed.add(seen)
            return []
        where = "/".join(map(str, error.absolute_path)) or "the body"
        return [f"{where}: {error.message[:300]}"]

    def _validator(self, place: tuple[str, ...]) -> Any:
        if place not in self._validators:
            import jsonschema  # type: ignore[import-untyped]  # it ships no types

            pointer = "/".join(_escaped(part) for part in ("paths", *place, "content", JSON, "schema"))
            reference = {"$ref": f"{_URN}#/{pointer}"}
            self._validators[place] = jsonschema.Draft202012Validator(reference, registry=self._registry)
        return self._validators[place]


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
