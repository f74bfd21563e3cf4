"""Checks requests against Discord's own OpenAPI description (discord/discord-api-spec), where that file is at hand.

The description misses some rules (those are in ``validation.py`` and ``command_rules.py``) but knows every field's
name and type, so that a request that only this server would understand is noticed.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
from functools import cache
from pathlib import Path
from typing import Any

log = logging.getLogger("townhall.loopback")

DESCRIPTION_VARIABLE = "TOWNHALL_DISCORD_OPENAPI"
_URN = "urn:discord-openapi"


def find_description() -> Path | None:
    """Return where the description lies: the environment names it, or it is beside the checkout; else None."""
    named = os.environ.get(DESCRIPTION_VARIABLE)
    beside = Path(__file__).resolve().parents[3] / "shared" / "data" / "discord-openapi.json"
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
        self._validators: dict[tuple[str, str], Any] = {}

    def knows(self, method: str, route: str) -> bool:
        """Tell whether the description has this route."""
        return method.lower() in self._paths.get(route, {})

    def faults(self, method: str, route: str, body: object) -> list[str]:
        """Return what is wrong with a request's JSON body (None: it has none), a line each."""
        if not self.knows(method, route):
            return [f"{method} {route} is not in Discord's description"]
        operation = self._paths[route][method.lower()]
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            return [] if body is None else [f"{method} {route} takes no body"]
        if body is None:
            return [f"{method} {route} needs a body"] if operation["requestBody"].get("required") else []
        from jsonschema.exceptions import best_match  # type: ignore[import-untyped]  # it ships no types

        error = best_match(self._validator(method, route).iter_errors(_with_text_ids(body)))
        if error is None:
            return []
        place = "/".join(map(str, error.absolute_path)) or "the body"
        return [f"{place}: {error.message}"]

    def _validator(self, method: str, route: str) -> Any:
        key = (method, route)
        if key not in self._validators:
            import jsonschema  # type: ignore[import-untyped]  # it ships no types

            escaped = route.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
            pointer = f"/paths/{escaped}/{method.lower()}/requestBody/content/application~1json/schema"
            self._validators[key] = jsonschema.Draft202012Validator(
                {"$ref": f"{_URN}#{pointer}"}, registry=self._registry
            )
        return self._validators[key]


def _with_text_ids(body: object) -> object:
    # Discord takes the numbers of new files as integers too, which its description does not say.
    if isinstance(body, dict):
        rewritten = {key: _with_text_ids(value) if key == "data" else value for key, value in body.items()}
        if isinstance(attachments := body.get("attachments"), list):
            rewritten["attachments"] = [
                {**each, "id": str(each["id"])} if isinstance(each, dict) and "id" in each else each
                for each in attachments
            ]
        return rewritten
    return body


@cache
def _load(path: Path) -> RequestChecker:
    return RequestChecker(json.loads(path.read_text(encoding="utf-8")))
