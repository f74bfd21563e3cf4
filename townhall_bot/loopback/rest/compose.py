"""From a request's body to a message: the same for channel messages, first answers, follow-ups and edits."""

from __future__ import annotations

import copy
import mimetypes
from typing import Any

from townhall_bot.loopback.rest.routing import Call, Upload
from townhall_bot.loopback.wire.message_payloads import ATTACHMENT_SIZE_LIMIT
from townhall_bot.loopback.world import mentions, validation
from townhall_bot.loopback.world.enums import MessageFlag
from townhall_bot.loopback.world.errors import FormErrors, invalid_form, too_large
from townhall_bot.loopback.world.state import Attachment, Message, Payload, walk_components

CREATE_FLAGS = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.EPHEMERAL | MessageFlag.COMPONENTS_V2
EDIT_FLAGS = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.COMPONENTS_V2
COMPOSED = (
    "content", "embeds", "components", "attachments", "flags", "tts", "nonce",
    "pings", "pings_roles", "pings_everyone",
)  # fmt: skip


def write(call: Call, message: Message, body: Payload, *, creating: bool, root: tuple[str, ...] = ()) -> None:
    """Apply ``body`` to ``message``, all of it or, where Discord refuses it, nothing.

    ``root`` is where ``body`` stands in the request's. Raises
    :class:`~townhall_bot.loopback.world.errors.DiscordError`: 50035, 50006, 40005.
    """
    draft = copy.copy(message)
    _check_shapes(body, root)
    if "content" in body:
        draft.content = (body["content"] or "").strip()  # Discord keeps no white space around a message
    if "embeds" in body:
        draft.embeds = [{"type": "rich", **embed} for embed in body["embeds"] or []]
    if "components" in body:
        draft.components = _numbered(body["components"] or [])
    draft.tts = bool(body.get("tts", draft.tts))
    draft.nonce = body.get("nonce", draft.nonce)
    settable = CREATE_FLAGS if creating else EDIT_FLAGS
    if body.get("flags") is not None:
        draft.flags = draft.flags & ~settable | int(body["flags"]) & settable
    # An edit cannot take a message back out of the layout kind.
    draft.flags = (draft.flags | message.flags & MessageFlag.COMPONENTS_V2) & ~MessageFlag.LOADING
    draft.attachments = _attachments(call, draft, body)
    validation.check_message(draft, root)
    mentions.resolve(draft, body.get("allowed_mentions"), call.world)
    for name in COMPOSED:
        setattr(message, name, getattr(draft, name))


def _check_shapes(body: Payload, root: tuple[str, ...]) -> None:
    form = FormErrors(root)
    if not isinstance(body.get("content", ""), str | None):
        form.add(("content",), "BASE_TYPE_STRING", "Could not interpret value as string.")
    if not isinstance(body.get("flags", 0), int | None):
        form.add(("flags",), "NUMBER_TYPE_COERCE", "Could not interpret value as int.")
    for key in ("embeds", "components", "attachments"):
        value = body.get(key)
        if value is not None and not (isinstance(value, list) and all(isinstance(each, dict) for each in value)):
            form.add((key,), "LIST_TYPE_CONVERT", "Only iterables of dictionaries may be used in a ListType")
    form.raise_if_any()


def _attachments(call: Call, draft: Message, body: Payload) -> list[Attachment]:
    described: list[Payload] | None = body.get("attachments")
    kept = list(draft.attachments)
    if described is not None:
        wanted = {str(each.get("id")) for each in described}
        kept = [attachment for attachment in kept if str(attachment.id) in wanted]
    # An upload's place in ``attachments`` is told by its number in ``files[n]``.
    notes = {str(each.get("id")): each for each in described or []}
    added = [_received(call, upload, notes.get(str(n), {})) for n, upload in sorted(call.uploads.items())]
    if sum(len(attachment.data) for attachment in added) > ATTACHMENT_SIZE_LIMIT:
        raise too_large()
    known = {str(n) for n in call.uploads} | {str(attachment.id) for attachment in draft.attachments}
    for position, each in enumerate(described or []):
        if str(each.get("id")) not in known:
            raise invalid_form(("attachments", position, "id"), "ATTACHMENT_NOT_FOUND", "Attachment data not found")
    return kept + added


def _received(call: Call, upload: Upload, note: Payload) -> Attachment:
    filename = str(note.get("filename") or upload.filename)
    guessed = mimetypes.guess_type(filename)[0]
    kind = guessed or upload.content_type or "application/octet-stream"
    if kind.startswith("text/") and "charset" not in kind:
        kind += "; charset=utf-8"
    return Attachment(call.world.ids.next(), filename, kind, upload.data, note.get("description"))


def _numbered(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    numbered = copy.deepcopy(components)
    for number, part in enumerate(walk_components(numbered), 1):
        part.setdefault("id", number)
        if isinstance(part.get("emoji"), dict):  # clients say that an emoji has no id; Discord leaves that out
            part["emoji"] = {key: value for key, value in part["emoji"].items() if value is not None}
        for chosen in part.get("default_values") or []:
            chosen["id"] = str(chosen["id"])  # clients say it as a number; in Discord's answers it is none
    return numbered
