"""The kernels of a CPU, written in C with clang's vector types: one launch each where ``kernels.py`` takes several.

They compute what the UOp kernels compute (a test compares the two) and reach tinygrad as finished source, so that a
start is not spent on lowering: a tile of 256 accumulators takes tinygrad seconds and clang 60 ms. A vector is always 16
floats; clang splits it into what the processor has. Each kernel takes the number of its slice last: slices share
nothing but inputs, so that any thread may take any of them, in any order.

Shapes and sizes are named as in ``kernels.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from plugins.gpt2.model.constants import Activation, Weights

LANES = 16
"""Floats in one vector of the C source."""

C_TYPES: dict[Weights, str] = {"fp32": "float", "fp16": "__fp16", "bf16": "unsigned short", "int8": "signed char"}

PRELUDE = """
typedef float V __attribute__((ext_vector_type(16), aligned(4)));
typedef int VI __attribute__((ext_vector_type(16), aligned(4)));
typedef unsigned VU __attribute__((ext_vector_type(16), aligned(4)));
typedef __fp16 VH __attribute__((ext_vector_type(16), aligned(2)));
typedef unsigned short VS __attribute__((ext_vector_type(16), aligned(2)));
typedef signed char VB __attribute__((ext_vector_type(16), aligned(1)));
#define INLINE static inline __attribute__((always_inline))
INLINE V load_float(const float* p) { return *(const V*)p; }
INLINE V load___fp16(const __fp16* p) { return __builtin_convertvector(*(const VH*)p, V); }
INLINE V load_short(const unsigned short* p) { return (V)(__builtin_convertvector(*(const VS*)p, VU) << 16); }
INLINE V load_char(const signed char* p) { return __builtin_convertvector(*(const VB*)p, V); }
INLINE float sum(V v) {
  float s = 0;
  for (int i = 0; i < 16; i++) s += v[i];
  return s;
}
// exp by 2^n * p(r), |r| <= 1/2: Cephes' polynomial, 2 ulp; below -87 it is 0.
INLINE V vexp(V x) {
  x = __builtin_elementwise_max(x, (V)-104.0f);
  x = __builtin_elementwise_min(x, (V)88.0f);
  V n = __builtin_elementwise_floor(x * 1.44269504088896341f + 0.5f);
  V r = x - n * 0.693359375f + n * 2.12194440e-4f;
  V p = (V)1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  VI e = __builtin_convertvector(n, VI) + 127;
  e = e > 0 ? e : 0;
  return p * (V)(e << 23);
}
INLINE V verf(V x) {  // Abramowitz and Stegun 7.1.26
  V a = __builtin_elementwise_abs(x), t = 1.0f / (1.0f + 0.3275911f * a);
  V tail = t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  V y = 1.0f - tail * vexp(-a * a);
  return x < 0 ? -y : y;
}
INLINE V activate_gelu_new(V x) {  // the tanh form: x * sigmoid(2z)
  V z = x * (1.0f + 0.044715f * (x * x)) * 1.5957691216057308f;
  return x / (1.0f + vexp(-z));
}
INLINE V activate_gelu(V x) { return 0.5f * x * (1.0f + verf(x * 0.7071067811865476f)); }
INLINE V activate_relu(V x) { return __builtin_elementwise_max(x, (V)0.0f); }
INLINE V activate_none(V x) { return x; }
"""

LOADERS = {"float": "load_float", "__fp16": "load___fp16", "unsigned short": "load_short", "signed char": "load_char"}


@dataclass(frozen=True, slots=True)
class Tile:
    """What one pass of a product holds in registers: slots × vectors accumulators."""

    slots: int
    vectors: int


def tile_for(slots: int, vector_bits: int) -> Tile:
    """Return the tile for a number of slots: as many accumulators as the registers hold beside the operands.

    AVX-512 has 32 registers of one vector, AVX2 16 of half a vector, NEON 32 of a quarter. Whatever the tile, each sum
    is taken in the same order: a text's logits are the same to the last bit, alone or among others.
    """
    wide = vector_bits >= 512
    if slots % 8 == 0 and wide:
        return Tile(8, 1)
    if slots % 4 == 0:
        return Tile(4, 4 if wide else 1)
    if slots % 2 == 0:
        return Tile(2, 4 if wide else 2)
    return Tile(1, 4)


def matmul(
    name: str,
    *,
    slots: int,
    stride: int,
    k: int,
    blocks: int,
    slices: int,
    weights: Weights,
    tile: Tile,
    biased: bool,
    residual: bool,
    activation: Activation | None,
) -> str:
    """Return the source of ``out = activation(x @ W · scale + bias) + residual``; blocks are 64 columns wide.

    ``stride`` is the distance of two slots in x; ``slots`` is a multiple of the tile's. A tile of many slots is first
    copied so that its factors of one step lie together: rows of x are a power of two apart and would share cache lines'
    places.
    """
    kind = C_TYPES[weights]
    load = LOADERS[kind]
    extra = "".join(
        f", const float* restrict {part}"
        for part, wanted in (("scale", weights == "int8"), ("bias", biased), ("residual", residual))
        if wanted
    )
    m, j = tile.slots, tile.vectors
    value = f"total[m][j]{' * *(const V*)(scale + column)' if weights == 'int8' else ''}"
    value = f"{value} + *(const V*)(bias + column)" if biased else value
    value = f"activate_{activation or 'none'}({value})"
    value = f"{value} + *(const V*)(residual + at)" if residual else value
    packed = m >= 4
    factor = f"near[i * {m} + m]" if packed else f"rows[m * {stride} + i]"
    pack = f"""
    for (int m = 0; m < {m}; m++)
      for (int i = 0; i < {k}; i++) near[i * {m} + m] = rows[m * {stride} + i];"""
    return f"""{PRELUDE}
void {name}(float* restrict out, const float* restrict x, const {kind}* restrict w{extra}, int slice) {{
  int first = (int)((long){blocks} * slice / {slices}), last = (int)((long){blocks} * (slice + 1) / {slices});
  {f"float near[{k * m}] __attribute__((aligned(64)));" if packed else ""}
  for (int b = 0; b < {slots}; b += {m}) {{
    const float* rows = x + (long)b * {stride};{pack if packed else ""}
    for (int block = first; block < last; block++)
      for (int part = 0; part < 4; part += {j}) {{
        const {kind}* p = w + (long)block * {k * 64} + part * 16;
        V total[{m}][{j}];
        for (int m = 0; m < {m}; m++)
          for (int j = 0; j < {j}; j++) total[m][j] = (V)0.0f;
        for (int i = 0; i < {k}; i++, p += 64) {{
          V column[{j}];
          #pragma clang loop unroll(full)
          for (int j = 0; j < {j}; j++) column[j] = {load}(p + j * 16);
          #pragma clang loop unroll(full)
          for (int m = 0; m < {m}; m++) {{
            V factor = (V){factor};
            #pragma clang loop unroll(full)
            for (int j = 0; j < {j}; j++) total[m][j] += factor * column[j];
          }}
        }}
        for (int m = 0; m < {m}; m++)
          for (int j = 0; j < {j}; j++) {{
            int column = block * 64 + (part + j) * 16;
            long at = (long)(b + m) * {blocks * 64} + column;
            *(V*)(out + at) = {value};
          }}
      }}
  }}
}}
"""


def embed(*, slots: int, stride: int, width: int, positions: int, weights: Weights) -> str:
    """Return the source of ``out[b] = wte[token[b]] · scale[token[b]] + wpe[position[b]]``, a slot a slice."""
    kind = C_TYPES[weights]
    scale = ", const float* restrict scale" if weights == "int8" else ""
    read = "(float)table[e * 64]"
    if weights == "bf16":
        read = "widen(table[e * 64])"
    return f"""
static inline float widen(unsigned short bits) {{
  union {{ unsigned u; float f; }} both = {{(unsigned)bits << 16}};
  return both.f;
}}
void embed(float* restrict out, const int* restrict inputs, const {kind}* restrict wte,
           const float* restrict wpe{scale}, int slice) {{
  int token = inputs[slice], position = inputs[{slots} + slice];
  if (position >= {positions}) position = {positions - 1};
  const {kind}* table = wte + (long)(token / 64) * {64 * width} + token % 64;
  float factor = {"scale[token]" if scale else "1.0f"};
  for (int e = 0; e < {width}; e++)
    out[slice * {stride} + e] = {read} * factor + wpe[(long)position * {width} + e];
}}
"""


def layer_norm(*, stride: int, width: int, epsilon: float, gathered: bool) -> str:
    """Return the source of layer normalisation, an output row a slice."""
    whole = width // LANES * LANES
    return f"""{PRELUDE}
void layer_norm(float* restrict out, const float* restrict x, const float* restrict weight,
                const float* restrict bias{", const int* restrict wanted" if gathered else ""}, int slice) {{
  const float* row = x + (long){"wanted[slice]" if gathered else "slice"} * {stride};
  float* to = out + (long)slice * {width};
  V sums = (V)0.0f, squares = (V)0.0f;
  for (int e = 0; e < {whole}; e += 16) sums += *(const V*)(row + e);
  float total = sum(sums);
  for (int e = {whole}; e < {width}; e++) total += row[e];
  float mean = total / {width};
  for (int e = 0; e < {whole}; e += 16) {{
    V c = *(const V*)(row + e) - mean;
    squares += c * c;
  }}
  float variance = sum(squares);
  for (int e = {whole}; e < {width}; e++) variance += (row[e] - mean) * (row[e] - mean);
  float rate = 1.0f / __builtin_sqrtf(variance / {width} + {epsilon!r}f);
  for (int e = 0; e < {whole}; e += 16)
    *(V*)(to + e) = (*(const V*)(row + e) - mean) * rate * *(const V*)(weight + e) + *(const V*)(bias + e);
  for (int e = {whole}; e < {width}; e++) to[e] = (row[e] - mean) * rate * weight[e] + bias[e];
}}
"""


def attention(*, slots: int, stride: int, heads: int, size: int, blocks: int, cache: Weights) -> str:
    """Return the source of a whole attention between its projections, a head a slice.

    First the head's keys and values of every slot are written, then each slot attends: within one step a slot may see
    the keys of its neighbours, and no other slice touches this head's part of the cache. keys are (rows, H, T/16, D,
    16), values (rows, H, T, D).
    """
    kind = C_TYPES[cache]
    load, length = LOADERS[kind], blocks * LANES
    lanes = min(size & -size, LANES)
    vectors = size // lanes
    narrow = f"ext_vector_type({lanes}), " if lanes > 1 else ""
    convert = f"__builtin_convertvector(*(const {kind[0]}D*)p, D)" if lanes > 1 else "(float)*p"
    return f"""{PRELUDE}
typedef float D __attribute__(({narrow}aligned(4)));
typedef {kind} {kind[0]}D __attribute__(({narrow}aligned(2)));
INLINE D load_values(const {kind}* p) {{ return {convert}; }}
void attention(float* restrict out, {kind}* restrict keys, {kind}* restrict values, const float* restrict qkv,
               const int* restrict inputs, int head) {{
  const int* positions = inputs + {slots};
  const int* rows = inputs + {2 * slots};
  for (int b = 0; b < {slots}; b++) {{
    int t = positions[b];
    long text = (long)rows[b] * {heads} + head;
    const float* k = qkv + (long)b * {stride} + {heads * size} + head * {size};
    const float* v = k + {heads * size};
    {kind}* key = keys + (text * {blocks} + t / 16) * {16 * size} + t % 16;
    {kind}* value = values + (text * {length} + t) * {size};
    for (int d = 0; d < {size}; d++) {{
      key[d * 16] = ({kind})k[d];
      value[d] = ({kind})v[d];
    }}
  }}
  float score[{length}] __attribute__((aligned(64)));
  for (int b = 0; b < {slots}; b++) {{
    int last = positions[b], used = last / 16 + 1;
    long text = (long)rows[b] * {heads} + head;
    const float* q = qkv + (long)b * {stride} + head * {size};
    const {kind}* key = keys + text * {blocks * 16 * size};
    V peak = (V)-3.0e38f;
    int block = 0;
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
    for (int t = last + 1; t < used * 16; t++) score[t] = -3.0e38f;
    for (int i = 0; i < used; i++) peak = __builtin_elementwise_max(peak, *(const V*)(score + i * 16));
    float highest = peak[0];
    for (int i = 1; i < 16; i++) highest = peak[i] > highest ? peak[i] : highest;
    V sums = (V)0.0f;
    for (int i = 0; i < used; i++) {{
      V e = vexp((*(const V*)(score + i * 16) - highest) * {1 / math.sqrt(size)!r}f);
      *(V*)(score + i * 16) = e;
      sums += e;
    }}
    float scale = 1.0f / sum(sums);
    const {kind}* value = values + text * {length * size};
    D mixed[2][{vectors}];
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
      *(D*)(out + (long)b * {heads * size} + head * {size} + d * {lanes}) = (mixed[0][d] + mixed[1][d]) * scale;
  }}
}}
"""
