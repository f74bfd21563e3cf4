"""From logits to the next token on the host, in NumPy or by the model's own code, with one generator per request.

A token is drawn by a race: each has an exponentially distributed time over its weight, and the first to arrive is
taken. That is the same distribution as one random number between the sums of the weights gives, but two models that
run a race with the same times mostly have the same winner (:mod:`~plugins.gpt2.engine.draft_model`).

On the host because a captured step of the model bakes Python floats in and never sees a new seed; per request because
the same seed must give the same text whoever else is in the batch.
"""

from __future__ import annotations

import copy
import math
import secrets
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from plugins.gpt2.drawing import Drawing, Filters, SeenTokens
from plugins.gpt2.language_model import Logits
from plugins.gpt2.messages import message
from plugins.gpt2.protocol import BOUNDS, GREEDY_BELOW, InvalidRequest, SamplingParams

MAX_STOPS = 4
MAX_STOP_CHARS = 100
LOOSE = 0.005
SURE_ODDS = 1.35
"""See :func:`sureness`."""
AHEAD = 16
"""So many tokens can be drawn before they are, by a twin or a draft."""


def check_sampling(params: SamplingParams) -> None:
    """Raise :class:`InvalidRequest` naming the field, what was given and what is allowed."""
    for field, (low, high) in BOUNDS.items():
        value = getattr(params, field)
        if value is None and field == "seed":
            continue
        if not math.isfinite(value) or not low <= value <= high:
            bounds = {"low": f"{low:.16g}", "high": f"{high:.16g}"}
            raise InvalidRequest(message("invalid.number", field=field, given=value, **bounds))
    if len(params.stop) > MAX_STOPS:
        raise InvalidRequest(message("invalid.stops", given=len(params.stop), most=MAX_STOPS))
    for text in params.stop:
        if not 1 <= len(text) <= MAX_STOP_CHARS:
            raise InvalidRequest(message("invalid.stop", given=len(text), most=MAX_STOP_CHARS))


class Sampler:
    """Chooses the tokens of one request.

    ``prompt`` are the tokens that the repetition penalty starts from; ``drawing`` is the model's, None is NumPy.
    ``seed`` is the one in use, drawn here where the request left it open. Raises :class:`InvalidRequest` where
    ``params`` are out of bounds.
    """

    def __init__(self, params: SamplingParams, prompt: Iterable[int] = (), drawing: Drawing | None = None) -> None:
        check_sampling(params)
        self.seed = secrets.randbits(32) if params.seed is None else params.seed
        self.greedy = params.temperature < GREEDY_BELOW
        """Whether the likeliest token is taken and nothing drawn."""
        self.seen = SeenTokens(prompt)
        self.filters, self.loose = filters_of(params), filters_of(loosened(params))
        self._params, self._drawing = params, drawing
        self._random = np.random.default_rng(self.seed)
        self._keys, self._at = np.zeros(0, np.uint64), 0

    def twin(self, *, loosely: bool = False) -> Sampler:
        """Return a sampler that would go on just as this one, with the same random numbers; it is used up by the next.

        It can draw ``AHEAD`` tokens; ``loosely`` as :func:`loosened` says.
        """
        self._look_ahead()
        twin = copy.copy(self)
        twin.seen = self.seen.copy()
        if loosely:
            twin._params, twin.filters = loosened(self._params), self.loose
        return twin

    @property
    def keys(self) -> npt.NDArray[np.uint64]:
        """Where the random numbers of the next tokens begin, those of ``AHEAD`` at least."""
        self._look_ahead()
        return self._keys[self._at :]

    def _look_ahead(self) -> None:
        """Draw as many numbers as a twin may need; a generator draws a hundred in the time of one."""
        if len(self._keys) - self._at < AHEAD:
            more = self._random.integers(2**64, dtype=np.uint64, size=8 * AHEAD)
            self._keys, self._at = np.concatenate((self._keys[self._at :], more)), 0

    def sample(self, logits: Logits) -> int:
        """Return the next token's id from ``logits`` (vocab,), which may be overwritten.

        Raises :class:`FloatingPointError` where the logits are not finite: a broken step, not a broken request.
        """
        return self._choose(logits, judged=False)[0]

    def guess(self, logits: Logits) -> tuple[int, float]:
        """Return the next token as :meth:`sample` does, and how sure it is that another model draws the same.

        See :func:`sureness`; of a greedy one it is known where there is a min-p.
        """
        return self._choose(logits, judged=True)

    def _choose(self, logits: Logits, *, judged: bool) -> tuple[int, float]:
        """Return a token, and how sure it is where that is to be judged."""
        token, sure = self._of(logits, judged)
        if token < 0:
            raise FloatingPointError("the model's logits are not finite")
        self.seen.add(token)
        return token, sure

    def _of(self, logits: Logits, judged: bool) -> tuple[int, float]:
        """As :meth:`_choose`; the token is -1 where the logits are not finite."""
        key = 0
        if not self.greedy:
            if self._at == len(self._keys):
                self._look_ahead()
            key = int(self._keys[self._at])
            self._at += 1
        if self._drawing is not None:
            return self._drawing.token(logits, self.seen, self.filters, key)
        if self._params.repetition_penalty != 1.0:
            _penalise(logits, self.seen.ids, self._params.repetition_penalty)
        best = int(logits.argmax())  # (a NaN wins every argmax, so one look at the winner is enough)
        if not math.isfinite(logits[best]):
            return -1, 0.0
        if not self.greedy:
            return _draw(logits, float(logits[best]), self._params, key, judged)
        if not judged or self._params.min_p == 0:
            return best, 0.0
        weights = np.exp(logits - logits[best])
        weights = weights[weights >= self._params.min_p]
        second = float(np.partition(weights, -2)[-2]) if len(weights) > 1 else 0.0
        return best, sureness(1.0 / float(weights.sum()), second)


def sureness(chance: float, lead: float) -> float:
    """Return how likely another model of the same vocabulary draws what this one drew, by what it gave it.

    ``chance`` is that of the token, ``lead`` its time over the next one's: the narrower a race was, the likelier it
    ends otherwise in a model that is a little different. Both together tell more than either: a logistic regression
    over 3,600 tokens of townhall-mini and its draft gave 0.34 and 0.96 for what are 1/3 and 1 here; 0.56 nats a token
    are left, 0.60 with the lead alone, 0.64 with the chance alone.
    """
    return 1.0 / (1.0 + lead / (SURE_ODDS * math.cbrt(chance)))


def loosened(params: SamplingParams) -> SamplingParams:
    """Return what a draft draws by: min-p in place of top-p, which most of a vocabulary need not be weighed for.

    What it leaves out is seldom drawn, and what it lets in seldom either: as many guesses are right.
    """
    if params.top_k and params.temperature >= GREEDY_BELOW:
        return params
    return replace(params, top_k=0, top_p=1.0, min_p=max(params.min_p, LOOSE))


def filters_of(params: SamplingParams) -> Filters:
    """Return the numbers that a draw goes by."""
    cold = 0.0 if params.temperature < GREEDY_BELOW else 1.0 / params.temperature
    numbers = np.array([params.repetition_penalty, cold, params.top_p, params.min_p], np.float64)
    return Filters(numbers, params.top_k)


def _penalise(logits: Logits, ids: npt.NDArray[np.int32], penalty: float) -> None:
    """Make every token seen so far less likely, whichever its sign (CTRL, arXiv 1909.05858, section 4.1)."""
    seen = logits[ids]
    by = np.float32(penalty)
    logits[ids] = np.where(seen > 0, seen / by, seen * by)


def _draw(logits: Logits, best: float, params: SamplingParams, key: int, judged: bool) -> tuple[int, float]:
    """Draw from what temperature, top-k, top-p and min-p leave, in this order; tell how sure it is where asked to."""
    ids: npt.NDArray[np.intp] | None = None  # None: every token, in order of id
    if 0 < params.top_k < logits.size:
        ids = np.argpartition(logits, logits.size - params.top_k)[-params.top_k :]
        logits = logits[ids]
    scaled = (logits - np.float32(best)) * np.float32(1.0 / params.temperature)
    weights = np.exp(scaled)
    if params.top_p < 1.0:
        kept = _nucleus(scaled, weights, params.top_p)
        ids, weights = kept if ids is None else ids[kept], weights[kept]
    if params.min_p > 0.0:
        kept = np.flatnonzero(weights >= params.min_p)  # the best token weighs exp(0) = 1
        ids, weights = kept if ids is None else ids[kept], weights[kept]
    if ids is None:
        ids = np.arange(weights.size)
    times = _exponentials(np.uint64(key), ids)
    with np.errstate(divide="ignore"):  # what weighs nothing never arrives
        times /= weights
    first = int(times.argmin())
    if not judged:
        return int(ids[first]), 0.0
    lead = float(times[first] / np.partition(times, 1)[1]) if len(times) > 1 else 0.0
    return int(ids[first]), sureness(float(weights[first] / weights.sum()), lead)


def _exponentials(key: np.uint64, ids: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return an exponentially distributed number for each id, the same ones for the same ``key`` whatever the others.

    They are SplitMix64's: the numbers of the stream that begins at ``key``, at the places of the ids.
    """
    mixed = ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    uniform = ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    exponentials: npt.NDArray[np.float64] = -np.log(uniform)
    return exponentials


BINS = 512
BINS_PER_NAT = 16.0
"""Weights are sorted roughly into so many bins of a 16th of a nat; the last takes all that are lighter."""


def _nucleus(scaled: Logits, weights: npt.NDArray[np.float32], top_p: float) -> npt.NDArray[np.intp]:
    """Return the indices of the smallest set that holds ``top_p`` of all ``weights`` (n,), in order of index.

    ``scaled`` are the weights' logarithms, 0 for the heaviest. Sorting 50,257 weights would cost more than everything
    else together, so they are counted into bins, and only the bin on the border is sorted.
    """
    bins = np.minimum(scaled * np.float32(-BINS_PER_NAT), np.float32(BINS - 1)).astype(np.int16)
    heavier = np.cumsum(np.bincount(bins, weights, BINS))
    wanted = top_p * heavier[-1]
    border = int(np.searchsorted(heavier, wanted, side="left"))
    kept = bins < border
    there = np.flatnonzero(bins == border)
    there = there[np.argsort(-weights[there], kind="stable")]
    missing = wanted - (heavier[border - 1] if border else 0.0)
    some = int(np.searchsorted(np.cumsum(weights[there], dtype=np.float64), missing, side="left")) + 1
    kept[there[:some]] = True
    return np.flatnonzero(kept)
