"""The seam between the bot and an engine: requests go in, events come out.

Nothing here imports Discord or tinygrad, so that a remote engine can take the local one's place. What an implementation
has to do is told by :class:`TextGenerator` and held by ``tests/plugins/gpt2/contract``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from plugins.gpt2.language_model import ModelInfo
from plugins.gpt2.messages import Message

MAX_PROMPT_CHARS = 6000
"""The most characters of a prompt: the most that Discord sends as one option."""

FinishReason = Literal["length", "stop", "context", "end_of_text", "cancelled"]
"""Why a text ended: the count was reached, a stop string appeared, the context is full, the model ended it
(its end-of-text token), or somebody pressed Stop."""

Ending = Literal["sentence", "exact"]
"""Where a text ends that reaches its count: with a whole sentence near there, or right there."""
ENDINGS: tuple[Ending, ...] = ("sentence", "exact")


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is chosen from the logits.

    ``temperature`` 0 is greedy. ``top_k`` 0, ``top_p`` 1.0, ``min_p`` 0.0 and ``repetition_penalty`` 1.0 switch
    the respective filter off. ``seed`` None draws a fresh one, which :class:`Finished` reports.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    min_p: float = 0.0
    repetition_penalty: float = 1.1
    seed: int | None = None
    stop: tuple[str, ...] = ()


class Bounds(NamedTuple):
    """What a number may be, both ends included; people are shown it as it is written here."""

    low: float
    high: float


BOUNDS: dict[str, Bounds] = {
    "temperature": Bounds(0, 2),
    "top_k": Bounds(0, 1000),
    "top_p": Bounds(0.01, 1),
    "min_p": Bounds(0, 1),
    "repetition_penalty": Bounds(1, 2),
    "seed": Bounds(0, 2**53 - 1),  # Discord's largest integer
}
"""Allowed values by field of :class:`SamplingParams`: what options offer, settings take and requests are held to."""
GREEDY_BELOW = 0.01
"""Temperatures under this take the best token: dividing by less overflows and changes nothing."""
VARIANT_BOUNDS = Bounds(1, 4)
"""How many texts of one prompt may be asked for at a time."""
COUNT_BOUNDS = Bounds(1, 1024)
"""The same for a request's count. A host's own maximum lies within."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one member, or one server, may have waiting and running at a time."""

    member: int
    guild: int


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One text to continue. ``count`` is the most new tokens; ``model`` a name, hub id or folder.

    ``request_id`` is the asker's name for it, to cancel it by; several of one name are variants of one text, which
    limits count once. ``limits`` are a server's own; the host's hold as well.
    ``turns`` were said before the prompt in a conversation, the oldest first: a model that was trained on conversations
    answers them. ``spoken`` says that the prompt is said to the model, and the turns by members and the model in turns:
    where a model was not trained so, its answers follow their words directly. ``special_tokens`` says
    that the host wrote the prompt, so that special tokens spelled out in it are read as such; what a member types never
    becomes one. ``written`` is what was written of the text before, by an engine that was lost: it goes on behind it,
    and ``count`` is what is left. With the ``ending`` "sentence" a text goes on to the sentence's end, up to half its
    count and 48 tokens, or is cut back to the last one within its last quarter. ``continued`` says that nobody wrote
    the prompt for this: it is a text that goes on, of which more is kept than the count would leave.
    """

    prompt: str
    count: int
    model: str
    sampling: SamplingParams = field(default_factory=SamplingParams)
    user_id: int | None = None
    guild_id: int | None = None
    request_id: int | None = None
    limits: Limits | None = None
    turns: tuple[str, ...] = ()
    spoken: bool = False
    special_tokens: bool = False
    written: str = ""
    ending: Ending = "exact"
    continued: bool = False
    opening: str = ""
    """What is put before the prompt, unseen: it counts as the prompt does, and stays where a prompt's head goes."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What was measured of one request. Rates are tokens per second, None where nothing was timed.

    ``moved`` says how often the text went on in another engine, its own being lost. Then it is not what its seed gives.
    """

    queue_ms: float
    first_token_ms: float
    prefill_tok_s: float | None
    decode_tok_s: float | None
    total_ms: float
    prompt_tokens: int
    new_tokens: int
    seed: int
    model: str
    device: str
    dtype: str
    moved: int = 0


@dataclass(frozen=True, slots=True)
class Queued:
    """Waiting: ``ahead`` requests go first, which takes about ``wait_s`` seconds by the speed measured so far.

    None where nothing was measured yet. ``loading`` is how far the model is, where it is on its way. Sent again
    whenever one of them changes, and now and then with a new estimate.
    """

    ahead: int
    wait_s: float | None = None
    loading: Message | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The engine took the request. ``notice`` tells what was adjusted (a prompt's head cut off, say)."""

    notice: Message | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of new text, never half a character; ``tokens`` were chosen since the piece before."""

    piece: str
    tokens: int = 0

    def __add__(self, later: Text) -> Text:
        """Return this piece and the one behind it as one."""
        return Text(self.piece + later.piece, self.tokens + later.tokens)


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every request that did not fail.

    ``cut`` says that the text breaks off in a sentence although a whole one was asked for.
    """

    reason: FinishReason
    timing: Timing
    cut: bool = False


Event = Queued | Started | Text | Finished


class GenerationError(Exception):
    """A request failed. ``message`` is meant for whoever asked, in their language; ``str()`` of it is English."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(GenerationError):
    """A value is out of its bounds: names the field, what was given and what is allowed."""


class Busy(GenerationError):
    """The queue, or the member's or the guild's share of it, is full."""


class DeadlineExceeded(GenerationError):
    """The request waited or ran longer than the host allows."""


class ModelUnavailable(GenerationError):
    """The model is unknown, cannot be loaded, or was taken out of service; the message says why."""


class EngineFailed(GenerationError):
    """A step failed. ``partial_text`` is what had been generated until then."""

    def __init__(self, message: Message, partial_text: str = "") -> None:
        super().__init__(message)
        self.partial_text = partial_text


@dataclass(frozen=True, slots=True)
class ServingModel:
    """A model that is loaded, and how many requests it takes at once."""

    info: ModelInfo
    rows: int


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What the engine is doing. ``loaded`` serve; ``loading`` names one on its way, with a line of progress.

    ``running`` and ``queued`` count requests. ``device`` and ``dtype`` are those of the model that was used last, empty
    where there is none. ``failure`` says why nothing can be generated, or not with the host's default model, in English
    for whoever runs the bot; None where all is well. ``out_of_service`` says of models that failed too often what an
    asker is told, until somebody chooses them again. ``offered`` are the models that engines on other machines can
    load, with what they need and have there; empty where the engine is in this process.
    """

    loaded: tuple[ServingModel, ...]
    loading: Message | None
    running: int
    queued: int
    device: str
    dtype: str
    failure: str | None = None
    out_of_service: Mapping[str, Message] = field(default_factory=dict)
    offered: tuple[ModelEntry, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models that are loaded."""
        return tuple(model.info.name for model in self.loaded)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model that the host offers. Sizes are None where only its files would tell and they are not here.

    ``on_disk`` says whether it can be loaded without a download; None where that is another machine's business.
    """

    name: str
    parameters: int | None
    memory_bytes: int | None
    on_disk: bool | None
    saved_bytes: int | None = None
    """With weights of 4 bits: the memory that 8 bits would take besides."""
    other_tokens: int | None = None
    """With weights of 4 bits: in so many of 100 places another token is the likeliest; measured with townhall-mini."""


OnProgress = Callable[[Message], None]
"""Takes a line of progress for a person, on the event loop."""


class TextGenerator(Protocol):
    """Whatever can continue a text: the engine in this process, or others behind a router.

    It admits requests within the host's limits, lets them take turns, fairly between servers and between their members,
    and has them written. All of it is called on one event loop, and none of it holds that up.
    """

    async def start(self) -> None:
        """Begin to work, with the host's default model to be loaded; returns before it is. To be called once."""
        ...

    def admitted(self, request: GenerationRequest) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """Give a request its place when the block is entered, and in the block its events as they come.

        The events are any number of :class:`Queued`, then :class:`Started`, :class:`Text` and, last,
        :class:`Finished`; a request cancelled before its turn has neither of the two in the middle. Leaving the block
        before that cancels the request and frees its place.

        Entering raises the reason why there is no place: :class:`InvalidRequest`, :class:`Busy`,
        :class:`ModelUnavailable`, or :class:`EngineFailed` where nothing new is taken. The events raise
        :class:`DeadlineExceeded` when the request's time is over, waiting included; :class:`ModelUnavailable` where it
        waited for a model that could not be loaded; and :class:`EngineFailed`.
        """
        ...

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Event]:
        """Yield a request's events as :meth:`admitted` gives them, and raise what it raises; ``aclose()`` cancels."""
        async with self.admitted(request) as events:
            async for event in events:
                yield event

    async def cancel(self, request_id: int) -> bool:
        """End what goes by this id: each request still gets its Finished, with what was measured.

        Returns whether it was waiting or running.
        """
        ...

    async def cancel_member(self, user_id: int) -> int:
        """End everything that a member has waiting or running; return how many requests that were.

        Each of them raises :class:`EngineFailed`: nothing of the member's is shown any more.
        """
        ...

    async def ensure_model(self, name: str, on_progress: OnProgress | None = None) -> ModelInfo:
        """Load ``name`` unless it is loaded, and return its facts. What serves already goes on serving.

        ``on_progress`` hears a line now and then. A model that was taken out of service is tried again. Raises
        :class:`ModelUnavailable` with the reason, :class:`EngineFailed` where nothing new is taken.
        """
        ...

    def status(self) -> EngineStatus:
        """Return a snapshot of what is known here; asks nobody and waits for nothing."""
        ...

    async def drain(self) -> None:
        """Take nothing new, send away those who wait, and return when everyone who runs is done."""
        ...

    async def close(self) -> None:
        """Fail what waits and runs with what it has, and free everything. What comes later is refused."""
        ...
