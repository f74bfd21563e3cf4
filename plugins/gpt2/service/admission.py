"""Who gets in: bounds of a request, and each member's, server's and the whole queue's share. Pure decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plugins.gpt2.engine.sampling import check_sampling
from plugins.gpt2.formatting import duration
from plugins.gpt2.messages import message
from plugins.gpt2.protocol import MAX_PROMPT_CHARS, Busy, GenerationRequest, InvalidRequest
from plugins.gpt2.settings import GPT2Settings


@dataclass(frozen=True, slots=True)
class Queue:
    """How many wait, and in how many seconds the first of them is likely to begin."""

    waiting: int
    moves_in: float


def check_request(request: GenerationRequest, settings: GPT2Settings) -> None:
    """Raise :class:`InvalidRequest` where a value is out of bounds, whatever Discord has checked before."""
    low, high = settings.count_bounds
    if not low <= request.count <= high:
        raise InvalidRequest(message("invalid.number", field="count", given=request.count, low=low, high=high))
    if len(request.prompt) > MAX_PROMPT_CHARS:
        raise InvalidRequest(message("invalid.prompt", given=len(request.prompt), most=MAX_PROMPT_CHARS))
    check_sampling(request.sampling)


def check_share(
    request: GenerationRequest, opened: Sequence[tuple[GenerationRequest, float]], queue: Queue, settings: GPT2Settings
) -> None:
    """Raise :class:`Busy`, which says what limit is reached and until when, where one more would be too many.

    ``opened`` are the requests that wait or run, each with the seconds until it is likely to end.
    """
    member, guild = settings.member_limit, settings.guild_limit
    if request.limits is not None:
        member, guild = min(member, request.limits.member), min(guild, request.limits.guild)
    if request.request_id is None or all(other.request_id != request.request_id for other, _ in opened):
        _check_limits(request, opened, member, guild)
    if queue.waiting >= settings.queue_limit:
        raise Busy(message("busy.queue", count=queue.waiting, wait=duration(queue.moves_in)))


def _check_limits(
    request: GenerationRequest, opened: Sequence[tuple[GenerationRequest, float]], member: int, guild: int
) -> None:
    """Raise :class:`Busy` where the member or the server has as many texts as it may; variants are one text."""
    once = {(other.request_id or id(other)): (other, ends_in) for other, ends_in in opened}.values()
    if request.user_id is not None:
        mine = [ends_in for other, ends_in in once if other.user_id == request.user_id]
        if len(mine) >= member:
            raise Busy(message("busy.member", count=len(mine), wait=duration(min(mine))))
    if request.guild_id is not None:
        ours = [ends_in for other, ends_in in once if other.guild_id == request.guild_id]
        if len(ours) >= guild:
            raise Busy(message("busy.server", count=len(ours), wait=duration(min(ours))))
