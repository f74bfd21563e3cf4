"""Products of matrices in C: any strides, in blocks that the caches hold, packed so that a tile reads one stream.

The loops are those of Goto and van de Geijn ("Anatomy of high-performance matrix multiplication", 2008): a block of A
lies packed in the second cache, a panel of B in the first, a tile of sums in registers. A kernel's own function comes
first in its source, because the loader enters an object at its start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from plugins.gpt2.model.cpu.prelude import PRELUDE
from plugins.gpt2.training.cpu.bf16_tile import BF16
from plugins.gpt2.training.cpu.fp32_tile import FP32
from plugins.gpt2.training.precision import Precision

ROWS = 384
"""Most rows of a block of A that is packed."""
DEPTH: dict[Precision, int] = {"fp32": 192, "bf16": 384}
"""Most summands of it: as many bytes."""
COLUMNS = 768
"""Most columns of a slice: what a slice has packed of A is used for so many."""
LEAST = 160
"""Fewest rows and columns of a slice."""
SLICES = 4
"""So many a thread there should be, so that none waits long for another."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Sums in registers, rows × vectors of 16, and what they are sums of."""

    rows: int
    vectors: int
    precision: Precision = "fp32"


def tile_for(vector_bits: int, precision: Precision = "fp32") -> Tile:
    """Return the tile that the registers hold beside its operands; bf16's need 512 bits and ``avx512_bf16``."""
    return Tile(12, 2, precision) if vector_bits >= 512 else Tile(6, 1)


def head(tile: Tile) -> str:
    """Return what a source begins with: the product is declared, :func:`tail` defines it behind the kernel."""
    return f"""{PRELUDE}
#pragma clang fp reassociate(on) contract(fast)
enum {{ MR = {tile.rows}, NR = {tile.vectors}, WIDE = {16 * tile.vectors}, MC = {ROWS}, KC = {DEPTH[tile.precision]} }};
enum {{ ROW = KC / {2 if tile.precision == "bf16" else 1}, BLOCK = MR * ROW + 16 }};  // floats of a packed row, of MR
#define NEAR (MC / MR * BLOCK + ROW * WIDE)
typedef struct {{
  float* c; long cs;                      // m × n, rows cs apart
  const float* a; long ar, ac;            // a(i, p) = a[i * ar + p * ac], i < m <= MC; ar or ac is 1
  const float* b; long br, bc;            // b(p, j) = b[p * br + j * bc]; br or bc is 1
  const float* bias; const float* beside; // added once: a row of n, and m × n with rows cs apart; or 0
  int m, n, k, add;                       // with add the product is added to what c has
}} job;
static void product(const job* w, float* near) __attribute__((noinline));
INLINE void soon(const float* p) {{ __builtin_prefetch(p); }}  // asks for what is packed soon; past an end, too
INLINE int least(int x, int y) {{ return x < y ? x : y; }}
INLINE float highest(V v) {{
  float most = v[0];
  for (int i = 1; i < 16; i++) most = v[i] > most ? v[i] : most;
  return most;
}}
INLINE float number(float x) {{  // exp, as vexp does it
  x = x < -104.0f ? -104.0f : x > 88.0f ? 88.0f : x;
  float n = __builtin_floorf(x * 1.44269504088896341f + 0.5f);
  float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  int e = (int)n + 127;
  union {{ int i; float f; }} power = {{(e > 0 ? e : 0) << 23}};
  return p * power.f;
}}
"""


def tail(tile: Tile) -> str:
    """Return what a source ends with: the product that :func:`head` declared."""
    return f"{_turning()}{BF16 if tile.precision == 'bf16' else FP32}{_PRODUCT}"


def _turning() -> str:
    """Return the steps of a transposition of 16 × 16: blocks of 8, 4, 2 and 1 change places across the diagonal."""
    steps = []
    for size in (8, 4, 2, 1):
        low = ", ".join(str(j + (16 - size) * ((j & size) > 0)) for j in range(16))
        high = ", ".join(str(j + size + (16 - size) * ((j & size) > 0)) for j in range(16))
        steps.append(f"""
  #pragma clang loop unroll(full)
  for (int i = 0; i < 16; i++) if (!(i & {size})) {{
    VU one = s[i], two = s[i + {size}];
    s[i] = __builtin_shufflevector(one, two, {low});
    s[i + {size}] = __builtin_shufflevector(one, two, {high});
  }}""")
    return f"INLINE void turn(VU s[16]) {{{''.join(steps)}\n}}\n"


_PRODUCT = """
INLINE void keep(V total[MR][NR], const job* w, int i0, int j0, int add, int first) {
  int rows = least(MR, w->m - i0), columns = least(WIDE, w->n - j0);
  const float* bias = first && w->bias ? w->bias + j0 : 0;
  const float* beside = first && w->beside ? w->beside + i0 * w->cs + j0 : 0;
  float* c = w->c + i0 * w->cs + j0;
  if (rows == MR && columns == WIDE) {
    #pragma clang loop unroll(full)
    for (int r = 0; r < MR; r++)
      #pragma clang loop unroll(full)
      for (int v = 0; v < NR; v++) {
        V value = total[r][v];
        V* at = (V*)(c + r * w->cs + v * 16);
        if (add) value += *at;
        if (bias) value += *(const V*)(bias + v * 16);
        if (beside) value += *(const V*)(beside + r * w->cs + v * 16);
        *at = value;
      }
    return;
  }
  float spilled[MR * WIDE];
  #pragma clang loop unroll(full)
  for (int r = 0; r < MR; r++)
    #pragma clang loop unroll(full)
    for (int v = 0; v < NR; v++) *(V*)(spilled + r * WIDE + v * 16) = total[r][v];
  for (int r = 0; r < rows; r++) {
    int j = 0;
    for (; j + 16 <= columns; j += 16) {
      V value = *(const V*)(spilled + r * WIDE + j);
      if (add) value += *(const V*)(c + r * w->cs + j);
      if (bias) value += *(const V*)(bias + j);
      if (beside) value += *(const V*)(beside + r * w->cs + j);
      *(V*)(c + r * w->cs + j) = value;
    }
    for (; j < columns; j++) {
      float value = spilled[r * WIDE + j];
      if (add) value += c[r * w->cs + j];
      if (bias) value += bias[j];
      if (beside) value += beside[r * w->cs + j];
      c[r * w->cs + j] = value;
    }
  }
}
static void product(const job* w, float* near) {
  int parts = (w->k + KC - 1) / KC, even = ((w->k + parts - 1) / parts + STEP - 1) / STEP * STEP;
  float* panel = near + (MC / MR) * BLOCK;
  for (int p0 = 0; p0 < w->k; p0 += even) {
    int kc = least(even, w->k - p0);
    pack_a(near, w, p0, kc);
    for (int j0 = 0; j0 < w->n; j0 += WIDE) {
      pack_b(panel, w, p0, j0, kc);
      for (int i0 = 0; i0 < w->m; i0 += MR) {
        const float* block = near + i0 / MR * BLOCK;
        V total[MR][NR];
        #pragma clang loop unroll(full)
        for (int r = 0; r < MR; r++)
          #pragma clang loop unroll(full)
          for (int v = 0; v < NR; v++) total[r][v] = (V)0.0f;
        if (w->ac == 1) add_products(total, block, ROW, 1, panel, kc);
        else add_products(total, block, 1, MR, panel, kc);
        keep(total, w, i0, j0, w->add || p0, !p0);
      }
    }
  }
}
"""


@dataclass(frozen=True, slots=True)
class Product:
    """``out (M, N) = a (M, K) @ b (K, N)``; ``a_turned``, ``b_turned``: it lies as (K, M), as (N, K)."""

    m: int
    n: int
    k: int
    a_turned: bool = False
    b_turned: bool = False
    biased: bool = False
    beside: bool = False
    summed: bool = False
    """Whether the result is added to ``out`` where the last argument, ``kept``, is not 0."""
    threads: int = 2
    """So many share it."""

    @property
    def slices(self) -> int:
        """In how many pieces it may be made at the same time."""
        rows, columns = self._slice
        return math.ceil(self.m / rows) * math.ceil(self.n / columns)

    @property
    def _slice(self) -> tuple[int, int]:
        """Rows and columns of a slice, all nearly as many: enough slices, and the least to pack (B costs A twice)."""
        down = range(math.ceil(self.m / ROWS), max(1, self.m // LEAST) + 1)
        across = range(math.ceil(self.n / COLUMNS), max(1, self.n // LEAST) + 1)
        shapes = [(i, j) for i in down for j in across]
        enough = min(self.threads * SLICES, max(i * j for i, j in shapes))
        i, j = min(
            (each for each in shapes if each[0] * each[1] >= enough),
            key=lambda each: self.m * each[1] + 2 * self.n * each[0],
        )
        return math.ceil(self.m / i / 12) * 12, math.ceil(self.n / j / 32) * 32

    def source(self, name: str, tile: Tile) -> str:
        """Return the kernel."""
        extra = "".join(
            f", const float* restrict {part}"
            for part, there in (("bias", self.biased), ("beside", self.beside), ("kept", self.summed))
            if there
        )
        a = (1, self.m) if self.a_turned else (self.k, 1)
        b = (1, self.k) if self.b_turned else (self.n, 1)
        rows, columns = self._slice
        across = math.ceil(self.n / columns)
        return f"""{head(tile)}
void {name}(float* restrict out, const float* restrict a, const float* restrict b{extra}, int slice) {{
  float near[NEAR] __attribute__((aligned(64)));
  int i = slice / {across} * {rows}, j = slice % {across} * {columns};
  job w;
  w.c = out + (long)i * {self.n} + j; w.cs = {self.n};
  w.a = a + (long)i * {a[0]}; w.ar = {a[0]}; w.ac = {a[1]};
  w.b = b + (long)j * {b[1]}; w.br = {b[0]}; w.bc = {b[1]};
  w.bias = {"bias + j" if self.biased else "0"};
  w.beside = {f"beside + (long)i * {self.n} + j" if self.beside else "0"};
  w.m = least({rows}, {self.m} - i); w.n = least({columns}, {self.n} - j); w.k = {self.k};
  w.add = {"kept[0] != 0.0f" if self.summed else "0"};
  product(&w, near);
}}
{tail(tile)}"""
