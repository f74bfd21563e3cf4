"""The kernels of a CPU, written in C with clang's vector types: one launch each where ``kernels.py`` takes several.

They compute what the UOp kernels compute (a test compares the two) and reach tinygrad as finished source, so that a
start is not spent on lowering: a tile of 256 accumulators takes tinygrad seconds and clang 60 ms. A vector is always 16
floats; clang splits it into what the processor has. Each kernel takes the number of its slice last: slices share
nothing but inputs, so that any thread may take any of them, in any order.

Shapes and sizes are named as in ``kernels.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from plugins.gpt2.model.constants import Activation, Weights
from plugins.gpt2.model.cpu.instructions import Instructions
from plugins.gpt2.model.cpu.prelude import C_TYPES, LANES, LOADERS, PRELUDE, WIDTHS, ask_ahead, epilogue, parameters
from plugins.gpt2.model.cpu.quantised_rows import GROUP, quantiser, row_bytes

COPIED = 4
"""A tile of so many slots or more has its part of x copied first."""


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
    kind, scaled = C_TYPES[weights], weights in ("int8", "int4")
    load, column, advance = f"{LOADERS[kind]}(p + j * 16)", 64 * k, "p += 64"
    extra = parameters(scaled=scaled, biased=biased, residual=residual)
    m, j = tile.slots, tile.vectors
    steps = ""
    if weights == "int4":
        groups = -(-k // GROUP)
        steps = f"const signed char* step = steps + (long)block * {64 * groups} + part * 16;"
        load = f"load_nibble(p + j * 16, i) * load_char(step + i / {GROUP} * 64 + j * 16)"
        extra, column, advance = f", const signed char* restrict steps{extra}", groups * GROUP * 32, "p += i % 2 * 64"
    value = f"total[m][j]{' * *(const V*)(scale + column)' if scaled else ''}"
    value = epilogue(value, biased=biased, residual=residual, activation=activation)
    fetches = ""
    if tile == Tile(slots, 4) and weights != "int4":  # it reads the matrix from end to end
        fetches = ask_ahead("p", WIDTHS[weights])
    packed = m >= COPIED
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
        const {kind}* p = w + (long)block * {column} + part * 16;
        {steps}
        V total[{m}][{j}];
        for (int m = 0; m < {m}; m++)
          for (int j = 0; j < {j}; j++) total[m][j] = (V)0.0f;
        for (int i = 0; i < {k}; {advance}, i++) {{
          {fetches}
          V column[{j}];
          #pragma clang loop unroll(full)
          for (int j = 0; j < {j}; j++) column[j] = {load};
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


def embed(*, slots: int, stride: int, width: int, positions: int, weights: Weights, depth: int) -> str:
    """Return the source of ``out[b] = wte[token[b]] · scale[token[b]] + wpe[position[b]]``, a slot a slice.

    ``depth`` is the layout's.
    """
    kind, stored = C_TYPES[weights], -(-width // depth) * depth
    scale = ", const float* restrict scale" if weights == "int8" else ""
    at = "e * 64" if depth == 1 else f"e / {depth} * {64 * depth} + e % {depth}"
    read = f"widen(table[{at}])" if weights == "bf16" else f"(float)table[{at}]"
    return f"""
static inline float widen(unsigned short bits) {{
  union {{ unsigned u; float f; }} both = {{(unsigned)bits << 16}};
  return both.f;
}}
void embed(float* restrict out, const int* restrict inputs, const {kind}* restrict wte,
           const float* restrict wpe{scale}, int slice) {{
  int token = inputs[slice], position = inputs[{slots} + slice];
  if (position >= {positions}) position = {positions - 1};
  const {kind}* table = wte + (long)(token / 64) * {64 * stored} + token % 64 * {depth};
  float factor = {"scale[token]" if scale else "1.0f"};
  for (int e = 0; e < {width}; e++)
    out[slice * {stride} + e] = {read} * factor + wpe[(long)position * {width} + e];
}}
"""


def layer_norm(
    *, stride: int, width: int, epsilon: float, gathered: bool, instructions: Instructions | None, grouped: bool = False
) -> str:
    """Return the source of layer normalisation, an output row a slice; with ``instructions`` the rows are quantised.

    ``grouped`` is that of :func:`~plugins.gpt2.model.cpu.quantised_rows.steps`.
    """
    whole = width // LANES * LANES
    out, make, end = "float* restrict out", f"float* to = out + (long)slice * {width};", ""
    if instructions is not None:
        out, make = "signed char* restrict out", f"float to[{width}] __attribute__((aligned(64)));"
        end = f"quantise(out + (long)slice * {row_bytes(width)}, to);"
    return f"""{PRELUDE}{"" if instructions is None else quantiser(instructions, width, grouped=grouped)}
void layer_norm({out}, const float* restrict x, const float* restrict weight,
                const float* restrict bias{", const int* restrict wanted" if gathered else ""}, int slice) {{
  const float* row = x + (long){"wanted[slice]" if gathered else "slice"} * {stride};
  {make}
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
  {end}
}}
"""
