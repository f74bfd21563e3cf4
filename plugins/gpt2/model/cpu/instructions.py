"""The instructions that multiply integers, and what a processor has of them.

Each is C that defines S, sums of 16 columns; W, the weights that go into them in one step; X, a row's integers of one
step; ``dot``, which adds the products of one step; ``load_packed`` and ``unpack`` for weights of 4 bits; and how a
row's integers lie: x86 multiplies 16 bits by 16, Arm 8 by 8, so that a row is kept there as its high 8 and its low 7
bits, in two planes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from plugins.gpt2.model.constants import Products


@dataclass(frozen=True, slots=True)
class Instructions:
    """How a processor multiplies integers."""

    name: Products
    needs: frozenset[str]
    """The processor's features, as /proc/cpuinfo calls them."""
    bits: int
    """The width of its vectors."""
    depth: int
    """So many products go into one sum at once."""
    rate: float
    """Products that a core makes in a second, about: how long a piece of a prompt may be."""
    source: str = field(repr=False)
    of_bytes: bool = False
    """Whether it has ``dot_bytes``: four products of 8 by 8 bits at once where it makes two of 16 by 16."""


_PAIRS = """
typedef short W __attribute__((ext_vector_type(32), aligned(2)));
typedef W X;
typedef signed char B32 __attribute__((ext_vector_type(32), aligned(1)));
typedef VI S;
INLINE W load_weights(const signed char* p) { return __builtin_convertvector(*(const B32*)p, W); }
INLINE W load_packed(const signed char* p) { return *(const W*)p; }
INLINE W unpack(W packed, int step) { return (packed << (short)(12 - 4 * step)) >> 12; }
INLINE X load_factor(const signed char* row, int i, int plane) { return (X)(VI)(*(const int*)(row + i * 2)); }
INLINE S nothing(void) { return (S)0; }
INLINE VI total_of(S s) { return s; }
INLINE void keep(signed char* row, int e, int n, int plane) { ((short*)row)[e] = (short)n; }
INLINE void keep_vector(signed char* row, int e, VI n, int plane) {
  *(VSS*)((short*)row + e) = __builtin_convertvector(n, VSS);
}
"""
_HALVES = """
INLINE S dot(S s, W w, X x) {
  S r;
  r.lo = dot_half(s.lo, w.lo, x.lo);
  r.hi = dot_half(s.hi, w.hi, x.hi);
  return r;
}
"""
_OF_HALVES = f"""{_PAIRS}
typedef short H16 __attribute__((ext_vector_type(16)));
typedef short P16 __attribute__((__vector_size__(32)));
typedef int H8 __attribute__((ext_vector_type(8)));"""

# vpdpwssd as text: newer clangs take it apart into vpmaddwd and vpaddd wherever they think that latency counts.
_AVX512_VNNI = f"""{_PAIRS}
INLINE S dot(S s, W w, X x) {{
  __asm__("vpdpwssd %2, %1, %0" : "+v"(s) : "v"(w), "v"(x));
  return s;
}}
INLINE VI dot_bytes(VI s, W w, VI x) {{
  __asm__("vpdpbusd %2, %1, %0" : "+v"(s) : "v"(x), "v"(w));
  return s;
}}
// Two steps of two products, of 32 columns, as one step of four: the first 16 columns, and the last.
INLINE W four_of_low(W a, W b) {{
  return __builtin_shufflevector(a, b, {", ".join(f"{i}, {i + 32}" for i in range(16))});
}}
INLINE W four_of_high(W a, W b) {{
  return __builtin_shufflevector(a, b, {", ".join(f"{i}, {i + 32}" for i in range(16, 32))});
}}
"""
_AVX_VNNI = f"""{_OF_HALVES}
INLINE H8 dot_half(H8 s, H16 w, H16 x) {{
  __asm__("%{{vex%}} vpdpwssd %2, %1, %0" : "+x"(s) : "x"(w), "x"(x));
  return s;
}}{_HALVES}"""
_AVX512 = f"""{_PAIRS}
typedef short P32 __attribute__((__vector_size__(64)));
INLINE S dot(S s, W w, X x) {{ return s + (S)__builtin_ia32_pmaddwd512((P32)w, (P32)x); }}
"""
_AVX2 = f"""{_OF_HALVES}
INLINE H8 dot_half(H8 s, H16 w, H16 x) {{ return s + (H8)__builtin_ia32_pmaddwd256((P16)w, (P16)x); }}{_HALVES}"""

_DOTPROD = """
typedef signed char Q16 __attribute__((ext_vector_type(16), aligned(1)));
typedef int Q4 __attribute__((ext_vector_type(4)));
typedef struct { Q16 part[4]; } W;
typedef struct { Q16 high, low; } X;
typedef struct { Q4 high[4], low[4]; } S;
INLINE S nothing(void) {
  S s;
  for (int i = 0; i < 4; i++) s.high[i] = s.low[i] = (Q4)0;
  return s;
}
INLINE W load_weights(const signed char* p) {
  W w;
  for (int i = 0; i < 4; i++) w.part[i] = *(const Q16*)(p + 16 * i);
  return w;
}
INLINE W load_packed(const signed char* p) { return load_weights(p); }
INLINE W unpack(W packed, int step) {
  for (int i = 0; i < 4; i++) packed.part[i] = (packed.part[i] << (signed char)(4 - 4 * step)) >> 4;
  return packed;
}
INLINE X load_factor(const signed char* row, int i, int plane) {
  X x = {(Q16)(Q4)(*(const int*)(row + i)), (Q16)(Q4)(*(const int*)(row + plane + i))};
  return x;
}
INLINE S dot(S s, W w, X x) {
  #pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) {
    __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(s.high[i]) : "w"(w.part[i]), "w"(x.high));
    __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(s.low[i]) : "w"(w.part[i]), "w"(x.low));
  }
  return s;
}
INLINE VI total_of(S s) {
  VI total;
  for (int i = 0; i < 16; i++) total[i] = s.high[i / 4][i % 4] * 128 + s.low[i / 4][i % 4];
  return total;
}
INLINE void keep(signed char* row, int e, int n, int plane) {
  row[e] = (signed char)(n >> 7);
  row[e + plane] = (signed char)(n & 127);
}
INLINE void keep_vector(signed char* row, int e, VI n, int plane) {
  *(VB*)(row + e) = __builtin_convertvector(n >> 7, VB);
  *(VB*)(row + e + plane) = __builtin_convertvector(n & 127, VB);
}
"""


INSTRUCTIONS = (
    Instructions(
        "avx512-vnni", frozenset(("avx512f", "avx512bw", "avx512_vnni")), 512, 2, 120e9, _AVX512_VNNI, of_bytes=True
    ),
    Instructions("avx-vnni", frozenset(("avx2", "avx_vnni")), 256, 2, 60e9, _AVX_VNNI),
    Instructions("avx512", frozenset(("avx512f", "avx512bw")), 512, 2, 80e9, _AVX512),
    Instructions("avx2", frozenset(("avx2",)), 256, 2, 50e9, _AVX2),
    Instructions("dotprod", frozenset(("asimddp",)), 128, 4, 50e9, _DOTPROD),
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
