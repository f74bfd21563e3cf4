"""A draft model: a small model of the same vocabulary writes the next tokens first, and the large one checks them.

Each token of the guess is drawn from the draft's own distribution by the text's own settings *and with the random
numbers that the sampler will use next*. The large model then draws as it would without a guess, and the guess counts
as long as it is what was drawn. That is a rejection rule as arXiv 2211.17192 wants one: whatever the draft says, texts
are distributed as the large model has them, and the nearer the two distributions are, the more often one race
(:mod:`~plugins.gpt2.engine.sampling`) has the same winner in both. The paper's own rule takes somewhat more guesses (41
of 100 and not 35, for townhall-mini with a small draft at temperature 0.8); but this one gives the same text for the
same seed, as :mod:`~plugins.gpt2.engine.prompt_lookup` does.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence

from plugins.gpt2.drawing import Guess, Promise
from plugins.gpt2.engine.draft_trust import DraftTrust
from plugins.gpt2.engine.guess_cost import MOST_GUESSES, GuessCost
from plugins.gpt2.engine.guess_pace import GuessPace
from plugins.gpt2.engine.row_allocator import common_prefix
from plugins.gpt2.engine.sampling import Sampler
from plugins.gpt2.language_model import LanguageModel, Logits

HOPED = 0.5
"""Steps saved per attempt, less what it costs, that a text starts with: a few bad ones do not end guessing."""
LEAST = 0.15
"""A guess that is right less often than this is not guessed on from."""
HOPE = 0.75
"""How likely a token is right that is not guessed yet."""
READ_ONE_BY_ONE = 2
"""So many tokens are read one by one where compiled code guesses: after a guess that was right to its end."""


def draft_pace() -> GuessPace:
    """Return the pace of a text that a draft guesses for: slow to judge, as it is right now and then everywhere."""
    return GuessPace(right=HOPED, memory=0.9, hope=HOPED / 2)


class DraftModel:
    """Reads one text at a time along, in one row, and guesses how it goes on."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._known: list[int] = []  # the tokens whose keys and values are in the row
        self._trust = {greedy: DraftTrust() for greedy in (False, True)}
        self._promises: dict[bool, tuple[GuessCost, Promise]] = {}
        self._sure: list[float] = []
        self._text: Sequence[int] = ()
        self._checked = 0
        """So much of that text, the last one read, is known to be in the row: it only grows."""

    def propose(self, tokens: Sequence[int], sampler: Sampler, most: int, cost: GuessCost) -> list[int] | None:
        """Return a guess of up to ``most`` tokens that follow ``tokens``: so many as promise most; perhaps none.

        None where the draft does not guess: its context is full, or it has more to read than one slice. It reads that,
        and is asked again a token later.
        """
        most = min(most, self._model.info.context_length - len(tokens), MOST_GUESSES - 1)
        if most < 1:
            return None
        shared = self._shared(tokens)
        pending = tokens[shared:]
        promise = self._promise(sampler.greedy, cost)
        if len(pending) <= READ_ONE_BY_ONE and (guessing := self._model.guessing) is not None:
            guess = guessing.guess(pending, shared, most, sampler.seen, sampler.loose, sampler.keys, promise)
            self._known += pending
        elif (logits := self._read(pending, shared)) is not None:
            guess = self._guess(logits, tokens, sampler.twin(loosely=True), most, promise)
        else:
            return None
        self._known += guess.tokens[:-1]
        self._sure = guess.sure
        return guess.tokens[: guess.kept]

    @property
    def written(self) -> int:
        """How many tokens it wrote for the last proposal."""
        return len(self._sure)

    def learn(self, sampler: Sampler, right: int, guesses: int) -> None:
        """Note how many of the last proposal's ``guesses`` were right."""
        self._trust[sampler.greedy].learn(self._sure[:guesses], right)

    def _shared(self, tokens: Sequence[int]) -> int:
        """Return how many of ``tokens`` the row knows, without the last: its logits are wanted. Forget the rest."""
        if tokens is not self._text:
            self._text, self._checked = tokens, 0
        known, end = self._known, len(tokens) - 1
        shared = min(self._checked, end)
        if not shared:
            shared = min(common_prefix(known, tokens), end)
        while shared < min(len(known), end) and known[shared] == tokens[shared]:
            shared += 1
        del known[shared:]
        self._checked = shared
        return shared

    def _promise(self, greedy: bool, cost: GuessCost) -> Promise:
        cost.compare()
        of, promise = self._promises.get(greedy, (None, None))
        if of is not cost or promise is None:
            trust = self._trust[greedy]
            promise = Promise(trust.edges, trust.believed, cost.of_guesses, LEAST, HOPE)
            self._promises[greedy] = cost, promise
        return promise

    def _guess(self, logits: Logits, tokens: Sequence[int], twin: Sampler, most: int, promise: Promise) -> Guess:
        """As ``Guessing.guess`` from the logits after ``tokens`` on."""
        right, gained, best, kept = 1.0, 0.0, 0.0, 0
        costs = promise.costs.tolist()
        made: list[int] = []
        sure: list[float] = []
        while True:
            token, how_sure = twin.guess(logits)
            made.append(token)
            sure.append(how_sure)
            right *= float(promise.trust[bisect(promise.edges, how_sure)])
            gained += right
            if gained - costs[len(made)] > best:
                best, kept = gained - costs[len(made)], len(made)
            if len(made) == most or right < promise.least:
                return Guess(made, sure, kept)
            if right * promise.hope < costs[0] + costs[len(made) + 1] - costs[len(made)]:
                return Guess(made, sure, kept)
            [logits] = self._model.decode([0], [token], [len(tokens) + len(made) - 1])

    def _read(self, pending: Sequence[int], start: int) -> Logits | None:
        """Read what is new of a text; return what the draft says of the next token where all is read."""
        if len(pending) == 1:
            [logits] = self._model.decode([0], pending, [start])
        else:
            logits = self._model.prefill(0, pending[: self._model.prefill_slice], start)
        self._known += pending[: self._model.prefill_slice]
        return logits if len(pending) <= self._model.prefill_slice else None
