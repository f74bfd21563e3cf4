"""Discord's rules for application commands, those that its OpenAPI description leaves out among them."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from townhall_bot.loopback.world.enums import SUB_COMMANDS, CommandType, OptionType
from townhall_bot.loopback.world.errors import FIELD_CHOICES, FormErrors
from townhall_bot.loopback.world.state import Payload

Path = tuple[str | int, ...]

CHAT_NAME = re.compile(r"^[-_'\w]{1,32}$")
MAX_SAFE_INTEGER = 2**53 - 1
COMMANDS_LIMIT = {CommandType.CHAT: 100, CommandType.USER: 15, CommandType.MESSAGE: 15}
"""Most commands of each type, globally or for one server."""
TOTAL_LIMIT = 8000


def check_all(definitions: list[Payload]) -> None:
    """Raise 50035 for what is wrong in a list of commands, as a bulk overwrite is answered."""
    form = FormErrors()
    seen: set[tuple[int, str]] = set()
    for position, definition in enumerate(definitions):
        check_one(definition, form, (position,))
        key = (definition.get("type", 1), str(definition.get("name")))
        if key in seen:
            text = "Application command names must be unique"
            form.add((position,), "APPLICATION_COMMANDS_DUPLICATE_NAME", text)
        seen.add(key)
    for kind, most in COMMANDS_LIMIT.items():
        if sum(1 for definition in definitions if definition.get("type", 1) == kind) > most:
            text = f"Maximum number of application commands reached ({most})."
            form.add((), "APPLICATION_COMMANDS_MAX", text)
    form.raise_if_any()


def check_one(definition: Payload, form: FormErrors, path: Path = ()) -> None:
    """Note what Discord refuses in one command."""
    kind = definition.get("type", 1)
    if kind not in COMMANDS_LIMIT:
        form.add((*path, "type"), FIELD_CHOICES, "Value must be one of {1, 2, 3, 4}.")
        return
    if kind != CommandType.CHAT:
        form.check_length((*path, "name"), definition.get("name"), 1, 32)
        if definition.get("description"):
            text = "Context menu commands cannot have description"
            form.add((*path, "description"), "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION_CANNOT_EXIST", text)
        return
    _check_name(definition, path, form)
    form.check_length((*path, "description"), definition.get("description"), 1, 100)
    options = definition.get("options") or []
    _check_options(options, path, form, depth=0)
    if _characters(definition) > TOTAL_LIMIT:
        text = f"Command exceeds maximum size ({TOTAL_LIMIT})"
        form.add(path, "APPLICATION_COMMAND_TOO_LARGE", text)


def _check_name(named: Payload, path: Path, form: FormErrors) -> None:
    name = named.get("name")
    if not isinstance(name, str) or not name:
        form.require((*path, "name"))
        return
    if not 1 <= len(name) <= 32:
        form.check_length((*path, "name"), name, 1, 32)
    elif not all(_name_character(character) for character in name) or name != name.lower():
        form.add((*path, "name"), "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _name_character(character: str) -> bool:
    # Discord's pattern is ^[-_'\p{L}\p{N}\p{sc=Deva}\p{sc=Thai}]{1,32}$; both scripts also need their marks.
    if CHAT_NAME.match(character):
        return True
    script = unicodedata.name(character, "").split(" ")[0]
    return unicodedata.category(character).startswith("M") and script in ("DEVANAGARI", "THAI")


def _check_options(options: list[Payload], path: Path, form: FormErrors, *, depth: int) -> None:
    form.check_count((*path, "options"), options, 0, 25)
    names: set[str] = set()
    optional_seen = False
    kinds = {option.get("type") in SUB_COMMANDS for option in options}
    if len(kinds) > 1:
        text = "Sub-command and sub-command group option types are mutually exclusive to all other types"
        form.add((*path, "options"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", text)
    for position, option in enumerate(options):
        here: Path = (*path, "options", position)
        if option.get("type") not in list(OptionType):
            form.add((*here, "type"), FIELD_CHOICES, f"Value must be one of {set(map(int, OptionType))}.")
            continue
        _check_name(option, here, form)
        form.check_length((*here, "description"), option.get("description"), 1, 100)
        if option.get("name") in names:
            text = "Option names must be unique"
            form.add((*here, "name"), "APPLICATION_COMMAND_OPTIONS_NAME_DUPLICATE", text)
        names.add(str(option.get("name")))
        if option["type"] in SUB_COMMANDS:
            deepest = 1 if option["type"] == OptionType.SUB_COMMAND else 0
            if depth > deepest:
                text = "Sub-commands and groups nest no deeper than command, group, sub-command"
                form.add((*here, "type"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", text)
            _check_options(option.get("options") or [], here, form, depth=depth + 1)
            continue
        if option.get("required"):
            if optional_seen:
                text = "Required options must be placed before non-required options"
                form.add(here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", text)
        else:
            optional_seen = True
        _check_choices(option, here, form)
        _check_bounds(option, here, form)


def _check_choices(option: Payload, path: Path, form: FormErrors) -> None:
    choices = option.get("choices") or []
    form.check_count((*path, "choices"), choices, 0, 25)
    if choices and option.get("autocomplete"):
        text = "Choices and autocomplete exclude each other"
        form.add((*path, "autocomplete"), "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE_EXCLUSIVE", text)
    names: set[str] = set()
    for position, choice in enumerate(choices):
        here: Path = (*path, "choices", position)
        form.check_length((*here, "name"), choice.get("name"), 1, 100)
        if choice.get("name") in names:
            text = "Option choice names must be unique"
            form.add((*here, "name"), "APPLICATION_COMMAND_OPTIONS_CHOICES_NAME_DUPLICATE", text)
        names.add(str(choice.get("name")))
        if not _fits_type(choice.get("value"), option["type"]):
            text = "Could not interpret the choice's value as the option's type."
            form.add((*here, "value"), "BASE_TYPE_CHOICES", text)


def _fits_type(value: Any, kind: int) -> bool:
    if kind == OptionType.STRING:
        return isinstance(value, str) and 1 <= len(value) <= 100
    if kind == OptionType.INTEGER:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_SAFE_INTEGER
    return kind == OptionType.NUMBER and isinstance(value, int | float) and not isinstance(value, bool)


def _check_bounds(option: Payload, path: Path, form: FormErrors) -> None:
    numeric = option["type"] in (OptionType.INTEGER, OptionType.NUMBER)
    for key in ("min_value", "max_value"):
        value = option.get(key)
        if value is None:
            continue
        if not numeric:
            form.add((*path, key), "APPLICATION_COMMAND_OPTIONS_BOUNDS_TYPE", f"{key} is for numbers only")
        elif abs(value) > MAX_SAFE_INTEGER or (option["type"] == OptionType.INTEGER and value != int(value)):
            text = f"Must be a whole number between -{MAX_SAFE_INTEGER} and {MAX_SAFE_INTEGER}."
            form.add((*path, key), "NUMBER_TYPE_MAX", text)
    low, high = option.get("min_value"), option.get("max_value")
    if numeric and low is not None and high is not None and low > high:
        text = "max_value must be greater than or equal to min_value"
        form.add((*path, "max_value"), "APPLICATION_COMMAND_OPTIONS_MIN_MAX", text)
    for key, least in (("min_length", 0), ("max_length", 1)):
        value = option.get(key)
        if value is not None and (option["type"] != OptionType.STRING or not least <= value <= 6000):
            form.add((*path, key), "NUMBER_TYPE_MAX", f"Must be between {least} and 6000.")


def _characters(part: Payload) -> int:
    texts = [part.get("name"), part.get("description"), part.get("value")]
    total = sum(len(text) for text in texts if isinstance(text, str))
    inner = [*(part.get("options") or []), *(part.get("choices") or [])]
    return total + sum(map(_characters, inner))
