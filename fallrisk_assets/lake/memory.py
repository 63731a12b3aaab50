"""Giving memory back between device buckets, so that a run's peak is that of one bucket, not of them all.

What belongs here: the allocators' own ways to do so. What does not: who holds what.
"""

import ctypes
import functools
from collections.abc import Callable

import pyarrow as pa


@functools.cache
def _trim() -> Callable[[int], int] | None:
    """Return glibc's `malloc_trim`; None where the C library has none (macOS, musl)."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back(*, heap: bool = True) -> None:
    """Return freed memory to the system: some 70 MB after a bucket, for a few milliseconds.

    A reader of Parquet leaves ten times a file's size in Arrow's pool, and arrays of millions of samples
    leave holes in the heap; both would stay resident while the next bucket asks for more.

    Args:
        heap: Arrow's pool and the heap, or Arrow's pool only, which is cheap enough for every hour.
    """
    pa.default_memory_pool().release_unused()
    if heap and (trim := _trim()) is not None:
        trim(0)
