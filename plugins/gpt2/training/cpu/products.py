"""Products of matrices in C: any strides, in blocks that the caches hold, packed so that a tile reads one stream.

The loops are those of Goto and van de Geijn ("Anatomy of high-performance matrix multiplication", 2008): a block of A
lies packed in the second cache, a panel of B in the first, a tile of sums in registers. A kernel's own function comes
first in its source, because the loader enters an object at its start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from plugins.gpt2.model.cpu.prelude import PRELUDE

ROWS, DEPTH = 384, 192
"""Most rows and summands of a block of A that is packed."""
COLUMNS = 768
"""Columns of a slice: what a slice has packed of A is used for so many."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Sums in registers: rows × vectors of 16."""

    rows: int
    vectors: int


def tile_for(vector_bits: int) -> Tile:
    """Return the tile that the registers hold beside its operands."""
    return Tile(12, 2) if vector_bits >= 512 else Tile(6, 1)


def head(tile: Tile) -> str:
    """Return what a source begins with: the product is declared, :func:`tail` defines it behind the kernel."""
    return f"""{PRELUDE}
#pragma clang fp reassociate(on) contract(fast)
enum {{ MR = {tile.rows}, NR = {tile.vectors}, WIDE = {16 * tile.vectors}, MC = {ROWS}, KC = {DEPTH} }};
#define NEAR (MC * KC + KC * WIDE)
typedef struct {{
  float* c; long cs;                      // m × n, rows cs apart
  const float* a; long ar, ac;            // a(i, p) = a[i * ar + p * ac], i < m <= MC
  const float* b; long br, bc;            // b(p, j) = b[p * br + j * bc]
  const float* bias; const float* beside; // added once: a row of n, and m × n with rows cs apart; or 0
  int m, n, k, add;                       // with add the product is added to what c has
}} job;
static void product(const job* w, float* near) __attribute__((noinline));
INLINE int least(int x, int y) {{ return x < y ? x : y; }}
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


TAIL = """
INLINE void pack_a(float* to, const job* w, int i0, int p0, int kc) {
  const float* a = w->a + i0 * w->ar + p0 * w->ac;
  int rows = least(MR, w->m - i0);
  if (rows == MR && w->ar == 1) {
    for (int p = 0; p < kc; p++)
      for (int r = 0; r < MR; r++) to[p * MR + r] = a[p * w->ac + r];
  } else if (rows == MR) {
    for (int p = 0; p < kc; p++)
      for (int r = 0; r < MR; r++) to[p * MR + r] = a[r * w->ar + p * w->ac];
  } else {
    for (int p = 0; p < kc; p++)
      for (int r = 0; r < MR; r++) to[p * MR + r] = r < rows ? a[r * w->ar + p * w->ac] : 0.0f;
  }
}
INLINE void pack_b(float* to, const job* w, int p0, int j0, int kc) {
  const float* b = w->b + p0 * w->br + j0 * w->bc;
  int columns = least(WIDE, w->n - j0);
  if (columns == WIDE && w->bc == 1) {
    for (int p = 0; p < kc; p++) {
      #pragma clang loop unroll(full)
      for (int v = 0; v < NR; v++) *(V*)(to + p * WIDE + v * 16) = *(const V*)(b + p * w->br + v * 16);
    }
  } else if (columns == WIDE && w->br == 1) {
    for (int j = 0; j < WIDE; j += 4) {  // four rows at a time: stores of neighbours
      const float *r0 = b + j * w->bc, *r1 = r0 + w->bc, *r2 = r1 + w->bc, *r3 = r2 + w->bc;
      for (int p = 0; p < kc; p++) {
        float* at = to + p * WIDE + j;
        at[0] = r0[p]; at[1] = r1[p]; at[2] = r2[p]; at[3] = r3[p];
      }
    }
  } else {
    for (int p = 0; p < kc; p++)
      for (int j = 0; j < WIDE; j++) to[p * WIDE + j] = j < columns ? b[p * w->br + j * w->bc] : 0.0f;
  }
}
INLINE void tile(const float* pa, const float* pb, int kc, const job* w, int i0, int j0, int add, int first) {
  V total[MR][NR];
  #pragma clang loop unroll(full)
  for (int r = 0; r < MR; r++)
    #pragma clang loop unroll(full)
    for (int v = 0; v < NR; v++) total[r][v] = (V)0.0f;
  for (int p = 0; p < kc; p++, pa += MR, pb += WIDE) {
    V column[NR];
    #pragma clang loop unroll(full)
    for (int v = 0; v < NR; v++) column[v] = *(const V*)(pb + v * 16);
    #pragma clang loop unroll(full)
    for (int r = 0; r < MR; r++) {
      V factor = (V)pa[r];
      #pragma clang loop unroll(full)
      for (int v = 0; v < NR; v++) total[r][v] += factor * column[v];
    }
  }
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
  for (int r = 0; r < rows; r++)
    for (int j = 0; j < columns; j++) {
      float value = spilled[r * WIDE + j];
      if (add) value += c[r * w->cs + j];
      if (bias) value += bias[j];
      if (beside) value += beside[r * w->cs + j];
      c[r * w->cs + j] = value;
    }
}
static void product(const job* w, float* near) {
  int parts = (w->k + KC - 1) / KC, even = (w->k + parts - 1) / parts;
  float* panel = near + MC * KC;
  for (int p0 = 0; p0 < w->k; p0 += even) {
    int kc = least(even, w->k - p0);
    for (int i0 = 0; i0 < w->m; i0 += MR) pack_a(near + i0 * kc, w, i0, p0, kc);
    for (int j0 = 0; j0 < w->n; j0 += WIDE) {
      pack_b(panel, w, p0, j0, kc);
      for (int i0 = 0; i0 < w->m; i0 += MR) tile(near + i0 * kc, panel, kc, w, i0, j0, w->add || p0, !p0);
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

    @property
    def _columns(self) -> int:
        """Columns of a slice: enough slices that no thread waits long for another."""
        rows = math.ceil(self.m / ROWS)
        return min(COLUMNS, max(192, math.ceil(self.n * rows / 16 / 96) * 96))

    @property
    def slices(self) -> int:
        """In how many pieces it may be made at the same time."""
        return math.ceil(self.m / self._rows) * math.ceil(self.n / self._columns)

    @property
    def _rows(self) -> int:
        """Rows of a slice, all nearly as many."""
        return math.ceil(math.ceil(self.m / math.ceil(self.m / ROWS)) / 12) * 12

    def source(self, name: str, tile: Tile) -> str:
        """Return the kernel."""
        extra = "".join(
            f", const float* restrict {part}"
            for part, there in (("bias", self.biased), ("beside", self.beside), ("kept", self.summed))
            if there
        )
        a = (1, self.m) if self.a_turned else (self.k, 1)
        b = (1, self.k) if self.b_turned else (self.n, 1)
        across = math.ceil(self.n / self._columns)
        return f"""{head(tile)}
void {name}(float* restrict out, const float* restrict a, const float* restrict b{extra}, int slice) {{
  float near[NEAR] __attribute__((aligned(64)));
  int i = slice / {across} * {self._rows}, j = slice % {across} * {self._columns};
  job w;
  w.c = out + (long)i * {self.n} + j; w.cs = {self.n};
  w.a = a + (long)i * {a[0]}; w.ar = {a[0]}; w.ac = {a[1]};
  w.b = b + (long)j * {b[1]}; w.br = {b[0]}; w.bc = {b[1]};
  w.bias = {"bias + j" if self.biased else "0"};
  w.beside = {f"beside + (long)i * {self.n} + j" if self.beside else "0"};
  w.m = least({self._rows}, {self.m} - i); w.n = least({self._columns}, {self.n} - j); w.k = {self.k};
  w.add = {"kept[0] != 0.0f" if self.summed else "0"};
  product(&w, near);
}}
{TAIL}"""
