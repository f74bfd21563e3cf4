"""Products in fp32: how a block of A and a panel of B lie when they are packed, and how a tile of sums reads them."""

from __future__ import annotations

FP32 = """
enum { STEP = 1 };
INLINE void pack_a(float* near, const job* w, int p0, int kc) {
  const float* a = w->a + p0 * w->ac;
  if (w->ac == 1) {  // by rows, ROW apart
    for (int i = 0; i < w->m; i++) {
      float* to = near + i / MR * BLOCK + i % MR * ROW;
      const float* row = a + i * w->ar;
      for (int p = 0; p < kc; p += 16) soon(row + 4 * w->ar + p);
      for (int p = 0; p < kc; p++) to[p] = row[p];
    }
    return;
  }
  for (int p = 0; p < kc; p++) {  // by columns of MR; what 16 have too much, the next column overwrites
    int i = 0;
    for (; i + 16 <= w->m; i += MR) {
      const float* from = a + p * w->ac + i;
      soon(from + 16 * w->ac);
      *(V*)(near + i / MR * BLOCK + p * MR) = *(const V*)from;
    }
    for (; i < w->m; i++) near[i / MR * BLOCK + p * MR + i % MR] = a[p * w->ac + i];
  }
}
INLINE void pack_b(float* to, const job* w, int p0, int j0, int kc) {
  const float* b = w->b + p0 * w->br + j0 * w->bc;
  int columns = least(WIDE, w->n - j0);
  if (columns == WIDE && w->bc == 1) {
    for (int p = 0; p < kc; p++) {
      #pragma clang loop unroll(full)
      for (int v = 0; v < NR; v++) {
        soon(b + (p + 16) * w->br + v * 16);
        *(V*)(to + p * WIDE + v * 16) = *(const V*)(b + p * w->br + v * 16);
      }
    }
    return;
  }
  int p = 0;
  if (columns == WIDE && w->br == 1)
    for (; p + 16 <= kc; p += 16)
      for (int j = 0; j < WIDE; j += 16) {
        VU square[16];
        #pragma clang loop unroll(full)
        for (int c = 0; c < 16; c++) square[c] = *(const VU*)(b + (j + c) * w->bc + p);
        turn(square);
        #pragma clang loop unroll(full)
        for (int c = 0; c < 16; c++) *(VU*)(to + (p + c) * WIDE + j) = square[c];
      }
  for (; p < kc; p++)
    for (int j = 0; j < WIDE; j++) to[p * WIDE + j] = j < columns ? b[p * w->br + j * w->bc] : 0.0f;
}
// Rows of A are rs apart in their block, columns ps.
INLINE void add_products(V total[MR][NR], const float* pa, int rs, int ps, const float* pb, int kc) {
  for (int p = 0; p < kc; p++, pa += ps, pb += WIDE) {
    V column[NR];
    #pragma clang loop unroll(full)
    for (int v = 0; v < NR; v++) column[v] = *(const V*)(pb + v * 16);
    #pragma clang loop unroll(full)
    for (int r = 0; r < MR; r++) {
      V factor = (V)pa[r * rs];
      #pragma clang loop unroll(full)
      for (int v = 0; v < NR; v++) total[r][v] += factor * column[v];
    }
  }
}
"""
