"""Memory that a process frees and soon needs again."""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as malloc.h of the GNU C library numbers them
_MOST_KEPT_BYTES = 64 * 2**20
_MOST_MANAGED_BYTES = 32 * 2**20  # the most that the library takes: a larger block comes from the system


def keep_freed_memory() -> None:
    """Let this process keep memory that it frees, up to 64 MiB of each thread.

    Each render frees what the next one needs, and to get memory back from the system, page by page and
    cleared, takes a tenth of an exact render's processor time. Other C libraries than GNU's go on as before.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not GNU's; or not even a system that has the call
        return
    set_option(_MMAP_THRESHOLD, _MOST_MANAGED_BYTES)
    set_option(_TRIM_THRESHOLD, _MOST_KEPT_BYTES)
