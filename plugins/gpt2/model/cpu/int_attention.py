"""Attention with keys and values of 8 bits, its products in integers: a head a slice, as in ``attention.py``.

A value has a scale, a key one for each 16 elements; both lie in blocks of 16 positions
(:func:`~plugins.gpt2.model.kv_cache.block_bytes`): their scales first, then the integers. Of keys, ``depth`` neighbours
of a position lie together, of values the same element of ``depth`` positions, because an instruction adds so many
products to one sum.

A query is a quantised row. The softmax is taken in fp32, in the order of a slot alone; then each weight takes its
value's scale with it, and what comes of it is a quantised row again. Sums are exact, so that slots of one text that
attend together get what each gets alone.
"""

from __future__ import annotations

import math

from plugins.gpt2.model.cpu.attention import NOTHING
from plugins.gpt2.model.cpu.attention_shape import Shape, Tile, tiles
from plugins.gpt2.model.cpu.instructions import Instructions
from plugins.gpt2.model.cpu.prelude import LANES, PRELUDE, ask_ahead
from plugins.gpt2.model.cpu.quantised_rows import SCALE_BYTES, finish_rows, padded, quantiser, row_bytes, steps
from plugins.gpt2.model.kv_cache import BLOCK_SCALES, KEY_GROUP, key_groups

AHEAD_BLOCKS = 4
"""So many blocks ahead memory is asked for where one slot attends alone, and waits for nothing else."""


def attention(
    *, slots: int, stride: int, heads: int, size: int, blocks: int, instructions: Instructions, grouped: bool
) -> str:
    """Return the source of ``out[b] = softmax(q[b] · keys / √D) · values``, quantised rows, a head a slice.

    ``made`` (B, E) is scratch. ``grouped`` is that of :func:`~plugins.gpt2.model.cpu.quantised_rows.steps`.
    """
    shape = Shape(instructions, stride, heads, size, blocks)
    alone, together = tiles(slots, instructions.bits)
    neighbours = ""
    if together is not None:
        neighbours = f"""int same = 1;
    while (same < {together.slots} && b + same < {slots} && rows[b + same] == rows[b]) same++;
    if (same == {together.slots}) {{
      attend_{together.slots}(to, q, positions + b, key, value);
      b += {together.slots - 1};
      continue;
    }}"""
    return f"""{PRELUDE}{quantiser(instructions, shape.width, grouped=grouped)}
{quantiser(instructions, size, name="quantise_query", with_source=False)}{_write(shape)}{_weigh(shape)}
{_attend(shape, alone)}{_attend(shape, together) if together is not None else ""}
void attention(signed char* restrict out, float* restrict made, int* restrict arrived, signed char* restrict keys,
               signed char* restrict values, const float* restrict qkv, const int* restrict inputs, int head) {{
  const int* positions = inputs + {slots};
  const int* rows = inputs + {2 * slots};
  for (int b = 0; b < {slots}; b++) {{
    long at = ((long)rows[b] * {heads} + head) * {blocks} + positions[b] / 16;
    write_both(keys + at * {shape.key_block}, values + at * {shape.value_block},
               qkv + (long)b * {stride} + {shape.width} + head * {size}, positions[b] % 16);
  }}
  for (int b = 0; b < {slots}; b++) {{
    long text = ((long)rows[b] * {heads} + head) * {blocks};
    const float* q = qkv + (long)b * {stride} + head * {size};
    const signed char* key = keys + text * {shape.key_block};
    const signed char* value = values + text * {shape.value_block};
    float* to = made + (long)b * {shape.width} + head * {size};
    {neighbours}
    attend_1(to, q, positions + b, key, value);
  }}{finish_rows(slots, shape.width, shape.width, heads)}
}}
"""


def _write(shape: Shape) -> str:
    """Return the C functions that put one position's key and value (one E behind the other) into their blocks."""
    depth, whole = shape.instructions.depth, shape.padded
    return f"""
INLINE void narrow(signed char* to, float* scale, const float* near, int count) {{
  #pragma clang fp contract(off)
  V peaks = (V)0.0f;
  for (int d = 0; d < count; d += 16)
    peaks = __builtin_elementwise_max(peaks, __builtin_elementwise_abs(*(const V*)(near + d)));
  float peak = peaks[0];
  for (int i = 1; i < 16; i++) peak = peaks[i] > peak ? peaks[i] : peak;
  float rate = peak > 1e-30f ? 127.0f / peak : 0.0f;
  *scale = peak / 127.0f;
  for (int d = 0; d < count; d += 16) {{
    V shifted = *(const V*)(near + d) * rate + 12582912.0f;  // as in quantise()
    *(VB*)(to + d) = __builtin_convertvector((VI)shifted - 0x4b400000, VB);
  }}
}}
INLINE void write_both(signed char* key, signed char* value, const float* k, int place) {{
  signed char narrowed[{whole}] __attribute__((aligned(64)));
  float near[{whole}] __attribute__((aligned(64)));
  for (int d = {shape.size}; d < {whole}; d++) near[d] = 0.0f;
  for (int d = 0; d < {shape.size}; d++) near[d] = k[d];
  for (int d = 0; d < {whole}; d += {KEY_GROUP})
    narrow(narrowed + d, (float*)key + d / {KEY_GROUP} * 16 + place, near + d, {KEY_GROUP});
  signed char* keys = key + {shape.key_scales} + place * {depth};
  for (int d = 0; d < {whole}; d += {depth})
    __builtin_memcpy(keys + d * {LANES}, narrowed + d, {depth});
  for (int d = 0; d < {shape.size}; d++) near[d] = k[d + {shape.width}];
  narrow(narrowed, (float*)value + place, near, {whole});
  signed char* values = value + {BLOCK_SCALES} + place / {depth} * {whole * depth} + place % {depth};
  for (int d = 0; d < {whole}; d++) values[d * {depth}] = narrowed[d];
}}
"""


def _weigh(shape: Shape) -> str:
    """Return the C function that makes quantised weights of scores, and gives what the values' sums are to be times."""
    most, plane = steps(shape.length), padded(shape.length)
    return f"""
INLINE float weigh(signed char* weight, float* score, int last, int used, const signed char* value) {{
  #pragma clang fp contract(off)
  for (int t = last + 1; t < used * 16; t++) score[t] = {NOTHING};
  V peaks = (V){NOTHING};
  for (int i = 0; i < used; i++) peaks = __builtin_elementwise_max(peaks, *(const V*)(score + i * 16));
  float highest = peaks[0];
  for (int i = 1; i < 16; i++) highest = peaks[i] > highest ? peaks[i] : highest;
  V sums = (V)0.0f;
  peaks = (V)0.0f;
  for (int i = 0; i < used; i++) {{
    V e = vexp((*(const V*)(score + i * 16) - highest) * {1 / math.sqrt(shape.size)!r}f);
    sums += e;
    e = e * *(const V*)(value + (long)i * {shape.value_block});
    *(V*)(score + i * 16) = e;
    peaks = __builtin_elementwise_max(peaks, e);
  }}
  float peak = peaks[0];
  for (int i = 1; i < 16; i++) peak = peaks[i] > peak ? peaks[i] : peak;
  float rate = peak > 1e-30f ? {most}.0f / peak : 0.0f;
  for (int i = 0; i < used; i++) {{
    V shifted = *(const V*)(score + i * 16) * rate + 12582912.0f;
    keep_vector(weight, i * 16, (VI)shifted - 0x4b400000, {plane});
  }}
  return peak / {most}.0f / sum(sums);
}}
"""


def _attend(shape: Shape, tile: Tile) -> str:
    """Return the C function by which neighbouring slots of one row attend.

    Behind a slot's own position the scores are nothing, and so are the weights: who is beside it makes no difference.
    """
    m, depth, vectors = tile.slots, shape.instructions.depth, shape.padded // LANES
    at_once = next(n for n in range(min(tile.vectors, vectors), 0, -1) if vectors % n == 0)
    keys_ahead = _ahead(shape.key_block * tile.blocks, shape.key_block) if m == 1 else ""
    values_ahead = _ahead(shape.value_block, shape.value_block) if m == 1 and vectors == at_once else ""
    return f"""
static void attend_{m}(float* restrict to, const float* restrict q, const int* restrict positions,
    const signed char* restrict key, const signed char* restrict value) {{
  signed char query[{m}][{row_bytes(shape.size)}] __attribute__((aligned(64)));
  signed char weight[{m}][{2 * padded(shape.length)}] __attribute__((aligned(64)));
  float scores[{m}][{shape.length + LANES}] __attribute__((aligned(64))), scales[{m}];
  int most = 0;
  for (int m = 0; m < {m}; m++) {{
    most = positions[m] > most ? positions[m] : most;
    quantise_query(query[m], q + (long)m * {shape.stride});
  }}
  int used = most / 16 + 1, block = 0;
  for (; block + {tile.blocks} <= used; block += {tile.blocks}) {{
    {_scores(shape, m, tile.blocks, keys_ahead)}
  }}
  for (; block < used; block++) {{
    {_scores(shape, m, 1, "")}
  }}
  for (int m = 0; m < {m}; m++) scales[m] = weigh(weight[m], scores[m], positions[m], used, value);
  for (int d = 0; d < {vectors}; d += {at_once}) {{
    S sums[{m}][{at_once}];
    #pragma clang loop unroll(full)
    for (int m = 0; m < {m}; m++)
      for (int g = 0; g < {at_once}; g++) sums[m][g] = nothing();
    for (int block = 0; block < used; block++) {{
      const signed char* p = value + (long)block * {shape.value_block} + {BLOCK_SCALES} + d * {LANES * depth};
      {values_ahead}
      #pragma clang loop unroll(disable)
      for (int t = 0; t < 16; t += {depth}, p += {shape.padded * depth}) {{
        W read[{at_once}];
        #pragma clang loop unroll(full)
        for (int g = 0; g < {at_once}; g++) read[g] = load_weights(p + g * {LANES * depth});
        #pragma clang loop unroll(full)
        for (int m = 0; m < {m}; m++) {{
          X factor = load_factor(weight[m], block * 16 + t, {padded(shape.length)});
          #pragma clang loop unroll(full)
          for (int g = 0; g < {at_once}; g++) sums[m][g] = dot(sums[m][g], read[g], factor);
        }}
      }}
    }}
    #pragma clang loop unroll(full)
    for (int m = 0; m < {m}; m++)
      for (int g = 0; g < {at_once}; g++) {{
        V result = __builtin_convertvector(total_of(sums[m][g]), V) * scales[m];
        {_store(shape)}
      }}
  }}
}}
"""


def _ahead(count: int, block: int) -> str:
    """Ask for ``count`` bytes some blocks behind ``p``."""
    return ask_ahead("p", -(-count // 64), block * AHEAD_BLOCKS)


def _scores(shape: Shape, m: int, blocks: int, ahead: str) -> str:
    """Fill ``scores`` of ``m`` slots with q · key of ``blocks`` blocks of 16 positions, group by group of a key."""
    depth = shape.instructions.depth
    return f"""#pragma clang fp contract(off)
    const signed char* p = key + (long)block * {shape.key_block};
    {ahead}
    V total[{m}][{blocks}];
    #pragma clang loop unroll(full)
    for (int group = 0; group < {key_groups(shape.size)}; group++) {{
      S s[{m}][{blocks}];
      #pragma clang loop unroll(full)
      for (int m = 0; m < {m}; m++)
        for (int j = 0; j < {blocks}; j++) s[m][j] = nothing();
      int end = (group + 1) * {KEY_GROUP} < {shape.size} ? (group + 1) * {KEY_GROUP} : {shape.size};
      for (int d = group * {KEY_GROUP}; d < end; d += {depth}) {{
        W read[{blocks}];
        #pragma clang loop unroll(full)
        for (int j = 0; j < {blocks}; j++)
          read[j] = load_weights(p + j * {shape.key_block} + {shape.key_scales} + d * {LANES});
        #pragma clang loop unroll(full)
        for (int m = 0; m < {m}; m++) {{
          X factor = load_factor(query[m] + {SCALE_BYTES}, d, {padded(shape.size)});
          #pragma clang loop unroll(full)
          for (int j = 0; j < {blocks}; j++) s[m][j] = dot(s[m][j], read[j], factor);
        }}
      }}
      #pragma clang loop unroll(full)
      for (int m = 0; m < {m}; m++)
        for (int j = 0; j < {blocks}; j++) {{
          V of_group = __builtin_convertvector(total_of(s[m][j]), V)
            * *(const V*)(p + j * {shape.key_block} + group * {BLOCK_SCALES});
          total[m][j] = group == 0 ? of_group : total[m][j] + of_group;
        }}
    }}
    #pragma clang loop unroll(full)
    for (int m = 0; m < {m}; m++)
      for (int j = 0; j < {blocks}; j++)
        *(V*)(scores[m] + (block + j) * 16) = total[m][j] * *(const float*)query[m];"""


def _store(shape: Shape) -> str:
    """Write 16 elements of slot ``m``, or as many as there are."""
    if shape.size % LANES == 0:
        return f"*(V*)(to + (long)m * {shape.width} + (d + g) * 16) = result;"
    return f"""for (int i = 0; i < 16; i++)
          if ((d + g) * 16 + i < {shape.size}) to[(long)m * {shape.width} + (d + g) * 16 + i] = result[i];"""
