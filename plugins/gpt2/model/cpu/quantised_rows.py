"""Quantised rows: what multiplies weights of 8 and 4 bits in integers, and how they are made.

A *quantised row* stands for K floats: its scale (fp32) in the first 64 bytes, then integers of up to 15 bits, zeros
behind the last. Whoever makes a row quantises it: layer normalisation, attention, and the product that ends in an
activation. A row has as many steps as its width allows before a sum could overflow: 16383 up to K = 1,032, 5504 at
3,072.

The rows between the two products of a feed-forward network have 8 bits, for half of the time: what an activation
makes lies above a floor, and is quantised without a sign from there (``packing.floor_of``). Each group of 64 has a step
of its own, a whole number of the row's: sums are exact, and where no instruction multiplies bytes, a row is kept as the
products of both.
"""

from __future__ import annotations

from plugins.gpt2.model.cpu.instructions import Instructions

MOST_STEPS = 16383
"""15 bits: what instructions of 8 bits hold in two planes. With 12, rows that have outliers lose."""
MOST_STEPS_OF_GROUPS = 2047
"""12 bits where weights have 4: the fewer steps a row takes, the finer the steps of the weights' groups may be."""
SCALE_BYTES = 64
ROW_ALIGNMENT = 64
GROUP = 32
"""So many neighbours of a column have a step of their own where weights have 4 bits."""
BYTES_AT_ONCE = 4
"""So many of a row's integers of 8 bits go into one sum at once."""
BYTE_GROUP = 64
"""So many neighbours of an 8-bit row have a step of their own."""


def steps(k: int, *, grouped: bool = False) -> int:
    """Return the largest integer in a row of ``k``: so many that no sum with 8-bit weights leaves 32 bits.

    ``grouped``: for a model whose weights have 4 bits.
    """
    return min(MOST_STEPS_OF_GROUPS if grouped else MOST_STEPS, (2**31 - 1) // (127 * k))


def row_bytes(k: int) -> int:
    """Return the bytes of a quantised row, whole cache lines."""
    return SCALE_BYTES + 2 * padded(k)


def padded(k: int) -> int:
    """Return the integers that a row of ``k`` has room for."""
    return -(-k // ROW_ALIGNMENT) * ROW_ALIGNMENT


def quantiser(
    instructions: Instructions, k: int, *, grouped: bool = False, name: str = "quantise", with_source: bool = True
) -> str:
    """Return the C function ``quantise(signed char* to, const float* from)`` for rows of ``k``; wants ``PRELUDE``.

    ``with_source`` puts the instructions in front, which a source must have once.

    Scale and integers are the same on every processor: nothing in it may be fused into one rounding.
    """
    whole, most = k // 16 * 16, steps(k, grouped=grouped)
    return f"""{instructions.source if with_source else ""}
INLINE void {name}(signed char* to, const float* from) {{
  #pragma clang fp contract(off)
  V peaks = (V)0.0f;
  for (int e = 0; e < {whole}; e += 16)
    peaks = __builtin_elementwise_max(peaks, __builtin_elementwise_abs(*(const V*)(from + e)));
  float peak = 0.0f;
  for (int i = 0; i < 16; i++) peak = peaks[i] > peak ? peaks[i] : peak;
  for (int e = {whole}; e < {k}; e++) peak = __builtin_fabsf(from[e]) > peak ? __builtin_fabsf(from[e]) : peak;
  float rate = peak > 1e-30f ? {most}.0f / peak : 0.0f;
  *(float*)to = peak / {most}.0f;
  signed char* row = to + {SCALE_BYTES};
  for (int e = 0; e < {whole}; e += 16) {{
    V scaled = *(const V*)(from + e) * rate;
    V shifted = scaled + 12582912.0f;  // 1.5 · 2²³: the sum's last bits are the nearest integer, of two the even one
    keep_vector(row, e, (VI)shifted - 0x4b400000, {padded(k)});
  }}
  for (int e = {whole}; e < {k}; e++) {{
    union {{ float f; int i; }} shifted;
    float scaled = from[e] * rate;
    shifted.f = scaled + 12582912.0f;
    keep(row, e, shifted.i - 0x4b400000, {padded(k)});
  }}
  for (int e = {k}; e < {padded(k)}; e++) keep(row, e, 0, {padded(k)});
}}
"""


def byte_quantiser(instructions: Instructions, k: int, floor: float) -> str:
    """Return :func:`quantiser` for rows of 8 bits; ``k`` is a multiple of 64.

    The integers of a row are each group's step times 0 to 255. ``dot_bytes`` wants them as bytes, the steps behind
    them; other instructions want the products, as of any row.
    """
    most = steps(k) - BYTE_GROUP  # a group's step is rounded up, and with it what it is taken times
    kept = f"keep_vector(row, g + e, __builtin_convertvector(n, VI) * step, {padded(k)});"
    behind = ""
    if instructions.of_bytes:
        kept = "*(VB*)(row + g + e) = __builtin_convertvector(__builtin_convertvector(n, VI), VB);"
        behind = f"((int*)(row + {padded(k)}))[g / {BYTE_GROUP}] = step;"
    return f"""{instructions.source}
INLINE void quantise(signed char* to, const float* from) {{
  #pragma clang fp contract(off)
  V peaks = (V)0.0f;
  for (int e = 0; e < {k}; e += 16) peaks = __builtin_elementwise_max(peaks, *(const V*)(from + e) + {floor!r}f);
  float peak = 0.0f;
  for (int i = 0; i < 16; i++) peak = peaks[i] > peak ? peaks[i] : peak;
  float rate = peak > 1e-30f ? {most}.0f / peak : 0.0f;
  *(float*)to = peak / {most}.0f;
  signed char* row = to + {SCALE_BYTES};
  for (int g = 0; g < {k}; g += {BYTE_GROUP}) {{
    V fine[{BYTE_GROUP // 16}], largest = (V)0.0f;
    for (int i = 0; i < {BYTE_GROUP // 16}; i++) {{
      V scaled = __builtin_elementwise_max((*(const V*)(from + g + i * 16) + {floor!r}f) * rate, (V)0.0f);
      fine[i] = (scaled + 12582912.0f) - 12582912.0f;  // 1.5 · 2²³: to the nearest integer, of two to the even one
      largest = __builtin_elementwise_max(largest, fine[i]);
    }}
    float most = 0.0f;
    for (int i = 0; i < 16; i++) most = largest[i] > most ? largest[i] : most;
    int step = ((int)most + 254) / 255;
    step = step > 0 ? step : 1;
    float of_step = 1.0f / (float)step;
    for (int e = 0; e < {BYTE_GROUP}; e += 16) {{
      V n = (fine[e / 16] * of_step + 12582912.0f) - 12582912.0f;
      {kept}
    }}
    {behind}
  }}
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
