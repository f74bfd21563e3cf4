"""Writes ``config.example.env`` from the settings' own definitions: ``python -m townhall_bot.cli.settings_example``."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from townhall_bot.settings import default_text, env_names

HEADER = """\
# Townhall's settings, each with its default. Copy the lines that you want to change into .env, which `townhall setup`
# makes, without the leading #. The environment wins over .env; an empty value counts as unset.
#
# What other programs read may stand in .env too: CC (a clang, 14 or later), HF_HOME (where models from the hub are
# kept), HF_ENDPOINT, HF_HUB_OFFLINE=1, HF_TOKEN.
"""


def render(models: Iterable[type[BaseSettings]]) -> str:
    """Return the text of the example file for these settings models."""
    sections = [HEADER]
    for model in models:
        sections.append(f"\n# ---- {model.model_config.get('env_prefix', '')}…\n")
        for name, info in env_names(model).items():
            words = " ".join(filter(None, [info.description, allowed(info)]))
            comment = textwrap.fill(words, 116, initial_indent="# ", subsequent_indent="# ")
            sections.append(f"\n{comment}\n# {name}={default_text(info)}\n")
    return "".join(sections)


def allowed(info: FieldInfo) -> str:
    """Return which values a setting takes, in words, where its type says so."""
    kinds = _kinds(info.annotation)
    if bool in kinds:
        return "true or false."
    choices = [str(choice) for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    if choices:
        return f"One of {', '.join(choices)}."
    bounds = [_bound(rule) for rule in info.metadata]
    words = " and ".join(word for word in bounds if word)
    words = re.sub(r"^at least (\S+) and at most (\S+)$", r"\1 to \2", words)
    return f"Allowed: {words}." if words else ""


def _kinds(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _bound(rule: object) -> str:
    match rule:
        case annotated_types.Ge(ge=value):
            return f"at least {value}"
        case annotated_types.Gt(gt=value):
            return f"more than {value}"
        case annotated_types.Le(le=value):
            return f"at most {value}"
        case annotated_types.Lt(lt=value):
            return f"less than {value}"
    return ""


def main() -> None:
    """Write the example for the core and the installed plugins to standard output."""
    from townhall_bot.plugins.discovery import find_plugins, settings_models
    from townhall_bot.settings import Settings

    sys.stdout.write(render(settings_models(find_plugins(Settings.model_construct()))))


if __name__ == "__main__":
    main()
