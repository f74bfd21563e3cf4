"""The C kernel of a whole attention between its projections: a head a slice, so that no two touch the same cache.

First the head's keys and values of every slot are written, then each slot attends: within one step a slot may see the
keys of its neighbours. Keys are (rows, H, T/16, D, 16), values (rows, H, T, D); shapes are named as in ``kernels.py``.
"""

from __future__ import annotations

import math

from plugins.gpt2.model.constants import Weights
from plugins.gpt2.model.cpu.instructions import Instructions
from plugins.gpt2.model.cpu.int_products import finish_rows, quantiser
from plugins.gpt2.model.cpu.prelude import C_TYPES, LANES, LOADERS, PRELUDE


def attention(
    *,
    slots: int,
    stride: int,
    heads: int,
    size: int,
    blocks: int,
    cache: Weights,
    instructions: Instructions | None,
) -> str:
    """Return the source of ``made[b] = softmax(q[b] · keys / √D) · values`` for each slot b of one head.

    With ``instructions`` the rows of ``made`` are scratch, and ``out`` are the quantised ones.
    """
    kind, length, width = C_TYPES[cache], blocks * LANES, heads * size
    outputs, quantise, finish = "float* restrict made", "", ""
    if instructions is not None:
        outputs = "signed char* restrict out, float* restrict made, int* restrict arrived"
        quantise, finish = quantiser(instructions, width), finish_rows(slots, width, width, heads)
    return f"""{PRELUDE}{_values_of(size, kind)}{quantise}
void attention({outputs}, {kind}* restrict keys, {kind}* restrict values, const float* restrict qkv,
               const int* restrict inputs, int head) {{
  const int* positions = inputs + {slots};
  const int* rows = inputs + {2 * slots};
  for (int b = 0; b < {slots}; b++) {{
    long text = (long)rows[b] * {heads} + head;
    const float* k = qkv + (long)b * {stride} + {heads * size} + head * {size};
    {_keep(size, heads, blocks, kind)}
  }}
  float score[{length}] __attribute__((aligned(64)));
  for (int b = 0; b < {slots}; b++) {{
    int last = positions[b], used = last / 16 + 1;
    long text = (long)rows[b] * {heads} + head;
    const float* q = qkv + (long)b * {stride} + head * {size};
    const {kind}* key = keys + text * {blocks * 16 * size};
    const {kind}* value = values + text * {length * size};
    {_scores(size, LOADERS[kind], kind)}
    {_softmax(size)}
    {_mix(size, heads)}
  }}{finish}
}}
"""


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
      for (int d = 0; d < {size}; d++, p += 16) {{
        V factor = (V)q[d];
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
    for (int t = last + 1; t < used * 16; t++) score[t] = -3.0e38f;"""


def _softmax(size: int) -> str:
    """Make ``score`` e to the scores' distance from the highest, and ``scale`` what their sum must be multiplied by."""
    return f"""V peak = (V)-3.0e38f;
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


def _mix(size: int, heads: int) -> str:
    """Write the sum of the values by their scores: two positions at a time, in two sums."""
    lanes = _lanes(size)
    vectors = size // lanes
    return f"""D mixed[2][{vectors}];
    for (int u = 0; u < 2; u++) for (int d = 0; d < {vectors}; d++) mixed[u][d] = (D)0.0f;
    int t = 0;
    for (; t + 2 <= last + 1; t += 2) {{
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
      *(D*)(made + (long)b * {heads * size} + head * {size} + d * {lanes}) = (mixed[0][d] + mixed[1][d]) * scale;"""
