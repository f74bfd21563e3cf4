"""Products of bf16 with sums in fp32, on processors with AVX512_BF16: blocks and panels of pairs of neighbours in k.

Operands are fp32 in memory and are rounded to bf16 (to nearest, ties to even: vcvtne2ps2bf16) while they are packed;
``vdpbf16ps`` adds both products of a pair to a sum. Instructions are written as text because clang's names for them
take other types from version to version.
"""

from __future__ import annotations

_PAIRS = ", ".join(f"{i}, {i + 16}" for i in range(16))

BF16 = f"""
typedef unsigned short VN __attribute__((ext_vector_type(32), aligned(2)));
enum {{ STEP = 32 }};
INLINE VU narrow(V low, V high) {{
  VU r;
  __asm__("vcvtne2ps2bf16 %2, %1, %0" : "=v"(r) : "v"(high), "v"(low));
  return r;
}}
INLINE VU pairs(V one, V two) {{  // of two rows: a pair of each column
  VN both = (VN)narrow(one, two);
  return (VU)__builtin_shufflevector(both, both, {_PAIRS});
}}
INLINE V some(const float* from, int count) {{  // as many as there are, then zeros
  V v = (V)0.0f;
  if (count >= 16) return *(const V*)from;
  for (int i = 0; i < count; i++) v[i] = from[i];
  return v;
}}
INLINE VU pairs_along(const float* from, int count) {{ return narrow(some(from, count), some(from + 16, count - 16)); }}
INLINE void pack_a(float* near, const job* w, int p0, int kc) {{
  const float* a = w->a + p0 * w->ac;
  if (w->ac == 1) {{  // by rows, ROW apart
    for (int i = 0; i < w->m; i++) {{
      float* to = near + i / MR * BLOCK + i % MR * ROW;
      const float* row = a + i * w->ar;
      for (int p = 0; p < kc; p += 32) {{
        soon(row + 4 * w->ar + p);
        soon(row + 4 * w->ar + p + 16);
        *(VU*)(to + p / 2) = pairs_along(row + p, kc - p);
      }}
    }}
    return;
  }}
  for (int p = 0; p < kc; p += 2)  // by columns of MR; what 16 have too much, the next column overwrites
    for (int i = 0; i < w->m; i += MR) {{
      const float* one = a + p * w->ac + i;
      soon(one + 16 * w->ac);
      soon(one + 17 * w->ac);
      V second = p + 1 < kc ? some(one + w->ac, w->m - i) : (V)0.0f;
      *(VU*)(near + i / MR * BLOCK + p / 2 * MR) = pairs(some(one, w->m - i), second);
    }}
}}
INLINE void pack_b(float* to, const job* w, int p0, int j0, int kc) {{
  const float* b = w->b + p0 * w->br + j0 * w->bc;
  int columns = least(WIDE, w->n - j0);
  for (int j = 0; j < WIDE; j += 16) {{
    if (w->bc == 1)
      for (int p = 0; p < kc; p += 2) {{
        const float* one = b + p * w->br + j;
        soon(one + 16 * w->br);
        soon(one + 17 * w->br);
        V second = p + 1 < kc ? some(one + w->br, columns - j) : (V)0.0f;
        *(VU*)(to + p / 2 * WIDE + j) = pairs(some(one, columns - j), second);
      }}
    else
      for (int p = 0; p < kc; p += 32) {{
        VU square[16];
        #pragma clang loop unroll(full)
        for (int c = 0; c < 16; c++) {{
          soon(b + (j + 16 + c) * w->bc + p);
          soon(b + (j + 16 + c) * w->bc + p + 16);
        }}
        #pragma clang loop unroll(full)
        for (int c = 0; c < 16; c++)
          square[c] = j + c < columns ? pairs_along(b + (j + c) * w->bc + p, kc - p) : (VU)0;
        turn(square);
        #pragma clang loop unroll(full)
        for (int c = 0; c < 16; c++) *(VU*)(to + (p / 2 + c) * WIDE + j) = square[c];
      }}
  }}
}}
// Rows of A are rs pairs apart in their block, columns ps.
INLINE void add_products(V total[MR][NR], const float* pa, int rs, int ps, const float* pb, int kc) {{
  for (int p = 0; p < kc; p += 2, pa += ps, pb += WIDE) {{
    VU column[NR];
    #pragma clang loop unroll(full)
    for (int v = 0; v < NR; v++) column[v] = *(const VU*)(pb + v * 16);
    #pragma clang loop unroll(full)
    for (int r = 0; r < MR; r++)
      #pragma clang loop unroll(full)
      for (int v = 0; v < NR; v++)
        __asm__("vdpbf16ps %2%{{1to16%}}, %1, %0" : "+v"(total[r][v]) : "v"(column[v]), "m"(pa[r * rs]));
  }}
}}
"""
