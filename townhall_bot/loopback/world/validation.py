"""Discord's rules for a message's content, embeds and files."""

from __future__ import annotations

from urllib.parse import urlsplit

from townhall_bot.loopback.world import components
from townhall_bot.loopback.world.enums import MessageFlag
from townhall_bot.loopback.world.errors import FormErrors, empty_message
from townhall_bot.loopback.world.state import Message, Payload

CONTENT_LIMIT = 2000
EMBEDS_LIMIT = 10
EMBED_TOTAL_LIMIT = 6000
FILES_LIMIT = 10


def check_message(message: Message, root: tuple[str | int, ...] = ()) -> None:
    """Raise what Discord answers where a message, as it would stand after the request, breaks a rule.

    ``root`` is where the message stands in the request's body.
    """
    form = FormErrors(root)
    form.check_length(("content",), message.content, 0, CONTENT_LIMIT)
    _check_embeds(message.embeds, form)
    layout = bool(message.flags & MessageFlag.COMPONENTS_V2)
    components.check_message(message.components, form, layout=layout)
    if layout and message.content:
        text = 'The "content" field cannot be used when using MessageFlags.IS_COMPONENTS_V2'
        form.add(("content",), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", text)
    form.check_count(("attachments",), message.attachments, 0, FILES_LIMIT)
    form.raise_if_any()
    if not (message.content.strip() or message.embeds or message.attachments or message.components):
        raise empty_message()


def embed_length(embed: Payload) -> int:
    """Return the characters that count towards the 6,000 of all embeds."""
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    for field in embed.get("fields") or []:
        texts += [field.get("name"), field.get("value")]
    return sum(len(text) for text in texts if isinstance(text, str))


def _check_embeds(embeds: list[Payload], form: FormErrors) -> None:
    form.check_count(("embeds",), embeds, 0, EMBEDS_LIMIT)
    for position, embed in enumerate(embeds):
        _check_embed(embed, ("embeds", position), form)
    if sum(map(embed_length, embeds)) > EMBED_TOTAL_LIMIT:
        text = f"Embed size exceeds maximum size of {EMBED_TOTAL_LIMIT}"
        form.add(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", text)


def _check_embed(embed: Payload, path: tuple[str | int, ...], form: FormErrors) -> None:
    for key, most in (("title", 256), ("description", 4096)):
        if embed.get(key) is not None:
            form.check_length((*path, key), embed[key], 0, most)
    if embed.get("footer"):
        form.check_length((*path, "footer", "text"), embed["footer"].get("text"), 1, 2048)
    if embed.get("author"):
        form.check_length((*path, "author", "name"), embed["author"].get("name"), 1, 256)
    fields = embed.get("fields") or []
    form.check_count((*path, "fields"), fields, 0, 25)
    for position, field in enumerate(fields):
        for key, most in (("name", 256), ("value", 1024)):
            form.check_length((*path, "fields", position, key), field.get(key), 1, most)
    if embed.get("url"):
        _check_url(embed["url"], ("http", "https"), (*path, "url"), form)
    for key in ("image", "thumbnail"):
        if embed.get(key):
            _check_url(embed[key].get("url"), ("http", "https", "attachment"), (*path, key, "url"), form)


def _check_url(url: object, schemes: tuple[str, ...], path: tuple[str | int, ...], form: FormErrors) -> None:
    if urlsplit(str(url)).scheme not in schemes:
        known = ", ".join(f"'{scheme}'" for scheme in schemes)
        text = f'Scheme "{urlsplit(str(url)).scheme}" is not supported. Scheme must be one of ({known}).'
        form.add(path, "URL_TYPE_INVALID_SCHEME", text)
