"""Filling in modals and select menus, with the checks that Discord's client makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from townhall_bot.loopback.people.refusals import CommandRefused
from townhall_bot.loopback.world.enums import ComponentType
from townhall_bot.loopback.world.state import Payload, walk_components

if TYPE_CHECKING:
    from townhall_bot.loopback.people.option_values import Scope

OFFERS_PEOPLE = (ComponentType.USER_SELECT, ComponentType.MENTIONABLE_SELECT)
OFFERS_ROLES = (ComponentType.ROLE_SELECT, ComponentType.MENTIONABLE_SELECT)


def parts(components: list[Payload]) -> list[Payload]:
    """Return every component, those inside others included."""
    return list(walk_components(components))


def chosen(select: Payload, values: Sequence[str], scope: Scope) -> list[str]:
    """Return the values to send for a choice from a select menu. Raises :class:`CommandRefused`."""
    low, high = select.get("min_values", 1), select.get("max_values", 1)
    if not low <= len(values) <= high:
        raise CommandRefused("message.choices", low=low, high=high, size=len(values))
    if select["type"] == ComponentType.STRING_SELECT:
        known = {text: option["value"] for option in select["options"] for text in (option["label"], option["value"])}
        for value in values:
            if value not in known:
                offered = tuple(option["label"] for option in select["options"])
                raise CommandRefused("message.choice", text=value, offered=offered)
        return [known[value] for value in values]
    return [_entity(select["type"], value, scope) for value in values]


def _entity(kind: int, text: str, scope: Scope) -> str:
    if kind in OFFERS_PEOPLE and (user := scope.find_user(text)) is not None:
        return scope.user(user)
    if kind in OFFERS_ROLES and (role := scope.find_role(text)) is not None:
        return scope.role(role)
    if kind == ComponentType.CHANNEL_SELECT and (channel := scope.find_channel(text)) is not None:
        return scope.to_channel(channel)
    raise CommandRefused("message.nobody", text=text)


def filled(modal: Payload, values: Mapping[str, str]) -> list[Payload]:
    """Return a modal's components as its submission carries them. Raises :class:`CommandRefused`."""
    left = dict(values)
    rows: list[Payload] = []
    for row in modal["components"]:
        if row["type"] == ComponentType.ACTION_ROW:
            fields = [_field(part, part.get("label"), left) for part in row["components"]]
            rows.append({"type": row["type"], "components": fields})
        elif row["type"] == ComponentType.LABEL:
            rows.append({"type": row["type"], "component": _field(row["component"], row.get("label"), left)})
    if left:
        raise CommandRefused("form.no_field", fields=tuple(left))
    return rows


def _field(part: Payload, label: object, left: dict[str, str]) -> Payload:
    keys = (str(part["custom_id"]), str(label).replace(" ", "_"), str(label))
    given = next((left.pop(key) for key in keys if key in left), None)
    text = given if given is not None else str(part.get("value") or "")
    if part["type"] == ComponentType.STRING_SELECT:
        return {"type": part["type"], "custom_id": part["custom_id"], "values": [text] if text else []}
    low, high = part.get("min_length", 0), part.get("max_length", 4000)
    if part.get("required", True) and not text:
        raise CommandRefused("form.empty", field=label)
    if text and not low <= len(text) <= high:
        raise CommandRefused("form.length", field=label, low=low, high=high, size=len(text))
    return {"type": part["type"], "custom_id": part["custom_id"], "value": text}
