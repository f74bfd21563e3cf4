"""The C kernel of a whole attention between its projections: a head a slice, so that no two touch the same cache.

First the head's keys and values of every slot are written, then each slot attends: within one step a slot may see the
keys of its neighbours. Neighbouring slots of one row attend together, so that a key is read once for all of them; each
sum is taken in the order in which a slot alone takes it, so that nobody's numbers depend on it. Keys are
(rows, H, T/16, D, 16), values (rows, H, T, D); shapes are named as in ``kernels.py``.
"""

from __future__ import annotations

import math

from plugins.gpt2.model.constants import Weights
from plugins.gpt2.model.cpu.prelude import C_TYPES, LANES, LOADERS, PRELUDE

NOTHING = "-3.0e38f"
"""The score of a position that a slot may not see: e to it is exactly 0."""
VALUES_AHEAD = 64
"""Positions by which values are asked for before they are needed."""


def attention(
    *,
    slots: int,
    stride: int,
    heads: int,
    size: int,
    blocks: int,
    cache: Weights,
    vector_bits: int,
) -> str:
    """Return the source of ``made[b] = softmax(q[b] · keys / √D) · values`` for each slot b of one head."""
    kind, length, width = C_TYPES[cache], blocks * LANES, heads * size
    together, keys_at_once = (4, 1) if vector_bits < 512 else (8, 2) if slots >= 8 else (4, 4)
    grouped = f"""int neighbours = 1;
    while (b + neighbours < {slots} && neighbours < {together} && rows[b + neighbours] == rows[b]) neighbours++;
    if (neighbours == {together}) {{
      attend_together(to, q, positions + b, key, value);
      b += {together - 1};
      continue;
    }}"""
    return f"""{PRELUDE}{_values_of(size, kind)}
{_together(together, keys_at_once, stride, width, size, length, kind) if slots >= together else ""}
void attention(float* restrict made, {kind}* restrict keys, {kind}* restrict values, const float* restrict qkv,
               const int* restrict inputs, int head) {{
  const int* positions = inputs + {slots};
  const int* rows = inputs + {2 * slots};
  for (int b = 0; b < {slots}; b++) {{
    long text = (long)rows[b] * {heads} + head;
    const float* k = qkv + (long)b * {stride} + {width} + head * {size};
    {_keep(size, heads, blocks, kind)}
  }}
  float score[{length}] __attribute__((aligned(64)));
  for (int b = 0; b < {slots}; b++) {{
    long text = (long)rows[b] * {heads} + head;
    const float* q = qkv + (long)b * {stride} + head * {size};
    const {kind}* key = keys + text * {length * size};
    const {kind}* value = values + text * {length * size};
    float* to = made + (long)b * {width} + head * {size};
    {grouped if slots >= together else ""}
    int last = positions[b], used = last / 16 + 1;
    {_scores(size, LOADERS[kind], kind)}
    {_softmax(size)}
    {_mix(size)}
  }}
}}
"""


def _together(m: int, j: int, stride: int, width: int, size: int, length: int, kind: str) -> str:
    """Return the C function by which ``m`` slots of one row attend, ``j`` blocks of keys at a time.

    Behind a slot's own position the scores are nothing, and so are the weights: adding 0 times a value changes no bit.
    """
    lanes, load = _lanes(size), LOADERS[kind]
    vectors = size // lanes
    group = j if vectors % j == 0 else 1
    return f"""static void attend_together(float* restrict to, const float* restrict q, const int* restrict positions,
    const {kind}* restrict key, const {kind}* restrict value) {{
  float near[{size * m}], scores[{m}][{length + LANES}] __attribute__((aligned(64))), scales[{m}];
  int most = 0;
  for (int m = 0; m < {m}; m++) {{
    most = positions[m] > most ? positions[m] : most;
    for (int d = 0; d < {size}; d++) near[d * {m} + m] = q[(long)m * {stride} + d];
  }}
  int used = most / 16 + 1, block = 0;
  for (; block + {j} <= used; block += {j}) {{
    {_scores_of(m, j, size, load, kind)}
  }}
  for (; block < used; block++) {{
    {_scores_of(m, 1, size, load, kind)}
  }}
  for (int m = 0; m < {m}; m++) {{
    float* score = scores[m];
    for (int t = positions[m] + 1; t < used * 16; t++) score[t] = {NOTHING};
    {_softmax(size)}
    scales[m] = scale;
  }}
  for (int d = 0; d < {vectors}; d += {group}) {{
    D mixed[2][{m}][{group}];
    #pragma clang loop unroll(full)
    for (int u = 0; u < 2; u++) {{
      D sums[{m}][{group}];
      #pragma clang loop unroll(full)
      for (int m = 0; m < {m}; m++)
        for (int g = 0; g < {group}; g++) sums[m][g] = (D)0.0f;
      for (int t = u; t <= most; t += 2) {{
        D read[{group}];
        #pragma clang loop unroll(full)
        for (int g = 0; g < {group}; g++) read[g] = load_values(value + (long)t * {size} + (d + g) * {lanes});
        #pragma clang loop unroll(full)
        for (int m = 0; m < {m}; m++) {{
          D weight = (D)scores[m][t];
          #pragma clang loop unroll(full)
          for (int g = 0; g < {group}; g++) sums[m][g] += weight * read[g];
        }}
      }}
      for (int m = 0; m < {m}; m++)
        for (int g = 0; g < {group}; g++) mixed[u][m][g] = sums[m][g];
    }}
    for (int m = 0; m < {m}; m++)
      for (int g = 0; g < {group}; g++)
        *(D*)(to + (long)m * {width} + (d + g) * {lanes}) = (mixed[0][m][g] + mixed[1][m][g]) * scales[m];
  }}
}}
"""


def _scores_of(m: int, j: int, size: int, load: str, kind: str) -> str:
    """Fill ``scores`` of ``m`` slots with q · key of ``j`` blocks of 16 positions."""
    return f"""V s[{m}][{j}];
    const {kind}* p = key + (long)block * {16 * size};
    #pragma clang loop unroll(full)
    for (int m = 0; m < {m}; m++)
      for (int j = 0; j < {j}; j++) s[m][j] = (V)0.0f;
    for (int d = 0; d < {size}; d++, p += 16) {{
      V read[{j}];
      #pragma clang loop unroll(full)
      for (int j = 0; j < {j}; j++) read[j] = {load}(p + j * {16 * size});
      #pragma clang loop unroll(full)
      for (int m = 0; m < {m}; m++) {{
        V factor = (V)near[d * {m} + m];
        #pragma clang loop unroll(full)
        for (int j = 0; j < {j}; j++) s[m][j] += factor * read[j];
      }}
    }}
    #pragma clang loop unroll(full)
    for (int m = 0; m < {m}; m++)
      for (int j = 0; j < {j}; j++) *(V*)(scores[m] + (block + j) * 16) = s[m][j];"""


def _values_of(size: int, kind: str) -> str:
    """D: as many of a value's D floats as one vector takes."""
    lanes = _lanes(size)
    narrow = f"ext_vector_type({lanes}), " if lanes > 1 else ""
    convert = f"__builtin_convertvector(*(const {kind[0]}D*)p, D)" if lanes > 1 else "(float)*p"
    return f"""
typedef float D __attribute__(({narrow}aligned(4)));
typedef {kind} {kind[0]}D __attribute__(({narrow}aligned(2)));
INLINE D load_values(const {kind}* p) {{ return {convert}; }}"""


def _lanes(size: int) -> int:
    return min(size & -size, LANES)


def _keep(size: int, heads: int, blocks: int, kind: str) -> str:
    """Write the slot's key and value into the cache."""
    return f"""int t = positions[b];
    const float* v = k + {heads * size};
    {kind}* key = keys + (text * {blocks} + t / 16) * {16 * size} + t % 16;
    {kind}* value = values + (text * {blocks * LANES} + t) * {size};
    for (int d = 0; d < {size}; d++) {{
      key[d * 16] = ({kind})k[d];
      value[d] = ({kind})v[d];
    }}"""


def _scores(size: int, load: str, kind: str) -> str:
    """Fill ``score`` with q · key of every position up to ``last``; beyond it is nothing."""
    return f"""int block = 0;
    for (; block + 4 <= used; block += 4) {{  // four sums at once keep the multipliers busy
      V s0 = (V)0.0f, s1 = s0, s2 = s0, s3 = s0;
      const {kind}* p = key + (long)block * {16 * size};
      const char* ahead = (const char*)(p + {64 * size});
      for (int d = 0; d < {size}; d++, p += 16, ahead += sizeof(*p) * 64) {{
        V factor = (V)q[d];
        for (unsigned at = 0; at < sizeof(*p) * 64; at += 64) __builtin_prefetch(ahead + at, 0, 2);
        s0 += factor * {load}(p);
        s1 += factor * {load}(p + {16 * size});
        s2 += factor * {load}(p + {32 * size});
        s3 += factor * {load}(p + {48 * size});
      }}
      *(V*)(score + block * 16) = s0;
      *(V*)(score + block * 16 + 16) = s1;
      *(V*)(score + block * 16 + 32) = s2;
      *(V*)(score + block * 16 + 48) = s3;
    }}
    for (; block < used; block++) {{
      V s = (V)0.0f;
      const {kind}* p = key + (long)block * {16 * size};
      for (int d = 0; d < {size}; d++, p += 16) s += q[d] * {load}(p);
      *(V*)(score + block * 16) = s;
    }}
    for (int t = last + 1; t < used * 16; t++) score[t] = {NOTHING};"""


def _softmax(size: int) -> str:
    """Make ``score`` e to the scores' distance from the highest, and ``scale`` what their sum must be multiplied by."""
    return f"""V peak = (V){NOTHING};
    for (int i = 0; i < used; i++) peak = __builtin_elementwise_max(peak, *(const V*)(score + i * 16));
    float highest = peak[0];
    for (int i = 1; i < 16; i++) highest = peak[i] > highest ? peak[i] : highest;
    V sums = (V)0.0f;
    for (int i = 0; i < used; i++) {{
      V e = vexp((*(const V*)(score + i * 16) - highest) * {1 / math.sqrt(size)!r}f);
      *(V*)(score + i * 16) = e;
      sums += e;
    }}
    float scale = 1.0f / sum(sums);"""


def _mix(size: int) -> str:
    """Write the sum of the values by their scores: two positions at a time, in two sums."""
    lanes = _lanes(size)
    vectors = size // lanes
    return f"""D mixed[2][{vectors}];
    for (int u = 0; u < 2; u++) for (int d = 0; d < {vectors}; d++) mixed[u][d] = (D)0.0f;
    int t = 0;
    for (; t + 2 <= last + 1; t += 2) {{
      const char* ahead = (const char*)(value + (long)(t + {VALUES_AHEAD}) * {size});
      for (unsigned at = 0; at < sizeof(*value) * {2 * size}; at += 64) __builtin_prefetch(ahead + at, 0, 2);
      #pragma clang loop unroll(full)
      for (int u = 0; u < 2; u++) {{
        D weight = (D)score[t + u];
        #pragma clang loop unroll(full)
        for (int d = 0; d < {vectors}; d++)
          mixed[u][d] += weight * load_values(value + (long)(t + u) * {size} + d * {lanes});
      }}
    }}
    if (t <= last)
      for (int d = 0; d < {vectors}; d++) mixed[0][d] += score[t] * load_values(value + (long)t * {size} + d * {lanes});
    for (int d = 0; d < {vectors}; d++)
      *(D*)(to + d * {lanes}) = (mixed[0][d] + mixed[1][d]) * scale;"""
