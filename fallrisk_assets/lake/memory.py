"""How this process keeps and returns memory, so that a run's peak is that of one bucket, not of them all.

What belongs here: the allocators' own settings. What does not: who holds what.
"""

import ctypes
import functools
from collections.abc import Callable

import pyarrow as pa

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
#: The arrays of a device-hour are smaller than this.
_KEPT_BYTES = 64 << 20


@functools.cache
def _libc(name: str) -> Callable[..., int] | None:
    """Return a function of glibc; None where the C library lacks it (macOS, musl)."""
    return getattr(ctypes.CDLL(None), name, None)


@functools.cache
def reuse_blocks() -> None:
    """Let the heap use blocks again instead of asking the system for each array; `give_back` returns them.

    By default glibc maps an array of a device-hour anew each time, and the system clears its pages: a
    million page faults for eight device-days, a twentieth of their CPU time.
    """
    if mallopt := _libc("mallopt"):
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 2 * _KEPT_BYTES)


def give_back(*, heap: bool = True) -> None:
    """Return freed memory to the system: some 70 MB after a bucket, for a few milliseconds.

    A reader of Parquet leaves ten times a file's size in Arrow's pool, and arrays of millions of samples
    leave holes in the heap; both would stay resident while the next bucket asks for more.

    Args:
        heap: Arrow's pool and the heap, or Arrow's pool only, which is cheap enough for every hour.
    """
    pa.default_memory_pool().release_unused()
    if heap and (trim := _libc("malloc_trim")):
        trim(0)
