"""Who gets in: bounds of a request, and each member's, server's and the whole queue's share. Pure decisions."""

from __future__ import annotations

from collections.abc import Collection

from plugins.gpt2.engine.sampling import check_sampling
from plugins.gpt2.protocol import Busy, GenerationRequest, InvalidRequest
from plugins.gpt2.settings import GPT2Settings
from plugins.gpt2.words import duration

MAX_PROMPT_CHARS = 6000
"""The most that Discord sends as one option."""


def check_request(request: GenerationRequest, settings: GPT2Settings) -> None:
    """Raise :class:`InvalidRequest` where a value is out of bounds, whatever Discord has checked before."""
    if not 1 <= request.count <= settings.max_count:
        raise InvalidRequest(f"count is {request.count}; allowed is 1 to {settings.max_count}.")
    if len(request.prompt) > MAX_PROMPT_CHARS:
        raise InvalidRequest(f"The prompt has {len(request.prompt):,} characters; allowed are {MAX_PROMPT_CHARS:,}.")
    check_sampling(request.sampling)


def check_share(
    request: GenerationRequest,
    open_requests: Collection[GenerationRequest],
    waiting: int,
    settings: GPT2Settings,
    *,
    wait_s: float,
) -> None:
    """Raise :class:`Busy` where one more would be too many.

    ``open_requests`` wait or run, ``waiting`` is how many of them wait, ``wait_s`` how long until a place is free.
    """
    if request.user_id is not None:
        mine = sum(other.user_id == request.user_id for other in open_requests)
        if mine >= settings.member_limit:
            raise Busy(
                f"You have {_texts(mine)} on the way, the most that one member may have here. "
                "As soon as one of them ends, the next can begin."
            )
    if request.guild_id is not None:
        ours = sum(other.guild_id == request.guild_id for other in open_requests)
        if ours >= settings.guild_limit:
            raise Busy(
                f"This server has {_texts(ours)} on the way, the most that one server may have here. "
                f"Please try again in about {duration(wait_s)}."
            )
    if waiting >= settings.queue_limit:
        raise Busy(f"The queue is full: {waiting} are waiting. Please try again in about {duration(wait_s)}.")


def _texts(count: int) -> str:
    return "1 text" if count == 1 else f"{count} texts"
