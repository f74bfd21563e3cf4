"""A team of threads that replays a table of kernels: what a CUDA graph is to a GPU, in some 60 lines of C.

tinygrad starts a CPU kernel from Python, which costs about 40 µs and holds the interpreter's lock for most of it. The
table is run by one call without the lock: a launch costs well under a microsecond, and Discord's heartbeat never waits.

Each thread has a range of a kernel's slices, so that it reads one stretch of memory from end to end; they are claimed
from an atomic counter a range, and who has none left goes on in another's: if the system stops one thread, the others
take what is left, and only the slice in its hands is late. Between steps the team sleeps on semaphores.

Memory is what a step waits for, so it must not rest while threads wait for each other: who has nothing left to claim
first asks for the beginning of what it is going to read next.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.gpt2.model import device

log = logging.getLogger("townhall.gpt2.model")

MOST_ARGUMENTS = 12
DONE, MATRIX, MATRIX_BYTES, HEADER = 4, 5, 6, 7
LAUNCH_WORDS = HEADER + MOST_ARGUMENTS
"""A launch is u64 words: function, slices, place of the slice number (or NO_SLICE), arguments, done, then the address
and the bytes of the matrix that its slices read from the first to the last (0, 0 for none), then the arguments."""
NO_SLICE = 2**64 - 1
EARLY = 32 * 1024
"""So many bytes of its next matrix a thread asks for while it waits: an eighth of what most L2 caches hold."""

SOURCE = f"""
typedef unsigned long long u64;
typedef struct {{ u64 fn, slices, place, count, done, matrix, bytes, args[{MOST_ARGUMENTS}]; }} launch;
typedef struct {{ u64 sem_wait, sem_post, yield, generation, launches, length, stop, inside, threads, claimed; }} team;
typedef void (*F6)(u64, u64, u64, u64, u64, u64);
typedef void (*F12)(u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64);
#define GET(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define SET(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELEASE)
#define INLINE static inline __attribute__((always_inline))

INLINE void rest(void) {{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}}

INLINE void call(launch* c, u64 slice) {{
  u64 a[{MOST_ARGUMENTS}];
  for (u64 i = 0; i < {MOST_ARGUMENTS}; i++) a[i] = c->args[i];
  if (c->place < {MOST_ARGUMENTS}) a[c->place] = slice;
  if (c->count <= 6) ((F6)c->fn)(a[0], a[1], a[2], a[3], a[4], a[5]);
  else ((F12)c->fn)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11]);
}}

// The first of a launch's slices that are thread's: an equal share each, of a single slice the caller's.
INLINE u64 first_of(launch* c, u64 thread, u64 threads) {{ return (c->slices * thread + threads - 1) / threads; }}

// Ask for the beginning of what this thread will read of the matrix that comes after launch c.
INLINE void ask_early(team* t, launch* c, launch* end, u64* claimed, u64 me, u64 run) {{
  do c++, claimed += t->threads; while (c < end && !c->matrix);
  if (c >= end) return;
  u64 from = first_of(c, me, t->threads), to = first_of(c, me + 1, t->threads);
  if (from == to || GET(claimed[me]) != run + from) return;  // this thread is late: others have begun its work
  u64 share = c->bytes * (to - from) / c->slices;
  const char* p = (const char*)c->matrix + c->bytes * from / c->slices;
  for (const char* last = p + (share < {EARLY} ? share : {EARLY}); p < last; p += 64) __builtin_prefetch(p, 0, 2);
}}

// Counters carry the run's generation above their 32 bits, so that a thread that slept through a run can claim nothing.
INLINE void work(team* t, u64 me) {{
  u64 run = GET(t->generation) << 32, length = GET(t->length), threads = t->threads;
  launch *launches = (launch*)GET(t->launches), *end = launches + length;
  u64* claimed = (u64*)GET(t->claimed);
  for (launch* c = launches; c < end; c++, claimed += threads) {{
    for (u64 i = 0; i < threads; i++) {{
      u64 owner = me + i < threads ? me + i : me + i - threads;
      u64 to = run + first_of(c, owner + 1, threads), seen = GET(claimed[owner]);
      while (seen >= run && seen < to)
        if (__atomic_compare_exchange_n(&claimed[owner], &seen, seen + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {{
          call(c, seen & 0xffffffffull);
          __atomic_fetch_add(&c->done, 1, __ATOMIC_ACQ_REL);
          seen = GET(claimed[owner]);
        }}
      if ((seen & ~0xffffffffull) != run) return;
    }}
    if (c->matrix || c == launches) ask_early(t, c, end, claimed, me, run);
    for (u64 spins = 0; GET(c->done) < run + c->slices; spins++) {{
      if (GET(t->generation) << 32 != run) return;
      if (spins < 4000) rest();
      else ((int (*)(void))t->yield)();
    }}
  }}
}}

// One function, because the loader enters an object at its start. With a semaphore: the whole life of worker ``me``.
void team_entry(team* t, u64 semaphore, launch* launches, u64 length, u64* semaphores, u64 me) {{
  if (semaphore) {{
    for (;;) {{
      while (((int (*)(u64))t->sem_wait)(semaphore) != 0) {{}}
      if (GET(t->stop)) return;
      __atomic_fetch_add(&t->inside, 1, __ATOMIC_ACQ_REL);
      work(t, me);
      __atomic_fetch_sub(&t->inside, 1, __ATOMIC_ACQ_REL);
    }}
  }}
  u64 next = (t->generation + 1) & 0x7fffffffull, *claimed = (u64*)t->claimed;
  for (u64 i = 0; i < length; i++) {{
    launches[i].done = next << 32;
    for (u64 owner = 0; owner < t->threads; owner++)
      *claimed++ = (next << 32) + first_of(launches + i, owner, t->threads);
  }}
  SET(t->launches, (u64)launches);
  SET(t->generation, next);
  SET(t->length, length);
  for (u64 i = 0; i + 1 < t->threads; i++) ((int (*)(u64))t->sem_post)(semaphores[i]);
  work(t, 0);
  SET(t->length, 0);
}}
"""


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


class Team:
    """``threads`` threads, the caller's among them. Belongs to the thread that runs the model."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._program = device.load_c("team_entry", SOURCE)
        libc = _libc()
        addresses = [_address(getattr(libc, name)) for name in ("sem_wait", "sem_post", "sched_yield")]
        self._state = np.array([*addresses, 0, 0, 0, 0, 0, threads, 0], np.uint64)
        self._claimed = np.zeros(0, np.uint64)
        self._kept: list[Any] = []
        semaphores = [self._semaphore(libc) for _ in range(threads - 1)]
        self._semaphores = np.array(semaphores or [0], np.uint64)
        for index, semaphore in enumerate(semaphores):
            work = threading.Thread(
                target=self._enter, args=(semaphore, index + 1, 0, 0), name=f"gpt2-team-{index + 1}", daemon=True
            )
            work.start()

    def _semaphore(self, libc: ctypes.CDLL) -> int:
        """Return the address of a new semaphore; macOS has only named ones."""
        if sys.platform == "darwin":
            libc.sem_open.restype = ctypes.c_void_p
            name = f"/townhall-{os.getpid()}-{id(self):x}-{len(self._kept)}".encode()
            address: int | None = libc.sem_open(name, os.O_CREAT | os.O_EXCL, 0o600, 0)
            libc.sem_unlink(name)
            self._kept.append(address)
            if address in (None, 0, 2**64 - 1):
                raise OSError(ctypes.get_errno(), "no semaphore for the team of threads")
            return int(address or 0)
        memory = ctypes.create_string_buffer(64)
        self._kept.append(memory)
        if libc.sem_init(memory, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no semaphore for the team of threads")
        return ctypes.addressof(memory)

    def _enter(self, semaphore: int, me: int, launches: int, length: int) -> None:
        arguments = (self._state.ctypes.data, semaphore, launches, length, self._semaphores.ctypes.data, me)
        self._program(*(ctypes.c_uint64(int(value)) for value in arguments))

    def _make_room(self, launches: int) -> None:
        """Have a counter for each thread's range of so many launches."""
        if len(self._claimed) < (needed := launches * self.threads):
            self.settle()
            self._claimed = np.zeros(needed, np.uint64)
            self._state[9] = self._claimed.ctypes.data

    def run(self, table: npt.NDArray[np.uint64]) -> None:
        """Run a table of launches, (count, LAUNCH_WORDS) in C order, to its end, in order."""
        self._make_room(len(table))
        self._enter(0, 0, table.ctypes.data, len(table))

    def replaying(self, table: npt.NDArray[np.uint64]) -> dict[str, int]:
        """Return what compiled code needs to run a table itself: the function, and its arguments but for two.

        The second and the last are 0. The team and the table must live as long.
        """
        self._make_room(len(table))
        return {
            "replay": _address(self._program),
            "team": self._state.ctypes.data,
            "table": table.ctypes.data,
            "length": len(table),
            "semaphores": self._semaphores.ctypes.data,
        }

    def settle(self) -> None:
        """Wait until no thread reads a table any more, so that it may be freed."""
        while self._state[7]:
            os.sched_yield()

    def close(self) -> None:
        """Send the threads home."""
        self._state[6] = 1
        libc = _libc()
        for semaphore in self._semaphores[: self.threads - 1]:
            libc.sem_post(ctypes.c_void_p(int(semaphore)))
