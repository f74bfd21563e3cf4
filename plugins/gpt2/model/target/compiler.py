"""Which C compiler tinygrad's CPU device uses: what ``CC`` says, clang on PATH, or the one inside the ziglang wheel.

tinygrad generates C for every kernel and has no interpreter, so that without a compiler there is no CPU device. The
choice is made once, before tinygrad is imported, by a compiler that proved itself on a small kernel. A GPU's driver
brings a compiler of its own.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import platformdirs

KERNELS = "kernels-"
"""What the names of our kernel caches begin with."""
ZIG_CLANG = Path(__file__).with_name("zig-clang")

# What the kernels need: vectors, half precision, no libc, and clang 14's elementwise functions.
PROBE = """
typedef float float4 __attribute__((aligned(16),ext_vector_type(4)));
void probe(float* restrict out, __fp16* restrict half, unsigned short* restrict bf16, signed char* restrict q) {
  for (int i = 0; i < 64; i++) out[i] = ((float)half[i]) * __builtin_sqrtf((float)q[i]) + (float)bf16[i];
  float4 v = *(float4*)out + (float4){1.0f, 2.0f, 3.0f, 4.0f};
  *(float4*)out = __builtin_elementwise_max(__builtin_elementwise_floor(v), __builtin_elementwise_abs(v));
}
"""


class NoCompiler(RuntimeError):
    """No compiler works. The message lists what was tried, what each said, and the cure."""


class NoCacheFolder(RuntimeError):
    """This user has no folder for what can be made again. The message has the cure."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """``path`` is what CC names; ``kind`` is CC, clang or zig; ``version`` the first line it prints of itself."""

    path: str
    kind: str
    version: str


def _arguments() -> list[str]:
    machine = platform.machine().lower()
    arch = {"amd64": "x86_64", "aarch64": "arm64"}.get(machine, machine)
    tune = "-mcpu=native" if arch == "arm64" else "-march=native"
    options = ["-x", "c", "-O2", "-fPIC", "-ffreestanding", "-fno-math-errno", "-nostdlib"]
    return ["-c", *options, f"--target={arch}-none-unknown-elf", tune, "-", "-o", "-"]


def _try(path: str, kind: str) -> Compiler | str:
    """Return the compiler, or what is wrong with it. One that has made kernels here before is not tried again."""
    try:
        version = subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False, text=True)
        found = Compiler(path, kind, (version.stdout.splitlines() or ["unknown version"])[0])
        if version.returncode == 0 and _has_served(found):
            return found
        made = subprocess.run([path, *_arguments()], input=PROBE.encode(), capture_output=True, timeout=60, check=False)
        if made.returncode != 0 or made.stdout[:4] != b"\x7fELF":
            said = made.stderr.decode(errors="replace").strip().splitlines()
            return said[0] if said else f"exit status {made.returncode} and no object file"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return found


def _has_served(compiler: Compiler) -> bool:
    """Return whether kernels are kept here that this version made for this processor."""
    try:
        return _kernel_cache(compiler.version).exists()
    except (NoCacheFolder, OSError):
        return False


def _kernel_cache(version: str) -> Path:
    """Return where kernels are kept that a compiler of that version makes.

    tinygrad's own cache calls every processor "native": its kernels, copied to another one, would be illegal there.
    """
    kernels = hashlib.sha256(f"{processor()} {version}".encode()).hexdigest()[:12]
    return cache_folder() / f"{KERNELS}{kernels}.db"


def _zig() -> str | None:
    """Return the path of the zig executable inside the ziglang wheel, without importing it."""
    spec = importlib.util.find_spec("ziglang")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return next((str(zig) for folder in folders if (zig := Path(folder) / "zig").is_file()), None)


@functools.cache
def choose() -> Compiler:
    """Return the compiler to use: ``CC`` (the program ``CC`` says and no other), else clang on PATH, else zig's.

    Raises :class:`NoCompiler` where none passes the probe.
    """
    if given := os.environ.get("CC"):
        found = _try(given, "CC")
        if isinstance(found, Compiler):
            return found
        raise NoCompiler(
            f"CC={given} does not compile Townhall's kernels: {found}. Unset CC, or point it at clang 14 or later."
        )
    tried = []
    if clang := shutil.which("clang"):
        found = _try(clang, "clang")
        if isinstance(found, Compiler):
            return found
        tried.append(f"{clang}: {found}")
    if zig := _zig():
        os.environ["ZIG"] = zig
        found = _try(str(ZIG_CLANG), "zig")
        if isinstance(found, Compiler):
            return found
        tried.append(f"zig clang ({zig}): {found}")
    else:
        tried.append("ziglang: not installed")
    raise NoCompiler(
        f"no C compiler works ({'; '.join(tried)}). Install clang (apt install clang), or pip install ziglang."
    )


def processor() -> str:
    """Return a name for what code compiled with ``native`` needs: the processor's features, hashed."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        features = " ".join(sorted({line for line in lines if line.lower().startswith(("flags", "features", "model"))}))
    except OSError:
        features = platform.processor()  # macOS: one kind of processor per machine type, and nothing better to read
    return hashlib.sha256(f"{platform.machine()} {features}".encode()).hexdigest()[:12]


def features() -> frozenset[str]:
    """Return the processor's features, under the names of /proc/cpuinfo."""
    try:
        return frozenset(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
    except OSError:  # a Mac: all of Intel's had the one, all of Apple's have the other
        return frozenset(("avx2",) if _is_x86() else ("asimddp",))


def vector_bits() -> int:
    """Return the width of the processor's vector registers that kernels are tiled for: 512, 256 or 128."""
    if not _is_x86():
        return 128
    flags = features()
    return 512 if {"avx512f", "avx512bw"} <= flags else 256 if "avx2" in flags else 128


def multiplies_bf16() -> bool:
    """Return whether the processor has AVX512_BF16: ``vdpbf16ps`` makes twice as many products of bf16 as of fp32."""
    return vector_bits() == 512 and "avx512_bf16" in features()


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def has_gpu() -> bool:
    """Return whether there may be a GPU: a device file of NVIDIA's, AMD's or any graphics driver, or a Mac's own."""
    nodes = ("/dev/nvidiactl", "/dev/kfd", "/dev/dri", "/dev/dxg")
    return platform.system() == "Darwin" or any(Path(node).exists() for node in nodes)


def only_cpu() -> bool:
    """Return whether tinygrad is left nothing to choose from: no GPU is here, and ``DEV`` names no other device."""
    return not os.environ.get("DEV") and not has_gpu()


def cache_folder() -> Path:
    """Return the folder for what can be made again, in the system's place for caches (``XDG_CACHE_HOME`` on Linux).

    Raises :class:`NoCacheFolder`. A folder for all users would not do: machine code lies there.
    """
    try:
        folder = platformdirs.user_cache_path("townhall")
    except RuntimeError:
        folder = Path()
    if folder.is_absolute():  # some versions of platformdirs return ~ where there is no home
        return folder
    raise NoCacheFolder(
        "this user has no home folder, so there is no place for compiled kernels and converted weights. "
        "Set XDG_CACHE_HOME (or HOME) to a folder that only this user can write to, in full, beginning with '/'."
    )


def use() -> None:
    """Set what tinygrad reads from the environment, the compiler too where there is one. Must run before its import.

    A missing compiler is nothing to complain of before the device is known: only a CPU needs one.
    """
    version = "none"
    with contextlib.suppress(NoCompiler):
        compiler = choose()
        os.environ["CC"], version = compiler.path, compiler.version
    os.environ["PARALLEL"] = "0"  # its compile workers are processes, which a bot full of threads must not spawn
    os.environ["JIT_BATCH_SIZE"] = "0"  # one graph for a whole step
    if only_cpu():
        os.environ["DEV"] = "CPU"  # else tinygrad imports half a second of drivers to find that out
    if not os.environ.get("CACHEDB"):
        os.environ["CACHEDB"] = str(_kernel_cache(version))
