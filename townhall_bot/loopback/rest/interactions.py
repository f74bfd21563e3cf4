"""Answers to interactions: the first one, the original message, follow-ups."""

from __future__ import annotations

import copy
from typing import Any

from townhall_bot.loopback.rest import compose
from townhall_bot.loopback.rest.routing import Call, Route
from townhall_bot.loopback.wire import message_payloads
from townhall_bot.loopback.wire.rate_limits import Rate
from townhall_bot.loopback.world import errors, permissions, threads
from townhall_bot.loopback.world.components import check_modal
from townhall_bot.loopback.world.enums import (
    CommandType,
    Install,
    InteractionType,
    MessageFlag,
    MessageType,
    ResponseType,
)
from townhall_bot.loopback.world.errors import FormErrors
from townhall_bot.loopback.world.state import Interaction, Message, Payload

FOLLOW_UPS = 5
"""The most that an app sends in a server where only its user has installed it."""
MESSAGES = (ResponseType.MESSAGE, ResponseType.DEFERRED_MESSAGE)
UPDATES = (ResponseType.DEFERRED_UPDATE, ResponseType.UPDATE)
ALLOWED: dict[InteractionType, tuple[ResponseType, ...]] = {
    InteractionType.COMMAND: (*MESSAGES, ResponseType.MODAL),
    InteractionType.COMPONENT: (*MESSAGES, *UPDATES, ResponseType.MODAL),
    InteractionType.AUTOCOMPLETE: (ResponseType.AUTOCOMPLETE,),
    InteractionType.MODAL: (*MESSAGES, *UPDATES),
}
"""Which first answers each kind of interaction takes."""


def _may_attach(call: Call, interaction: Interaction) -> None:
    """Raise 50013 where an answer has files and the bot may not attach any in this channel."""
    here = str(int(Install.GUILD)) in interaction.owners
    bits = permissions.in_channel(interaction.channel, call.world.bot.id if here else interaction.user.id)
    if call.uploads and not permissions.allows(bits, "attach_files"):
        raise errors.missing_permissions()


async def answer(call: Call) -> Any:
    """Take the first answer: within 3 seconds, once."""
    interaction = call.world.interactions.get(call.id("interaction_id"))
    if interaction is None or interaction.token != call.params["interaction_token"]:
        raise errors.unknown_interaction()
    if interaction.acknowledged_at is not None:
        raise errors.already_acknowledged()
    if call.world.is_overdue(interaction):
        raise errors.unknown_interaction()
    _may_attach(call, interaction)
    kind = _response_type(call.form, interaction)
    data = call.form.get("data") or {}
    if kind in MESSAGES:
        message = _new_message(call, interaction, _ephemeral(data))
        if kind is ResponseType.MESSAGE:
            compose.write(call, message, data, creating=True, root=("data",))
        else:
            message.flags |= MessageFlag.LOADING
        interaction.original = message
        call.world.answer(interaction, kind)
        call.world.post(message)
    elif kind in UPDATES:
        source = interaction.message
        assert source is not None  # _response_type lets an update pass only where there is a message
        if kind is ResponseType.UPDATE:
            compose.write(call, source, data, creating=False, root=("data",))
        interaction.original = source
        call.world.answer(interaction, kind)
        if kind is ResponseType.UPDATE:
            call.world.edited(source)
    else:
        _take_choices_or_modal(interaction, kind, data)
        call.world.answer(interaction, kind)
    return _answer_payload(call, interaction, kind) if call.flag("with_response") else None


def _response_type(body: Payload, interaction: Interaction) -> ResponseType:
    allowed = ALLOWED[interaction.type]
    if interaction.type is InteractionType.MODAL and interaction.message is None:
        allowed = MESSAGES
    if body.get("type") not in allowed:
        choices = ", ".join(map(str, allowed))
        raise errors.invalid_form(("type",), errors.FIELD_CHOICES, f"Value must be one of {{{choices}}}.")
    return ResponseType(body["type"])


def _take_choices_or_modal(interaction: Interaction, kind: ResponseType, data: Payload) -> None:
    form = FormErrors()
    if kind is ResponseType.MODAL:
        check_modal(data, form)
        form.raise_if_any()
        interaction.modal = copy.deepcopy(data)
        return
    choices = data.get("choices")
    if not isinstance(choices, list) or len(choices) > 25:
        form.add(("data", "choices"), "BASE_TYPE_BAD_LENGTH", "Must be between 0 and 25 in length.")
        choices = []
    for position, choice in enumerate(choices):
        form.check_length(("data", "choices", position, "name"), choice.get("name"), 1, 100)
    form.raise_if_any()
    interaction.choices = copy.deepcopy(choices)


def _ephemeral(body: Payload) -> int:
    flags = body.get("flags")
    return flags & MessageFlag.EPHEMERAL if isinstance(flags, int) else 0


def _new_message(call: Call, interaction: Interaction, flags: int) -> Message:
    message = call.world.new_message(interaction.channel, call.world.bot, flags=flags)
    message.interaction = interaction
    if flags & MessageFlag.EPHEMERAL:
        message.visible_to = interaction.user.id
    if interaction.original is not None:  # a follow-up is shown as a reply to the first answer
        message.type, message.reference = MessageType.REPLY, interaction.original
    elif interaction.type is InteractionType.COMMAND and interaction.command is not None:
        chat = interaction.command.type is CommandType.CHAT
        message.type = MessageType.CHAT_COMMAND if chat else MessageType.MENU_COMMAND
    elif interaction.message is not None:
        message.type, message.reference = MessageType.REPLY, interaction.message
    return message


def _answer_payload(call: Call, interaction: Interaction, kind: ResponseType) -> Payload:
    original = interaction.original
    body: Payload = {"interaction": {"id": str(interaction.id), "type": int(interaction.type)}}
    if original is not None:
        body["interaction"] |= {
            "response_message_id": str(original.id),
            "response_message_loading": original.thinking,
            "response_message_ephemeral": original.ephemeral,
        }
        if kind in (ResponseType.MESSAGE, ResponseType.UPDATE):
            message = message_payloads.message(original, call.world.base_url)
            body["resource"] = {"type": int(kind), "message": message}
    return body


def _interaction(call: Call) -> Interaction:
    if call.id("webhook_id") != call.world.application.id:
        raise errors.unknown_webhook()
    interaction = call.world.interaction_by_token(call.params["webhook_token"])
    if interaction is None or call.world.token_expired(interaction):
        raise errors.invalid_webhook_token()
    if interaction.acknowledged_at is None:
        raise errors.unknown_webhook()
    return interaction


def _message(call: Call) -> tuple[Interaction, Message]:
    interaction = _interaction(call)
    if "message_id" not in call.params:
        message = interaction.original
    else:
        known = [*interaction.followups, *([interaction.original] if interaction.original else [])]
        message = next((m for m in known if m.id == call.id("message_id")), None)
    if message is None or message.deleted:
        raise errors.unknown_message()
    return interaction, message


async def follow_up(call: Call) -> Any:
    """Post a further message; the first one after a "thinking" answer takes that one's place."""
    interaction = _interaction(call)
    _may_attach(call, interaction)
    original = interaction.original
    brought_along = interaction.guild is not None and str(int(Install.GUILD)) not in interaction.owners
    if brought_along and len(interaction.followups) >= FOLLOW_UPS:
        raise errors.too_many_follow_ups()
    if original is not None and original.thinking:
        compose.write(call, original, _without_flags(call.form), creating=True)
        call.world.edited(original)
        message = original
    else:
        message = _new_message(call, interaction, _ephemeral(call.form))
        compose.write(call, message, call.form, creating=True)
        interaction.followups.append(message)
        call.world.post(message)
    return message_payloads.message(message, call.world.base_url) if call.flag("wait") else None


def _without_flags(body: Payload) -> Payload:
    # Whether the answer is ephemeral was settled by the deferral.
    return {key: value for key, value in body.items() if key != "flags"}


async def get(call: Call) -> Any:
    """Return the original or a follow-up."""
    _, message = _message(call)
    return message_payloads.message(message, call.world.base_url)


async def edit(call: Call) -> Any:
    """Edit the original or a follow-up."""
    interaction, message = _message(call)
    _may_attach(call, interaction)
    threads.check_may_edit(message.channel)
    compose.write(call, message, call.form, creating=False)
    call.world.edited(message)
    return message_payloads.message(message, call.world.base_url)


async def delete(call: Call) -> Any:
    """Delete the original or a follow-up."""
    _, message = _message(call)
    call.world.delete(message)


HOOK = "/webhooks/{webhook_id}/{webhook_token}"
ROUTES = [
    Route("POST", "/interactions/{interaction_id}/{interaction_token}/callback", answer, False, None),
    Route("POST", HOOK, follow_up, False, Rate(5, 2.0)),
    *(
        route
        for place in (f"{HOOK}/messages/@original", f"{HOOK}/messages/{{message_id}}")
        for route in (
            Route("GET", place, get, False, Rate(5, 1.0)),
            Route("PATCH", place, edit, False, Rate(5, 5.0)),
            Route("DELETE", place, delete, False, Rate(5, 1.0)),
        )
    ),
]
