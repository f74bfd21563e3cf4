"""Causal attention and its gradient in C, a head of a row a slice; scores of a block of queries at a time.

Nothing of T × T is kept: the way back makes the scores again from each query's logarithm of its sum (as arXiv
2205.14135 does). Blocks of queries go back from the last, which sees every key, so that no gradient need be cleared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from plugins.gpt2.training.cpu.products import Tile, head, tail

QUERIES = 96
"""Queries of a block: whole tiles."""


@dataclass(frozen=True, slots=True)
class Attention:
    """``length`` tokens a row, ``heads`` of ``size`` values; scores are multiplied by ``factor`` / sqrt(size)."""

    length: int
    heads: int
    size: int
    factor: float

    @property
    def _scale(self) -> str:
        return f"{self.factor / math.sqrt(self.size)!r}f"

    def _opening(self) -> str:
        width, length = self.heads * self.size, self.length
        padded = -(-length // 16) * 16 + 16  # so that rows do not all lie in the same sets of the cache
        return f"""
enum {{ T = {length}, TP = {padded}, D = {self.size}, E = {width}, H = {self.heads}, Q = {QUERIES} }};
INLINE void multiply(float* near, float* c, long cs, const float* a, long ar, long ac, const float* b, long br, long bc,
                     int m, int n, int k, int add) {{
  for (int i = 0; i < m; i += MC) {{
    job w;
    w.c = c + i * cs; w.cs = cs; w.a = a + i * ar; w.ar = ar; w.ac = ac; w.b = b; w.br = br; w.bc = bc;
    w.bias = 0; w.beside = 0; w.m = least(MC, m - i); w.n = n; w.k = k; w.add = add;
    product(&w, near);
  }}
}}
"""

    def forward(self, tile: Tile) -> str:
        """Return the kernel of out (M, E) and logs (M, H) from qkv (M, 3E); slices: rows × H."""
        return f"""{head(tile)}{self._opening()}{LOGARITHM}
void attend(float* restrict out, float* restrict logs, const float* restrict qkv, int slice) {{
  float near[NEAR] __attribute__((aligned(64))), scores[Q * TP] __attribute__((aligned(64)));
  long row = (long)(slice / H) * T;
  int h = slice % H;
  const float *q = qkv + row * 3 * E + h * D, *k = q + E, *v = k + E;
  for (int q0 = 0; q0 < T; q0 += Q) {{
    int m = least(Q, T - q0), seen = q0 + m;
    multiply(near, scores, TP, q + (long)q0 * 3 * E, 3 * E, 1, k, 1, 3 * E, m, seen, D, 0);
    for (int i = 0; i < m; i++) {{
      float* s = scores + i * TP;
      int own = q0 + i + 1, up = (own + 15) / 16 * 16;
      for (int j = own; j < up; j++) s[j] = -__builtin_inff();  // nothing of those behind
      V high = *(const V*)s, total = (V)0.0f;
      for (int j = 16; j < up; j += 16) high = __builtin_elementwise_max(high, *(const V*)(s + j));
      float most = highest(high);
      for (int j = 0; j < up; j += 16) {{
        V one = vexp((*(const V*)(s + j) - most) * {self._scale});
        total += *(V*)(s + j) = one;
      }}
      float share = 1.0f / sum(total);
      for (int j = 0; j < up; j += 16) *(V*)(s + j) *= share;
      for (int j = up; j < seen; j++) s[j] = 0.0f;
      logs[(row + q0 + i) * H + h] = most * {self._scale} - logarithm(share);
    }}
    multiply(near, out + (row + q0) * E + h * D, E, scores, TP, 1, v, 3 * E, 1, m, D, seen, 0);
  }}
}}
{tail(tile)}"""

    def backward(self, tile: Tile) -> str:
        """Return the kernel of dqkv (M, 3E) from qkv, logs and dout (M, E); slices: rows × H."""
        return f"""{head(tile)}{self._opening()}
void attend_back(float* restrict back, const float* restrict qkv, const float* restrict logs,
                 const float* restrict dout, int slice) {{
  float near[NEAR] __attribute__((aligned(64)));
  float scores[Q * TP] __attribute__((aligned(64))), slopes[Q * TP] __attribute__((aligned(64)));
  long row = (long)(slice / H) * T, W = 3 * E;
  int h = slice % H;
  const float *q = qkv + row * W + h * D, *k = q + E, *v = k + E, *d = dout + row * E + h * D;
  float *dq = back + row * W + h * D, *dk = dq + E, *dv = dk + E;
  int last = (T - 1) / Q * Q;
  for (int q0 = last; q0 >= 0; q0 -= Q) {{
    int m = least(Q, T - q0), seen = q0 + m;
    multiply(near, scores, TP, q + q0 * W, W, 1, k, 1, W, m, seen, D, 0);
    multiply(near, slopes, TP, d + q0 * E, E, 1, v, 1, W, m, seen, D, 0);
    for (int i = 0; i < m; i++) {{
      float *s = scores + i * TP, *g = slopes + i * TP, log = logs[(row + q0 + i) * H + h];
      int own = q0 + i + 1, up = (own + 15) / 16 * 16;
      for (int j = own; j < up; j++) s[j] = -__builtin_inff(), g[j] = 0.0f;
      V total = (V)0.0f;
      for (int j = 0; j < up; j += 16) {{
        V one = *(V*)(s + j) = vexp(*(const V*)(s + j) * {self._scale} - log);
        total += one * *(const V*)(g + j);
      }}
      float mean = sum(total);
      for (int j = 0; j < up; j += 16) *(V*)(g + j) = *(const V*)(s + j) * (*(const V*)(g + j) - mean) * {self._scale};
      for (int j = up; j < seen; j++) s[j] = g[j] = 0.0f;
    }}
    multiply(near, dq + q0 * W, W, slopes, TP, 1, k, W, 1, m, D, seen, 0);
    multiply(near, dk, W, slopes, 1, TP, q + q0 * W, W, 1, seen, D, m, q0 != last);
    multiply(near, dv, W, scores, 1, TP, d + q0 * E, E, 1, seen, D, m, q0 != last);
  }}
}}
{tail(tile)}"""


LOGARITHM = """
INLINE float logarithm(float x) {  // of a positive number: exponent, and artanh's series of what is left
  union { float f; int i; } bits = {x};
  int e = ((bits.i >> 23) & 255) - 127;
  bits.i = (bits.i & 0x7fffff) | 0x3f800000;
  float m = bits.f;
  if (m > 1.41421356f) { m *= 0.5f; e++; }
  float t = (m - 1.0f) / (m + 1.0f), u = t * t;
  float series = 1.0f + u * (0.333333333f + u * (0.2f + u * (0.142857143f + u * (0.111111111f + u * 0.0909090909f))));
  return (float)e * 0.693147181f + 2.0f * t * series;
}
"""
