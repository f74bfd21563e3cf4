"""Builds integer kernels for a processor that is not this one and runs them under Debian's ``qemu-user``."""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from plugins.gpt2.model.cpu import int_products, quantised_rows
from plugins.gpt2.model.cpu.instructions import Instructions
from plugins.gpt2.model.cpu.prelude import PRELUDE
from plugins.gpt2.model.target import compiler


@dataclass(frozen=True, slots=True)
class Machine:
    """``target`` and ``processor`` are zig's names, ``emulator`` what runs its programs, ``numbers`` its calls of
    Linux: read, write, exit."""

    target: str
    processor: str
    emulator: tuple[str, ...]
    numbers: tuple[int, int, int]


AARCH64 = Machine("aarch64-freestanding-none", "generic+dotprod", ("qemu-aarch64",), (63, 64, 93))
X86_64_V3 = Machine("x86_64-freestanding-none", "x86_64_v3", ("qemu-x86_64", "-cpu", "max"), (0, 1, 60))

# A program without a C library: floats and bytes come in, what the kernels made goes out.
MAIN = """
static long call(long n, long a, long b, long c) {
#if defined(__x86_64__)
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return r;
#else
  register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
#endif
}
static void transfer(long n, long file, void* data, long size) {
  for (long at = 0; at < size;) {
    long moved = call(n, file, (long)data + at, size - at);
    if (moved <= 0) call(EXIT, 1, 0, 0);
    at += moved;
  }
}
void quantise_rows(signed char*, const float*, int);
#if STEPS
static signed char steps[STEPS];
#define STEPS_TYPE const signed char*,
#define STEPS_GIVEN steps,
#else
#define STEPS_TYPE
#define STEPS_GIVEN
#endif
void product(float*, const signed char*, const signed char*, STEPS_TYPE const float*, int);
void expand(signed char*, float*, int*, const signed char*, const signed char*, STEPS_TYPE const float*, int);
static float x[SLOTS * K], scale[N], made[SLOTS * N], sums[SLOTS * N];
static signed char weight[STORED], rows[SLOTS * ROW] __attribute__((aligned(64)));
static signed char wide[SLOTS * WIDE] __attribute__((aligned(64)));
static int arrived;
void _start(void) {
  transfer(READ, 0, x, sizeof(x));
  transfer(READ, 0, weight, sizeof(weight));
#if STEPS
  transfer(READ, 0, steps, sizeof(steps));
#endif
  transfer(READ, 0, scale, sizeof(scale));
  for (int slot = 0; slot < SLOTS; slot++) quantise_rows(rows, x, slot);
  for (int slice = 0; slice < SLICES; slice++) {
    product(sums, rows, weight, STEPS_GIVEN scale, slice);
    expand(wide, made, &arrived, rows, weight, STEPS_GIVEN scale, slice);
  }
  transfer(WRITE, 1, rows, sizeof(rows));
  transfer(WRITE, 1, sums, sizeof(sums));
  transfer(WRITE, 1, wide, sizeof(wide));
  call(EXIT, 0, 0, 0);
}
"""


def missing(machine: Machine) -> str | None:
    """Return what is not there to build and run a program, None where everything is."""
    if compiler._zig() is None:
        return "ziglang is not installed, which links for other processors"
    if platform.system() != "Linux" or shutil.which(machine.emulator[0]) is None:
        return f"{machine.emulator[0]} is not installed (apt install qemu-user)"
    return None


def run(
    machine: Machine,
    instructions: Instructions,
    folder: Path,
    given: bytes,
    *,
    slots: int,
    k: int,
    blocks: int,
    stored: int,
    steps: int,
    floor: float | None = None,
) -> bytes:
    """Return quantised rows, the product's floats, and the rows that a relu makes of them, one after another.

    ``stored`` and ``steps`` are bytes; without steps the weights have 8 bits. With
    ``floor`` the last rows have 8 bits, too.
    """
    slices = 3
    row, wide = quantised_rows.row_bytes(k), quantised_rows.row_bytes(64 * blocks)
    quantise = f"""{PRELUDE}{quantised_rows.quantiser(instructions, k, grouped=steps > 0)}
void quantise_rows(signed char* out, const float* x, int slot) {{ quantise(out + slot * {row}, x + slot * {k}); }}
"""
    product, expand = (
        int_products.matmul(
            name,
            instructions=instructions,
            slots=slots,
            k=k if steps else -(-k // instructions.depth) * instructions.depth,
            blocks=blocks,
            slices=slices,
            biased=False,
            residual=False,
            activation="relu" if name == "expand" else None,
            quantised=name == "expand",
            grouped=steps > 0,
            rows_grouped=steps > 0,
            floor=floor if name == "expand" else None,
        )
        for name in ("product", "expand")
    )
    sizes = {
        "SLOTS": slots,
        "K": k,
        "STORED": stored,
        "STEPS": steps,
        "N": 64 * blocks,
        "ROW": row,
        "WIDE": wide,
        "SLICES": slices,
    }
    sizes |= dict(zip(("READ", "WRITE", "EXIT"), machine.numbers, strict=True))
    sources = {"quantise": quantise, "product": product, "expand": expand, "main": MAIN}
    for name, source in sources.items():
        (folder / f"{name}.c").write_text(source, encoding="utf-8")
    options = ["-O2", "-nostdlib", "-static", "-fno-sanitize=all", "-ffreestanding", "-fno-math-errno", "-w"]
    defines = [f"-D{name}={value}" for name, value in sizes.items()]
    command = [compiler._zig() or "", "cc", "-target", machine.target, f"-mcpu={machine.processor}", *options, *defines]
    files = [str(folder / f"{name}.c") for name in sources]
    subprocess.run([*command, *files, "-o", str(folder / "program")], check=True, timeout=300)
    ended = subprocess.run(
        [*machine.emulator, str(folder / "program")], input=given, capture_output=True, check=True, timeout=120
    )
    return ended.stdout
