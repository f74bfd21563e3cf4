"""Buttons, selects and forms that Discord would not show."""

from __future__ import annotations

from typing import Any

import pytest

from townhall_bot.loopback.world import components
from townhall_bot.loopback.world.errors import DiscordError, FormErrors


def button(**changed: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "Stop", "custom_id": "stop"} | changed


def row(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(parts)}


def select(**changed: Any) -> dict[str, Any]:
    return {"type": 3, "custom_id": "pick", "options": [{"label": "One", "value": "1"}]} | changed


def codes(parts: list[dict[str, Any]], *, layout: bool = False) -> set[str]:
    form = FormErrors()
    components.check_message(parts, form, layout=layout)
    try:
        form.raise_if_any()
    except DiscordError as refused:
        return _codes(refused.errors)
    return set()


def _codes(tree: Any) -> set[str]:
    if isinstance(tree, list):
        return {fault["code"] for fault in tree}
    return set().union(*(_codes(branch) for branch in tree.values()))


def test_good_components_pass() -> None:
    link = {"type": 2, "style": 5, "label": "Site", "url": "https://example.org"}
    assert codes([row(button(), link), row(select())]) == set()
    assert codes([{"type": 17, "components": [{"type": 10, "content": "text"}, row(button())]}], layout=True) == set()


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([button()], "UNION_TYPE_CHOICES"),
        ([row()], "BASE_TYPE_BAD_LENGTH"),
        ([row(*(button(custom_id=str(n)) for n in range(6)))], "BASE_TYPE_BAD_LENGTH"),
        ([row(button(custom_id=str(n))) for n in range(6)], "BASE_TYPE_BAD_LENGTH"),
        ([row(button(), button())], "COMPONENT_CUSTOM_ID_DUPLICATED"),
        ([row(button(label="x" * 81))], "BASE_TYPE_MAX_LENGTH"),
        ([row(button(custom_id="x" * 101))], "BASE_TYPE_BAD_LENGTH"),
        ([row(button(style=9))], "BASE_TYPE_CHOICES"),
        ([row(button(label=None))], "BUTTON_COMPONENT_INVALID_LABEL"),
        ([row(button(custom_id=None))], "BUTTON_COMPONENT_CUSTOM_ID_REQUIRED"),
        ([row(button(style=5))], "BASE_TYPE_REQUIRED"),
        ([row(button(style=5, url="https://x.org"))], "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE"),
        ([row(select(), button())], "COMPONENT_LAYOUT_WIDTH_EXCEEDED"),
        ([row(select(options=[]))], "BASE_TYPE_BAD_LENGTH"),
        ([row(select(options=[{"label": "a", "value": "x"}] * 2))], "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED"),
        ([{"type": 10, "content": "text"}], "UNION_TYPE_CHOICES"),
    ],
)
def test_components_break_no_rule(parts: list[dict[str, Any]], code: str) -> None:
    assert code in codes(parts)


def test_a_layout_has_at_most_forty_parts_and_4000_characters() -> None:
    texts = [{"type": 10, "content": "x"} for _ in range(41)]
    assert codes(texts, layout=True) == {"COMPONENT_MAX_TOTAL"}
    long = [{"type": 10, "content": "x" * 2001} for _ in range(2)]
    assert codes(long, layout=True) == {"COMPONENT_TEXT_TOO_LONG"}


@pytest.mark.parametrize(
    "changed",
    [{"title": "x" * 46}, {"custom_id": ""}, {"components": []}, {"components": [button()]}],
)
def test_a_form_needs_a_title_a_custom_id_and_rows(changed: dict[str, Any]) -> None:
    field = {"type": 4, "custom_id": "note", "label": "Note", "style": 1}
    modal = {"title": "A note", "custom_id": "form", "components": [row(field)]}
    form = FormErrors()
    components.check_modal(modal, form)
    form.raise_if_any()
    components.check_modal(modal | changed, form)
    with pytest.raises(DiscordError):
        form.raise_if_any()
