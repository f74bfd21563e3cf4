"""One request inside the engine: its tokens, how far the KV cache holds them, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from plugins.gpt2.engine.detokenizer import Detokenizer
from plugins.gpt2.engine.draft_model import DraftModel, draft_pace
from plugins.gpt2.engine.ending import TextEnd
from plugins.gpt2.engine.guess_cost import GuessCost
from plugins.gpt2.engine.guess_pace import GuessPace
from plugins.gpt2.engine.prompt_lookup import PromptLookup
from plugins.gpt2.engine.request_stats import RequestStats
from plugins.gpt2.engine.row_allocator import RowAllocator
from plugins.gpt2.engine.sampling import Sampler
from plugins.gpt2.language_model import LanguageModel, ModelInfo, Tokenizer
from plugins.gpt2.messages import Message, message
from plugins.gpt2.protocol import FinishReason, GenerationRequest, InvalidRequest, Timing


@dataclass(slots=True, eq=False)
class Sequence:
    """A request that has a row, or had one before the model was rebuilt.

    ``tokens`` are prompt and text so far; the first ``cached`` of them are in the KV cache. One whose row was lost only
    sets ``cached`` back to 0 and reads its own tokens again.
    """

    key: int
    """The caller's name for the request."""
    end: TextEnd
    tokens: list[int]
    prompt_tokens: int
    notice: Message | None
    sampler: Sampler
    detokenizer: Detokenizer
    stats: RequestStats
    row: int
    cached: int = field(default=0)
    lookup: PromptLookup = field(default_factory=PromptLookup)
    draft_pace: GuessPace = field(default_factory=draft_pace)
    draft: list[int] = field(default_factory=list)
    """The guess that the step under way checks."""
    drafted: bool = False
    """Whether a draft model made that guess."""

    @property
    def pending(self) -> int:
        """How many tokens the KV cache lacks; never 0, as the last token's logits choose the next one."""
        return len(self.tokens) - self.cached

    @property
    def prefilling(self) -> bool:
        """Whether the next step of this sequence is a slice of prefill."""
        return self.pending > 1 or self.stats.new_tokens == 0

    def guess(self, model: LanguageModel, draft: DraftModel | None, cost: GuessCost) -> list[int]:
        """Return a guess of the next tokens that fits count, context and step; often nothing.

        What the text said before is looked up, which costs nothing; ``draft`` is asked where that finds nothing or, as
        was seen, gains less.
        """
        room = min(
            self.end.most - self.stats.new_tokens, model.info.context_length - len(self.tokens), model.draft_slots
        )
        found, pace = self.lookup.propose(self.tokens, room - 1), self.lookup.pace
        self.drafted = False
        if draft is None or len(self.tokens) < self.draft_pace.wait_until:
            return found
        if found and not (pace.tried and self.draft_pace.right > pace.right - cost.of_check(len(found))):
            return found
        guess = draft.propose(self.tokens, self.sampler, room - 1, cost)
        self.drafted = guess is not None
        return guess or []

    def text_after(self, token: int) -> str:
        """Return the text that became certain with ``token``, often nothing."""
        return self.end.push(self.detokenizer.push(token), self.stats.new_tokens)

    def last_text(self, reason: FinishReason) -> str:
        """Return what was held back, as far as it belongs to the text."""
        return self.end.finish(reason, self.detokenizer.finish())

    def end_after(self, token: int, info: ModelInfo) -> FinishReason | None:
        """Why the text ends with ``token``, which was just added; None where it goes on."""
        if info.ends(token):
            return "end_of_text"
        if self.detokenizer.stopped:
            return "stop"
        if self.end.reached(self.stats.new_tokens):
            return "length"
        return "context" if len(self.tokens) > info.context_length else None

    def timing(self, now: float, info: ModelInfo) -> Timing:
        """Sum up what was measured."""
        return self.stats.timing(now, info=info, prompt_tokens=self.prompt_tokens, seed=self.sampler.seed)


def begin(
    key: int, request: GenerationRequest, stats: RequestStats, model: LanguageModel, rows: RowAllocator
) -> Sequence:
    """Tokenise ``request``, fit it into the context and take a free row for it.

    Raises :class:`InvalidRequest` where that cannot be; no row is taken then.
    """
    prompt, count = read_prompt(request, model.tokenizer), request.count
    if request.opening:
        opened = read_prompt(replace(request, opening=""), model.tokenizer)
        first = max(0, len(prompt) - len(opened))
    else:
        first = 0
    tokens, notice = fit_prompt(prompt, count, model, continued=request.continued, opening=first)
    if request.continued:  # the text so far is worth more than a count from before
        count = min(count, model.info.context_length - len(tokens) + 1)
    if request.written:  # what an engine that was lost wrote; the asker was told of its notice
        tokens, _ = fit_prompt([*tokens, *_without_begin(request.written, model.tokenizer)], count, model)
    sampler = Sampler(request.sampling, tokens, model.drawing)
    row, cached = rows.allocate(tokens)
    return Sequence(
        key=key,
        end=TextEnd(count, request.ending),
        tokens=tokens,
        prompt_tokens=len(tokens),
        notice=notice,
        sampler=sampler,
        detokenizer=Detokenizer(model.tokenizer, request.sampling.stop),
        stats=stats,
        row=row,
        cached=cached,
        lookup=PromptLookup(quiet=not sampler.greedy),
    )


def read_prompt(request: GenerationRequest, tokenizer: Tokenizer) -> list[int]:
    """Return the ids of the prompt, behind what was said before it in a conversation."""
    if request.turns or request.spoken:
        first, *turns = [*request.turns, request.prompt]
        return tokenizer.encode_turns([request.opening + first, *turns], spoken=request.spoken)
    return tokenizer.encode(request.opening + request.prompt, special=request.special_tokens)


def _without_begin(text: str, tokenizer: Tokenizer) -> list[int]:
    return tokenizer.encode(text)[len(tokenizer.begins) :]


def fit_prompt(
    tokens: list[int], count: int, model: LanguageModel, *, continued: bool = False, opening: int = 0
) -> tuple[list[int], Message | None]:
    """Return the tokens to read, and what to tell the asker where they are not the prompt's own.

    Learned positions cannot shift: prompt and text share the context. The end of the prompt matters most for what
    follows, so its head goes, but for the tokens that every prompt begins with. At least a quarter of the context stays
    for it, and three where it is a text to be ``continued``; a count that does not fit beside that ends with the reason
    "context".
    """
    info, begins = model.info, model.tokenizer.begins
    if len(tokens) == len(begins):
        if not tokens and info.end_of_text is None:
            raise InvalidRequest(message("invalid.empty", model=info.name))
        start = [] if info.end_of_text is None else [info.end_of_text]
        return tokens or start, message("notice.empty")
    least = info.context_length * (3 if continued else 1) // 4
    room = max(info.context_length - count, least, 1)
    if len(tokens) <= room:
        return tokens, None
    kept = tokens[: min(len(begins) + min(opening, room // 2), room - 1)] if opening else begins[: room - 1]
    tail = tokens[len(kept) - room :]
    name = "notice.cut_text" if continued else "notice.cut"
    return [*kept, *tail], message(name, given=len(tokens), context=info.context_length, used=room)
