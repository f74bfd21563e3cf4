"""Products of 8-bit weights in integers: rows of 12 bits with one scale each, and exact sums of 32 bits.

A *quantised row* stands for K floats: its scale (fp32) in the first 64 bytes, then the integers, zeros behind the last.
Whoever makes a row quantises it: layer normalisation, attention, and the product that ends in an activation. 2047 · 127
· K stays below 2³¹ up to K = 8,260 and wider rows take fewer steps, so that no sum can overflow. An exact sum is the
same in any order: a text's logits do not depend on who is beside it, on the tile, or on the processor's instructions.

Weights are (N/64, K/depth, 64, depth): ``depth`` neighbours of a column lie together, because an instruction adds so
many products to one sum. x86 multiplies 16 bits by 16, Arm 8 by 8: there a row is kept as its high and low 6 bits.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from plugins.gpt2.model.constants import Activation, Products
from plugins.gpt2.model.cpu.prelude import PRELUDE, epilogue, parameters

MOST_STEPS = 2047
"""12 bits: with 11 the loss becomes visible, with 13 nothing is gained."""
SCALE_BYTES = 64
ROW_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Instructions:
    """How a processor multiplies integers. ``needs`` are its flags in /proc/cpuinfo, ``bits`` its vectors' width."""

    name: Products
    needs: frozenset[str]
    depth: int
    bits: int


def _x86(name: Products, bits: int, *needs: str) -> Instructions:
    return Instructions(name, frozenset(needs), depth=2, bits=bits)


INSTRUCTIONS = (
    _x86("avx512-vnni", 512, "avx512f", "avx512bw", "avx512_vnni"),
    _x86("avx-vnni", 256, "avx2", "avx_vnni"),
    _x86("avx512", 512, "avx512f", "avx512bw"),
    _x86("avx2", 256, "avx2"),
    Instructions("dotprod", frozenset(("asimddp",)), depth=4, bits=128),
)
"""The best first."""


def choose(features: Collection[str], wanted: Products | None = None) -> Instructions | None:
    """Return the instructions for a processor with ``features``, or those ``wanted``; None: products in fp32.

    Raises RuntimeError where the processor does not have what is wanted.
    """
    if wanted == "fp32":
        return None
    usable = [found for found in INSTRUCTIONS if found.needs <= frozenset(features)]
    if wanted is None:
        return next(iter(usable), None)
    for found in usable:
        if found.name == wanted:
            return found
    there = ", ".join((*(found.name for found in usable), "fp32"))
    raise RuntimeError(f"this processor cannot multiply by {wanted}. It can by {there}; leave it empty for the best.")


def steps(k: int) -> int:
    """Return the largest integer in a row of ``k``: so many that no sum with 8-bit weights leaves 32 bits."""
    return min(MOST_STEPS, (2**31 - 1) // (127 * k))


def row_bytes(k: int) -> int:
    """Return the bytes of a quantised row, whole cache lines."""
    return SCALE_BYTES + 2 * _padded(k)


def _padded(k: int) -> int:
    return -(-k // ROW_ALIGNMENT) * ROW_ALIGNMENT


# Each set of instructions defines S, sums of 16 columns; W, their weights in one step; X, a row's integers in one step.
_PAIRS = """
typedef short W __attribute__((ext_vector_type(32), aligned(2)));
typedef W X;
typedef signed char B32 __attribute__((ext_vector_type(32), aligned(1)));
typedef VI S;
INLINE W load_weights(const signed char* p) { return __builtin_convertvector(*(const B32*)p, W); }
INLINE X load_factor(const signed char* row, int i) { return (X)(VI)(*(const int*)(row + i * 2)); }
INLINE S nothing(void) { return (S)0; }
INLINE VI total_of(S s) { return s; }
INLINE void keep(signed char* row, int e, int n) { ((short*)row)[e] = (short)n; }
INLINE void keep_vector(signed char* row, int e, VI n) {
  *(VSS*)((short*)row + e) = __builtin_convertvector(n, VSS);
}
"""
_HALVES = """
typedef short H16 __attribute__((ext_vector_type(16)));
typedef int H8 __attribute__((ext_vector_type(8)));
INLINE S dot(S s, W w, X x) {
  S r;
  r.lo = dot_half(s.lo, w.lo, x.lo);
  r.hi = dot_half(s.hi, w.hi, x.hi);
  return r;
}
"""
_BUILTIN = "(__attribute__((__vector_size__({0}))) short)"


def _madd(bits: int) -> str:
    cast = _BUILTIN.format(bits // 8)
    return f"__builtin_ia32_pmaddwd{bits}({cast}w, {cast}x)"


# vpdpwssd as text: newer clangs take it apart into vpmaddwd and vpaddd wherever they think that the latency counts.
_DOTS: dict[Products, str] = {
    "avx512-vnni": f"""{_PAIRS}
INLINE S dot(S s, W w, X x) {{
  __asm__("vpdpwssd %2, %1, %0" : "+v"(s) : "v"(w), "v"(x));
  return s;
}}
""",
    "avx512": f"""{_PAIRS}
INLINE S dot(S s, W w, X x) {{ return s + (S){_madd(512)}; }}
""",
    "avx-vnni": _PAIRS
    + _HALVES.replace(
        "INLINE S",
        """INLINE H8 dot_half(H8 s, H16 w, H16 x) {
  __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(s) : "x"(w), "x"(x));
  return s;
}
INLINE S""",
    ),
    "avx2": _PAIRS
    + _HALVES.replace(
        "INLINE S", f"INLINE H8 dot_half(H8 s, H16 w, H16 x) {{ return s + (H8){_madd(256)}; }}\nINLINE S"
    ),
}


def _sdot(k: int) -> str:
    """Two planes of bytes: q >> 6 and q & 63; their sums come together as 64 · high + low."""
    return f"""
typedef signed char Q16 __attribute__((ext_vector_type(16), aligned(1)));
typedef int Q4 __attribute__((ext_vector_type(4)));
typedef struct {{ Q16 part[4]; }} W;
typedef struct {{ Q16 high, low; }} X;
typedef struct {{ Q4 high[4], low[4]; }} S;
INLINE S nothing(void) {{
  S s;
  for (int i = 0; i < 4; i++) s.high[i] = s.low[i] = (Q4)0;
  return s;
}}
INLINE W load_weights(const signed char* p) {{
  W w;
  for (int i = 0; i < 4; i++) w.part[i] = *(const Q16*)(p + 16 * i);
  return w;
}}
INLINE X load_factor(const signed char* row, int i) {{
  X x = {{(Q16)(Q4)(*(const int*)(row + i)), (Q16)(Q4)(*(const int*)(row + {_padded(k)} + i))}};
  return x;
}}
INLINE S dot(S s, W w, X x) {{
  #pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) {{
    __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(s.high[i]) : "w"(w.part[i]), "w"(x.high));
    __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(s.low[i]) : "w"(w.part[i]), "w"(x.low));
  }}
  return s;
}}
INLINE VI total_of(S s) {{
  VI total;
  for (int i = 0; i < 16; i++) total[i] = s.high[i / 4][i % 4] * 64 + s.low[i / 4][i % 4];
  return total;
}}
INLINE void keep(signed char* row, int e, int n) {{
  row[e] = (signed char)(n >> 6);
  row[e + {_padded(k)}] = (signed char)(n & 63);
}}
INLINE void keep_vector(signed char* row, int e, VI n) {{
  *(VB*)(row + e) = __builtin_convertvector(n >> 6, VB);
  *(VB*)(row + e + {_padded(k)}) = __builtin_convertvector(n & 63, VB);
}}
"""


def _dots(instructions: Instructions, k: int) -> str:
    return _sdot(k) if instructions.name == "dotprod" else _DOTS[instructions.name]


def quantiser(instructions: Instructions, k: int) -> str:
    """Return the C function ``quantise(signed char* to, const float* from)`` for rows of ``k``; wants ``PRELUDE``.

    Scale and integers are the same on every processor: nothing in it may be fused into one rounding.
    """
    whole = k // 16 * 16
    return f"""{_dots(instructions, k)}
INLINE void quantise(signed char* to, const float* from) {{
  #pragma clang fp contract(off)
  V peaks = (V)0.0f;
  for (int e = 0; e < {whole}; e += 16)
    peaks = __builtin_elementwise_max(peaks, __builtin_elementwise_abs(*(const V*)(from + e)));
  float peak = 0.0f;
  for (int i = 0; i < 16; i++) peak = peaks[i] > peak ? peaks[i] : peak;
  for (int e = {whole}; e < {k}; e++) peak = __builtin_fabsf(from[e]) > peak ? __builtin_fabsf(from[e]) : peak;
  float rate = peak > 1e-30f ? {steps(k)}.0f / peak : 0.0f;
  *(float*)to = peak / {steps(k)}.0f;
  signed char* row = to + {SCALE_BYTES};
  for (int e = 0; e < {whole}; e += 16) {{
    V scaled = *(const V*)(from + e) * rate;
    V shifted = scaled + 12582912.0f;  // 1.5 · 2²³: the sum's last bits are the nearest integer, of two the even one
    keep_vector(row, e, (VI)shifted - 0x4b400000);
  }}
  for (int e = {whole}; e < {k}; e++) {{
    union {{ float f; int i; }} shifted;
    float scaled = from[e] * rate;
    shifted.f = scaled + 12582912.0f;
    keep(row, e, shifted.i - 0x4b400000);
  }}
  for (int e = {k}; e < {_padded(k)}; e++) keep(row, e, 0);
}}
"""


def finish_rows(rows: int, k: int, stride: int, slices: int) -> str:
    """Return the end of a slice whose kernel makes quantised rows: the last slice to come here finds ``made`` whole.

    ``made`` (rows, ``stride``) is fp32, ``out`` the quantised rows, ``arrived`` one int that is 0 between launches.
    """
    return f"""
  if (__atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL) == {slices}) {{
    *arrived = 0;
    for (int b = 0; b < {rows}; b++) quantise(out + (long)b * {row_bytes(k)}, made + (long)b * {stride});
  }}"""


@dataclass(frozen=True, slots=True)
class Tile:
    """What one pass of a product holds in registers: slots × vectors of 16 sums."""

    slots: int
    vectors: int


def tile_for(slots: int, bits: int) -> Tile:
    """Return the tile for a number of slots: the sums, a step's weights and one factor fill the registers."""
    if bits >= 512:
        return Tile(8, 2) if slots % 8 == 0 else Tile(largest(slots, 4), 4)
    if bits >= 256:
        return Tile(4, 1) if slots % 4 == 0 else Tile(2, 2) if slots % 2 == 0 else Tile(1, 4)
    return Tile(2, 1) if slots % 2 == 0 else Tile(1, 2)


def largest(slots: int, most: int) -> int:
    """Return the largest power of two up to ``most`` that divides ``slots``."""
    return min(slots & -slots, most)


def matmul(
    name: str,
    *,
    instructions: Instructions,
    slots: int,
    k: int,
    blocks: int,
    slices: int,
    biased: bool,
    residual: bool,
    activation: Activation | None,
    quantised: bool,
) -> str:
    """Return the source of ``out = activation(x @ W · scales + bias) + residual``; x are quantised rows of ``k``.

    With ``quantised`` the result becomes quantised rows of N = 64 · ``blocks`` and is made in ``made`` (B, N) first.
    """
    tile, depth, width = tile_for(slots, instructions.bits), instructions.depth, blocks * 64
    extra = parameters(scaled=True, biased=biased, residual=residual)
    value = epilogue(
        "__builtin_convertvector(total_of(sums[m][j]), V) * (*(const V*)(scale + column) * of_row)",
        biased=biased,
        residual=residual,
        activation=activation,
    )
    row, at_once = row_bytes(k), 16 * depth
    outputs, target = "float* restrict out", "out"
    if quantised:
        outputs, target = "signed char* restrict out, float* restrict made, int* restrict arrived", "made"
    return f"""{PRELUDE}{quantiser(instructions, width) if quantised else _dots(instructions, k)}
void {name}({outputs}, const signed char* restrict x, const signed char* restrict w{extra}, int slice) {{
  int first = (int)((long){blocks} * slice / {slices}), last = (int)((long){blocks} * (slice + 1) / {slices});
  for (int block = first; block < last; block++)
    for (int part = 0; part < 4; part += {tile.vectors})
      for (int b = 0; b < {slots}; b += {tile.slots}) {{
        const signed char* p = w + (long)block * {64 * k} + part * {at_once};
        const signed char* rows = x + (long)b * {row};
        S sums[{tile.slots}][{tile.vectors}];
        #pragma clang loop unroll(full)
        for (int m = 0; m < {tile.slots}; m++)
          for (int j = 0; j < {tile.vectors}; j++) sums[m][j] = nothing();
        for (int i = 0; i < {k}; i += {depth}, p += {64 * depth}) {{
          W column[{tile.vectors}];
          #pragma clang loop unroll(full)
          for (int j = 0; j < {tile.vectors}; j++) column[j] = load_weights(p + j * {at_once});
          #pragma clang loop unroll(full)
          for (int m = 0; m < {tile.slots}; m++) {{
            X factor = load_factor(rows + m * {row} + {SCALE_BYTES}, i);
            #pragma clang loop unroll(full)
            for (int j = 0; j < {tile.vectors}; j++) sums[m][j] = dot(sums[m][j], column[j], factor);
          }}
        }}
        #pragma clang loop unroll(full)
        for (int m = 0; m < {tile.slots}; m++) {{
          float of_row = *(const float*)(rows + m * {row});
          #pragma clang loop unroll(full)
          for (int j = 0; j < {tile.vectors}; j++) {{
            int column = block * 64 + (part + j) * 16;
            long at = (long)(b + m) * {width} + column;
            *(V*)({target} + at) = {value};
          }}
        }}
      }}{finish_rows(slots, width, width, slices) if quantised else ""}
}}
"""
