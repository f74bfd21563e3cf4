"""The gateway events and REST requests behind one message, for those who write plugins."""

from __future__ import annotations

import json
import re
from typing import Any

from townhall_bot.loopback.server import LoopbackDiscord
from townhall_bot.loopback.world.state import Interaction, Message, Payload

HIDDEN = "(token)"


def behind(message: Message, discord: LoopbackDiscord) -> list[Payload]:
    """Return what went over the wire for a message, in the order of time; tokens are left out."""
    chain = _interactions(message, discord)
    ids = {str(message.id), *(str(each.id) for each in chain)}
    tokens = [each.token for each in chain]
    found = [*_events(ids, discord), *_requests(message, ids, tokens, discord)]
    found.sort(key=lambda entry: entry["at"])
    text = json.dumps(found, ensure_ascii=False)
    for token in tokens:
        text = text.replace(token, HIDDEN)
    entries: list[Payload] = json.loads(text)
    return entries


def _interactions(message: Message, discord: LoopbackDiscord) -> list[Interaction]:
    """Return the interaction that made a message, those that led to it, and those with its buttons."""
    chain: list[Interaction] = []
    of = message.interaction
    while of is not None and of not in chain:
        chain.append(of)
        of = of.trigger
    known = discord.world.interactions.values()
    return chain + [each for each in known if each.message is message and each not in chain]


def _events(ids: set[str], discord: LoopbackDiscord) -> list[Payload]:
    found = []
    for event in discord.gateway.events:
        if not any(key in event.text for key in ids):
            continue
        frame = json.loads(event.text)
        data = frame["d"]
        if isinstance(data, dict) and (data.get("id") in ids or data.get("message_id") in ids):
            found.append({"at": event.at * 1000, "by": "gateway", "title": frame["t"], "seq": frame["s"], "sent": data})
    return found


def _requests(message: Message, ids: set[str], tokens: list[str], discord: LoopbackDiscord) -> list[Payload]:
    found: list[Payload] = []
    for record in discord.requests:
        parts = record.path.split("/")
        if not any(part in ids or part in tokens for part in parts) or not _concerns(record.answer, message, parts):
            continue
        found.append(
            {
                "at": record.at * 1000,
                "by": "rest",
                "title": f"{record.method} {re.sub(r'^/api/v10', '', record.route or record.path)}",
                "status": record.status,
                "ms": record.seconds * 1000,
                "code": record.code,
                "sent": record.body,
                "answer": record.answer,
                "faults": record.schema_errors + record.answer_errors,
            }
        )
    return found


def _concerns(answer: Any, message: Message, parts: list[str]) -> bool:
    """Tell whether a request of an interaction is about this message, not about another answer to it."""
    if "webhooks" not in parts:
        return True
    return not isinstance(answer, dict) or answer.get("id") in (None, str(message.id))
