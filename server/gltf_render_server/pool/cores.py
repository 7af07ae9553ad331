"""Shares the machine's cores among the workers that render at the same time.

Cycles takes every core for one picture. Two small pictures that both want all of them spend much of the time
on waiting for each other's threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["CoreShares", "shares"]


class CoreShares:
    """Gives each process that renders an equal share of this process's cores; all of them when it is alone.

    Does nothing where the system cannot tie threads to cores.
    """

    def __init__(self) -> None:
        can_tie = hasattr(os, "sched_setaffinity")
        self._cores = sorted(os.sched_getaffinity(0)) if can_tie else []
        self._rendering: list[int] = []
        self._lock = threading.Lock()

    @contextmanager
    def of(self, pid: int | None) -> Iterator[None]:
        """Let a process have a share for the length of a ``with`` block."""
        self._divide(add=pid)
        try:
            yield
        finally:
            self._divide(remove=pid)

    def _divide(self, *, add: int | None = None, remove: int | None = None) -> None:
        with self._lock:
            self._rendering = [pid for pid in self._rendering if pid != remove]
            if add is not None:
                self._rendering.append(add)
            for pid, cores in zip(self._rendering, shares(self._cores, len(self._rendering)), strict=False):
                _tie(pid, cores)


def shares(cores: Sequence[int], count: int) -> list[Sequence[int]]:
    """Divide cores into equal shares, but for one core; where there are too few, one serves several.

    Parameters
    ----------
    cores : sequence of int
        None: no shares.
    count : int
    """
    total = len(cores)
    if not total:
        return []
    if count >= total:
        return [[cores[number % total]] for number in range(count)]
    return [cores[number * total // count : (number + 1) * total // count] for number in range(count)]


def _tie(pid: int, cores: Sequence[int]) -> None:
    """Tie all threads of a process; those that they start will inherit that."""
    with suppress(OSError):  # it may end any time
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(task.name), cores)
