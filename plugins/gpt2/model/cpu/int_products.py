"""Products of weights of 8 and 4 bits with quantised rows: exact sums of 32 bits.

An exact sum is the same in any order: a text's logits do not depend on who is beside it, on the tile, or on the
processor's instructions. How rows lie is told in ``quantised_rows.py``.

Weights are (N/64, K/depth, 64, depth): ``depth`` neighbours of a column lie together, because an instruction adds so
many products to one sum.

Weights of 4 bits are unpacked on the way. The sum of each group is multiplied by the group's step, an integer, so that
the whole stays exact; ``packing.quantise_groups`` sees to it that no column's sum can overflow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plugins.gpt2.model.constants import Activation
from plugins.gpt2.model.cpu.instructions import Instructions
from plugins.gpt2.model.cpu.prelude import AHEAD, PRELUDE, ask_ahead, epilogue, parameters
from plugins.gpt2.model.cpu.quantised_rows import (
    BYTE_GROUP,
    GROUP,
    SCALE_BYTES,
    byte_quantiser,
    finish_rows,
    padded,
    quantiser,
    row_bytes,
)


@dataclass(frozen=True, slots=True)
class Tile:
    """What one pass of a product holds in registers: slots × vectors of 16 sums."""

    slots: int
    vectors: int


def tile_for(slots: int, bits: int) -> Tile:
    """Return the tile for a number of slots: the sums, a step's weights and one factor fill the registers."""
    if bits >= 512:
        return Tile(8, 2) if slots % 8 == 0 else Tile(3 if slots % 3 == 0 else largest(slots, 4), 4)
    if bits >= 256:
        return Tile(4, 1) if slots % 4 == 0 else Tile(2, 2) if slots % 2 == 0 else Tile(1, 4)
    return Tile(2, 1) if slots % 2 == 0 else Tile(1, 2)


def largest(slots: int, most: int) -> int:
    """Return the largest power of two up to ``most`` that divides ``slots``."""
    return min(slots & -slots, most)


def _sum_of_groups(tile: Tile, depth: int, k: int, fetched: int, *, again: bool) -> str:
    """As :func:`_sum` for 4-bit weights: each group of 32 in ``sums``, the groups times their steps in ``total``."""
    fetched = 8 // depth * fetched // 2
    steps_too = ask_ahead("step", 1, AHEAD // GROUP * 2, again=again) if fetched else ""  # 64 to 1,024 bytes of weights
    return f"""for (int g = 0; g < {-(-k // GROUP)}; g++, step += 64) {{
            {steps_too}
            S sums[{tile.slots}][{tile.vectors}];
            for (int m = 0; m < {tile.slots}; m++)
              for (int j = 0; j < {tile.vectors}; j++) sums[m][j] = nothing();
            for (int i = g * {GROUP}; i < g * {GROUP} + {GROUP}; i += 8, p += 256, ahead += {fetched}) {{
              {_asked(fetched, again=again)}
              W packed[{tile.vectors}], column[{tile.vectors}];
              #pragma clang loop unroll(full)
              for (int j = 0; j < {tile.vectors}; j++) packed[j] = load_packed(p + j * 64);
              #pragma clang loop unroll(full)
              for (int n = 0; n < {8 // depth}; n++) {{
                #pragma clang loop unroll(full)
                for (int j = 0; j < {tile.vectors}; j++) column[j] = unpack(packed[j], n);
                #pragma clang loop unroll(full)
                for (int m = 0; m < {tile.slots}; m++) {{
                  X factor = load_factor(rows + m * {row_bytes(k)} + {SCALE_BYTES}, i + n * {depth}, {padded(k)});
                  #pragma clang loop unroll(full)
                  for (int j = 0; j < {tile.vectors}; j++) sums[m][j] = dot(sums[m][j], column[j], factor);
                }}
              }}
            }}
            #pragma clang loop unroll(full)
            for (int j = 0; j < {tile.vectors}; j++) {{
              VI of_group = __builtin_convertvector(*(const VB*)(step + j * 16), VI);
              #pragma clang loop unroll(full)
              for (int m = 0; m < {tile.slots}; m++) total[m][j] += total_of(sums[m][j]) * of_group;
            }}
          }}"""


def _asked(fetched: int, *, again: bool) -> str:
    """Return what asks for the next ``fetched`` bytes at ``ahead``."""
    return ask_ahead("ahead", -(-fetched // 64), 0, again=again)


def _sum(tile: Tile, depth: int, k: int, fetched: int, *, again: bool) -> str:
    """Return the loop over k of one tile; each step asks for ``fetched`` bytes at ``ahead``, to be read ``again``."""
    return f"""for (int i = 0; i < {k}; i += {depth}, p += {64 * depth}, ahead += {fetched}) {{
            {_asked(fetched, again=again)}
            W column[{tile.vectors}];
            #pragma clang loop unroll(full)
            for (int j = 0; j < {tile.vectors}; j++) column[j] = load_weights(p + j * {16 * depth});
            #pragma clang loop unroll(full)
            for (int m = 0; m < {tile.slots}; m++) {{
              X factor = load_factor(rows + m * {row_bytes(k)} + {SCALE_BYTES}, i, {padded(k)});
              #pragma clang loop unroll(full)
              for (int j = 0; j < {tile.vectors}; j++) sums[m][j] = dot(sums[m][j], column[j], factor);
            }}
          }}"""


def _sum_of_bytes(tile: Tile, depth: int, k: int, fetched: int, *, again: bool) -> str:
    """As :func:`_sum` for rows of bytes: each group of 64 in ``sums``, the groups times their steps in ``total``."""
    return f"""for (int g = 0; g < {-(-k // BYTE_GROUP)}; g++) {{
            VI sums[{tile.slots}][{tile.vectors}];
            #pragma clang loop unroll(full)
            for (int m = 0; m < {tile.slots}; m++)
              for (int j = 0; j < {tile.vectors}; j++) sums[m][j] = (VI)0;
            int end = g * {BYTE_GROUP} + {BYTE_GROUP} < {k} ? g * {BYTE_GROUP} + {BYTE_GROUP} : {k};
            for (int i = g * {BYTE_GROUP}; i < end; i += 4, p += 256, ahead += {2 * fetched}) {{
              {_asked(2 * fetched, again=again)}
              W column[{tile.vectors}];
              #pragma clang loop unroll(full)
              for (int j = 0; j < {tile.vectors}; j += 2) {{
                W near = *(const W*)(p + j * 32), far = *(const W*)(p + 128 + j * 32);
                column[j] = four_of_low(near, far);
                column[j + 1] = four_of_high(near, far);
              }}
              #pragma clang loop unroll(full)
              for (int m = 0; m < {tile.slots}; m++) {{
                VI factor = (VI)(*(const int*)(rows + (long)m * {row_bytes(k)} + {SCALE_BYTES} + i));
                #pragma clang loop unroll(full)
                for (int j = 0; j < {tile.vectors}; j++) sums[m][j] = dot_bytes(sums[m][j], column[j], factor);
              }}
            }}
            #pragma clang loop unroll(full)
            for (int m = 0; m < {tile.slots}; m++) {{
              VI step = (VI)(*(const int*)(rows + (long)m * {row_bytes(k)} + {SCALE_BYTES + padded(k)} + g * 4));
              #pragma clang loop unroll(full)
              for (int j = 0; j < {tile.vectors}; j++) total[m][j] += sums[m][j] * step;
            }}
          }}"""


def _sums_of_a_tile(add: Callable[..., str], tile: Tile, slots: int, depth: int, k: int, column: int) -> str:
    """Return the loop over k, which asks early for what comes next: of each next block of ``column`` bytes a share.

    A single tile of whole blocks reads the matrix from end to end, and asks for what is a little ahead of it, beyond
    the end of the slice too: the next one is mostly this thread's.
    """
    if tile == Tile(slots, 4):
        return f"""const signed char* ahead = p + {AHEAD};
        {add(tile, depth, k, fetched=64 * depth, again=False)}"""
    return f"""const signed char* ahead = w + (long)(block + 1) * {column} + part * {column // 4};
        if (b == 0 && block == first && part == 0) {{  // the first block: a little ahead of itself
          ahead = p + {AHEAD};
          {add(tile, depth, k, fetched=64 * depth, again=True)}
        }} else if (b == 0 && block + 1 < last) {{
          {add(tile, depth, k, fetched=16 * depth * tile.vectors, again=True)}
        }} else {{
          {add(tile, depth, k, fetched=0, again=True)}
        }}"""


def _results_of_a_tile(tile: Tile, row: int, width: int, target: str, value: str) -> str:
    """Return what makes ``value`` of each sum and puts it into its place in ``target`` (B, ``width``)."""
    return f"""#pragma clang loop unroll(full)
        for (int m = 0; m < {tile.slots}; m++) {{
          float of_row = *(const float*)(rows + m * {row});
          #pragma clang loop unroll(full)
          for (int j = 0; j < {tile.vectors}; j++) {{
            int column = block * 64 + (part + j) * 16;
            long at = (long)(b + m) * {width} + column;
            *(V*)({target} + at) = {value};
          }}
        }}"""


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
    grouped: bool = False,
    rows_grouped: bool = False,
    floor: float | None = None,
    of_bytes: bool = False,
) -> str:
    """Return the source of ``out = activation(x @ W · scales + bias) + residual``; x are quantised rows of ``k``.

    With ``quantised`` the result becomes quantised rows of N = 64 · ``blocks`` and is made in ``made`` (B, N) first.
    With ``grouped`` the weights have 4 bits, and the steps of their groups stand behind them; with ``rows_grouped``
    those of the product that comes next do. With ``floor`` the rows that are made have 8 bits, with ``of_bytes`` those
    that are read do.
    """
    of_bytes = of_bytes and instructions.of_bytes  # others have them as any row
    tile, depth, width = tile_for(slots, instructions.bits), instructions.depth, blocks * 64
    extra = parameters(scaled=True, biased=biased, residual=residual)
    value = epilogue(
        f"__builtin_convertvector({'total[m][j]' if grouped or of_bytes else 'total_of(sums[m][j])'}, V)"
        " * (*(const V*)(scale + column) * of_row)",
        biased=biased,
        residual=residual,
        activation=activation,
    )
    row, at_once, column, groups = row_bytes(k), 16 * depth, 64 * k, -(-k // GROUP)
    add, sums, none, steps_at, stored = _sum, "S sums", "sums[m][j] = nothing()", "", ""
    if grouped:
        add, sums, none, column, at_once = _sum_of_groups, "VI total", "total[m][j] = (VI)0", 32 * GROUP * groups, 64
        steps_at = f"const signed char* step = steps + (long)block * {64 * groups} + part * 16;"
        stored = ", const signed char* restrict steps"
    if of_bytes:
        add, sums, none = _sum_of_bytes, "VI total", "total[m][j] = (VI)0"
    make_rows = instructions.source
    if quantised:
        make_rows = quantiser(instructions, width, grouped=rows_grouped)
    if quantised and floor is not None:
        make_rows = byte_quantiser(instructions, width, floor)
    outputs, target = "float* restrict out", "out"
    if quantised:
        outputs, target = "signed char* restrict out, float* restrict made, int* restrict arrived", "made"
    return f"""{PRELUDE}{make_rows}
void {name}({outputs}, const signed char* restrict x, const signed char* restrict w{stored}{extra}, int slice) {{
  int first = (int)((long){blocks} * slice / {slices}), last = (int)((long){blocks} * (slice + 1) / {slices});
  for (int block = first; block < last; block++)
    for (int part = 0; part < 4; part += {tile.vectors})
      for (int b = 0; b < {slots}; b += {tile.slots}) {{
        const signed char* p = w + (long)block * {column} + part * {at_once};
        const signed char* rows = x + (long)b * {row};
        {steps_at}
        {sums}[{tile.slots}][{tile.vectors}];
        #pragma clang loop unroll(full)
        for (int m = 0; m < {tile.slots}; m++)
          for (int j = 0; j < {tile.vectors}; j++) {none};
        {_sums_of_a_tile(add, tile, slots, depth, k, column)}
        {_results_of_a_tile(tile, row, width, target, value)}
      }}{finish_rows(slots, width, width, slices) if quantised else ""}
}}
"""
