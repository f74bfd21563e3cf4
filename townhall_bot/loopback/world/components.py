"""Discord's rules for buttons, selects, forms and layout, for messages and for modals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from townhall_bot.loopback.world.enums import SELECTS, ComponentType
from townhall_bot.loopback.world.errors import FIELD_CHOICES, FormErrors
from townhall_bot.loopback.world.state import Payload, walk_components

LAYOUT_TOP = (
    ComponentType.ACTION_ROW,
    ComponentType.SECTION,
    ComponentType.TEXT_DISPLAY,
    ComponentType.MEDIA_GALLERY,
    ComponentType.FILE,
    ComponentType.SEPARATOR,
    ComponentType.CONTAINER,
)
"""What may stand at the top of a message under the COMPONENTS_V2 flag."""
MODAL_TOP = (ComponentType.ACTION_ROW, ComponentType.TEXT_DISPLAY, ComponentType.LABEL)
LINK_STYLE, PREMIUM_STYLE = 5, 6


def check_message(components: list[Payload], form: FormErrors, *, layout: bool) -> None:
    """Note what Discord refuses in a message's components; ``layout`` is the COMPONENTS_V2 flag."""
    top = LAYOUT_TOP if layout else (ComponentType.ACTION_ROW,)
    if not layout and components:
        form.check_count(("components",), components, 1, 5)
    if layout and sum(1 for _ in walk_components(components)) > 40:
        form.add(("components",), "COMPONENT_MAX_TOTAL", "The total number of components cannot exceed 40")
    for position, part in enumerate(components):
        if part.get("type") not in top:
            _refuse_type(top, ("components", position, "type"), form)
    _check_all(components, ("components",), form, set())
    text = sum(len(part.get("content", "")) for part in walk_components(components))
    if text > 4000:
        form.add(("components",), "COMPONENT_TEXT_TOO_LONG", "Text displays must be 4000 or fewer in length in all.")


def check_modal(modal: Payload, form: FormErrors) -> None:
    """Note what Discord refuses in a modal: title, custom_id, up to five rows or labels with a field each."""
    form.check_length(("data", "title"), modal.get("title"), 1, 45)
    form.check_length(("data", "custom_id"), modal.get("custom_id"), 1, 100)
    rows: Any = modal.get("components")
    if not form.check_count(("data", "components"), rows, 1, 5):
        return
    for position, row in enumerate(rows):
        if row.get("type") not in MODAL_TOP:
            _refuse_type(MODAL_TOP, ("data", "components", position, "type"), form)
    _check_all(rows, ("data", "components"), form, set())


def _refuse_type(allowed: Sequence[ComponentType], path: tuple[str | int, ...], form: FormErrors) -> None:
    form.add(path, "UNION_TYPE_CHOICES", f'Value of field "type" must be one of ({", ".join(map(str, allowed))}).')


def _check_all(parts: list[Payload], path: tuple[str | int, ...], form: FormErrors, seen: set[str]) -> None:
    for position, part in enumerate(parts):
        here = (*path, position)
        _check_one(part, here, form, seen)
        _check_all(part.get("components", []), (*here, "components"), form, seen)
        for key in ("component", "accessory"):
            if isinstance(part.get(key), dict):
                _check_one(part[key], (*here, key), form, seen)


def _check_one(part: Payload, path: tuple[str | int, ...], form: FormErrors, seen: set[str]) -> None:
    kind = part.get("type")
    if kind == ComponentType.ACTION_ROW:
        _check_row(part, path, form)
    elif kind == ComponentType.BUTTON:
        _check_button(part, path, form)
    elif kind == ComponentType.STRING_SELECT:
        _check_options(part, path, form)
    elif kind == ComponentType.TEXT_INPUT:
        _check_text_input(part, path, form)
    elif kind == ComponentType.TEXT_DISPLAY:
        form.check_length((*path, "content"), part.get("content"), 1, 4000)
    custom_id: Any = part.get("custom_id")
    if custom_id is not None or kind in SELECTS or kind == ComponentType.TEXT_INPUT:
        form.check_length((*path, "custom_id"), custom_id, 1, 100)
        if custom_id in seen:
            message = "Component custom id cannot be duplicated"
            form.add((*path, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", message)
        seen.add(str(custom_id))


def _check_row(row: Payload, path: tuple[str | int, ...], form: FormErrors) -> None:
    inside: Any = row.get("components")
    if not form.check_count((*path, "components"), inside, 1, 5):
        return
    if len(inside) > 1 and any(part.get("type") != ComponentType.BUTTON for part in inside):
        message = "The specified component exceeds the maximum width"
        form.add((*path, "components", 1), "COMPONENT_LAYOUT_WIDTH_EXCEEDED", message)


def _check_button(button: Payload, path: tuple[str | int, ...], form: FormErrors) -> None:
    style = button.get("style")
    if style not in range(1, 7):
        form.add((*path, "style"), FIELD_CHOICES, "Value must be one of {1, 2, 3, 4, 5, 6}.")
    if button.get("label") is not None:
        form.check_length((*path, "label"), button["label"], 0, 80)
    if style == LINK_STYLE:
        if not button.get("url"):
            form.require((*path, "url"))
        if button.get("custom_id"):
            message = "A custom id and url cannot both be specified"
            form.add((*path,), "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", message)
        return
    if style != PREMIUM_STYLE and not button.get("custom_id"):
        message = "A custom id is required for non-link buttons"
        form.add((*path,), "BUTTON_COMPONENT_CUSTOM_ID_REQUIRED", message)
    if style != PREMIUM_STYLE and not button.get("label") and not button.get("emoji"):
        form.add((*path,), "BUTTON_COMPONENT_INVALID_LABEL", "A label or emoji is required for buttons")


def _check_options(select: Payload, path: tuple[str | int, ...], form: FormErrors) -> None:
    options: Any = select.get("options")
    if not form.check_count((*path, "options"), options, 1, 25):
        return
    for position, option in enumerate(options):
        for key in ("label", "value"):
            form.check_length((*path, "options", position, key), option.get(key), 1, 100)
        if option.get("description") is not None:
            form.check_length((*path, "options", position, "description"), option["description"], 0, 100)
    values = [option.get("value") for option in options]
    for position, value in enumerate(values):
        if value in values[:position]:
            message = "The specified option value is already used"
            form.add((*path, "options", position, "value"), "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", message)


def _check_text_input(field: Payload, path: tuple[str | int, ...], form: FormErrors) -> None:
    if field.get("style") not in (1, 2):
        form.add((*path, "style"), FIELD_CHOICES, "Value must be one of {1, 2}.")
    for key, most in (("label", 45), ("placeholder", 100), ("value", 4000)):
        if field.get(key) is not None:
            form.check_length((*path, key), field[key], 0, most)
