"""What the C kernels share: the type of a vector and its elements, how to read them, and functions of a vector."""

from __future__ import annotations

from plugins.gpt2.model.constants import Activation, Weights

LANES = 16
"""Floats in one vector of the C source."""

C_TYPES: dict[Weights, str] = {
    "fp32": "float",
    "fp16": "__fp16",
    "bf16": "unsigned short",
    "int8": "signed char",
    "int4": "signed char",
}

WIDTHS: dict[Weights, int] = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}
"""Bytes of a weight."""

AHEAD = 3072
"""Bytes by which memory is asked for before it is needed: the processor's own guesses lose a third of its speed."""

PRELUDE = """
typedef float V __attribute__((ext_vector_type(16), aligned(4)));
typedef int VI __attribute__((ext_vector_type(16), aligned(4)));
typedef unsigned VU __attribute__((ext_vector_type(16), aligned(4)));
typedef __fp16 VH __attribute__((ext_vector_type(16), aligned(2)));
typedef unsigned short VS __attribute__((ext_vector_type(16), aligned(2)));
typedef short VSS __attribute__((ext_vector_type(16), aligned(2)));
typedef signed char VB __attribute__((ext_vector_type(16), aligned(1)));
#define INLINE static inline __attribute__((always_inline))
INLINE V load_float(const float* p) { return *(const V*)p; }
INLINE V load___fp16(const __fp16* p) { return __builtin_convertvector(*(const VH*)p, V); }
INLINE V load_short(const unsigned short* p) { return (V)(__builtin_convertvector(*(const VS*)p, VU) << 16); }
INLINE V load_char(const signed char* p) { return __builtin_convertvector(*(const VB*)p, V); }
INLINE V load_nibble(const signed char* p, int row) {
  VB bytes = *(const VB*)p;
  return __builtin_convertvector((row % 2 ? bytes : bytes << 4) >> 4, V);
}
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
INLINE V activate_quick_gelu(V x) { return x / (1.0f + vexp(-1.702f * x)); }
INLINE V activate_silu(V x) { return x / (1.0f + vexp(-x)); }
INLINE V activate_tanh(V x) { return 2.0f / (1.0f + vexp(-2.0f * x)) - 1.0f; }
INLINE V activate_relu(V x) { return __builtin_elementwise_max(x, (V)0.0f); }
INLINE V activate_none(V x) { return x; }
"""

LOADERS = {"float": "load_float", "__fp16": "load___fp16", "unsigned short": "load_short", "signed char": "load_char"}


def ask_ahead(pointer: str, lines: int, offset: int = AHEAD, *, again: bool = False) -> str:
    """Return what asks for ``lines`` cache lines, ``offset`` bytes behind ``pointer``.

    ``again``: they are read more than once, so that they belong into the second cache and not past it.
    """
    stays = 2 if again else 0
    return "".join(
        f"__builtin_prefetch((const char*)({pointer}) + {offset + 64 * line}, 0, {stays});" for line in range(lines)
    )


def parameters(*, scaled: bool, biased: bool, residual: bool) -> str:
    """Return a product's parameters behind its matrix, as C declares them."""
    wanted = (("scale", scaled), ("bias", biased), ("residual", residual))
    return "".join(f", const float* restrict {part}" for part, there in wanted if there)


def epilogue(value: str, *, biased: bool, residual: bool, activation: Activation | None) -> str:
    """Return ``activation(value + bias) + residual`` of 16 columns at ``column``, which are ``at`` in the result."""
    value = f"{value} + *(const V*)(bias + column)" if biased else value
    value = f"activate_{activation or 'none'}({value})"
    return f"{value} + *(const V*)(residual + at)" if residual else value
