"""A draft's guess in one call: replay a step, draw from its logits, feed back what was drawn, until it pays no more.

In Python a token of a small draft costs more around its step than in it.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.drawing import Filters, Guess, Promise, SeenTokens
from plugins.gpt2.model import device
from plugins.gpt2.model.cpu.draw_source import DRAW, TYPES
from plugins.gpt2.model.cpu.drawing import WORD, Drawer
from plugins.gpt2.model.cpu.graph import team_of
from plugins.gpt2.model.cpu.step_cache import TableStep
from plugins.gpt2.model.cpu.team import MATRIX_BYTES
from plugins.gpt2.model.layout import NATIVE

MOST = 16
"""Tokens of a guess, and of what is read before it."""

ALONE = 4_000_000
"""A draft of fewer parameters has one thread: waking others and waiting for them takes as long as they would save."""

SHARE = 3 / 8
"""A draft's head says only so much of the vocabulary, from its start on. Tokens are numbered as they were merged, the
frequent ones first: of what townhall-mini writes one in ten is beyond, and hardly ever guessed."""

SOURCE = f"""{TYPES}
typedef void (*F6)(u64, u64, u64, u64, u64, u64);
typedef struct {{
  F6 replay; u64 team, table, length, semaphores;
  int* inputs;                                  // a step's token, position and row
  draw* drawn; const u64* keys;
  const float *edges, *trust, *costs; long edge_count;
  long most, pending, position;
  int read[{MOST}], tokens[{MOST}]; float sure[{MOST}];
  float least, hope; int made, kept;            // made -1: the logits are not finite
}} guess;

void guess_on(guess* g) {{
  draw* d = g->drawn;
  float right = 1.0f, gained = 0.0f, best = 0.0f;
  long before = d->count;
  g->made = g->kept = 0;
  for (long at = 0;; at++) {{
    g->inputs[0] = at < g->pending ? g->read[at] : g->tokens[g->made - 1];
    g->inputs[1] = (int)(g->position + at);
    g->replay(g->team, 0, g->table, g->length, g->semaphores, 0);
    if (at + 1 < g->pending) continue;
    draw_token(d, g->keys[g->made]);
    if (d->token < 0) {{ g->made = -1; break; }}
    g->tokens[g->made] = d->token;
    g->sure[g->made++] = d->sure;
    long place = 0;
    while (place < g->edge_count && g->edges[place] <= d->sure) place++;
    right *= g->trust[place];
    gained += right;
    float pays = gained - g->costs[g->made];
    if (pays > best) {{ best = pays; g->kept = g->made; }}
    if (g->made == g->most || right < g->least) break;
    if (right * g->hope < g->costs[0] + g->costs[g->made + 1] - g->costs[g->made]) break;
    long known = 0;
    while (known < d->count && d->seen[known] != d->token) known++;
    if (known == d->count) d->seen[d->count++] = d->token;
  }}
  d->count = before;
}}
{DRAW}"""

LONG = ctypes.c_long


class _Guess(ctypes.Structure):
    """A ``guess`` of the source."""

    _fields_ = (
        *((name, WORD) for name in ("replay", "team", "table", "length", "semaphores")),
        *((name, WORD) for name in ("inputs", "drawn", "keys", "edges", "trust", "costs")),
        *((name, LONG) for name in ("edge_count", "most", "pending", "position")),
        ("read", ctypes.c_int * MOST),
        ("tokens", ctypes.c_int * MOST),
        ("sure", ctypes.c_float * MOST),
        ("least", ctypes.c_float),
        ("hope", ctypes.c_float),
        ("made", ctypes.c_int),
        ("kept", ctypes.c_int),
    )


def only_first(table: npt.NDArray[np.uint64], columns: int, share: float) -> tuple[npt.NDArray[np.uint64], int]:
    """Return a step's table whose last launch, the head, makes the first ``share`` of its ``columns``, and how many."""
    made = table.copy()
    blocks, slices = columns // NATIVE.lanes, int(made[-1, 1])
    kept = math.ceil(slices * share)
    made[-1, 1] = kept
    made[-1, MATRIX_BYTES] = int(made[-1, MATRIX_BYTES]) * kept // slices
    return made, blocks * kept // slices * NATIVE.lanes


class Guesser:
    """Guesses with a draft's step of one slot, in its row 0; implements ``Guessing``."""

    def __init__(self, step: TableStep, vocabulary: int, parameters: int) -> None:
        """Raise what compiling raises."""
        self.table, columns = only_first(step.table, step.logits.shape[1], SHARE)
        drawer = Drawer(min(columns, vocabulary))
        team = team_of(1) if parameters < ALONE else step.team
        function: Any = device.load_c("guess_on", SOURCE)
        self._keeps = function
        self._call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(ctypes.cast(function, ctypes.c_void_p).value or 0)
        self._step, self._drawer = step, drawer
        step.wanted[:] = 0
        step.inputs[:] = 0
        self._state = _Guess(
            inputs=step.inputs.ctypes.data,
            drawn=ctypes.addressof(drawer.state),
            **team.replaying(self.table),
        )
        self._at = ctypes.addressof(self._state)
        self._promise: Promise | None = None

    def guess(
        self,
        pending: Sequence[int],
        position: int,
        most: int,
        seen: SeenTokens,
        filters: Filters,
        keys: npt.NDArray[np.uint64],
        promise: Promise,
    ) -> Guess:
        """See :class:`~plugins.gpt2.drawing.Guessing`."""
        state, drawer = self._state, self._drawer
        if promise is not self._promise:
            self._promise = promise
            state.edges, state.edge_count = promise.edges.ctypes.data, len(promise.edges)
            state.trust, state.costs = promise.trust.ctypes.data, promise.costs.ctypes.data
            state.least, state.hope = promise.least, promise.hope
        drawer.use(seen, filters)
        drawer.state.logits = self._step.logits.ctypes.data
        state.keys = keys.ctypes.data
        state.position, state.pending, state.most = position, len(pending), most
        state.read[: len(pending)] = pending
        self._call(self._at)
        made = state.made
        if made < 0:
            raise FloatingPointError("the draft's logits are not finite")
        return Guess(state.tokens[:made], state.sure[:made], state.kept)
