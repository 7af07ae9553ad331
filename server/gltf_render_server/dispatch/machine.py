"""The resources that the program may use: cores by NUMA node and memory, from the system and its cgroups."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

__all__ = ["Machine", "this_machine"]

_CACHE = ("active_file", "inactive_file")
"""Memory that a cgroup counts as used, but frees when something else needs it."""


@dataclass(frozen=True)
class Machine:
    """The available resources.

    Attributes
    ----------
    nodes : tuple of tuple of int
        The processors that may be used, by NUMA node. A node without any such processor is left out.
    cores : float
        The number of processors that may be busy at once; it is lower if a cgroup has a CPU time quota.
    memory_bytes : int
        The memory that new processes may use without forcing anything else out.
    """

    nodes: tuple[tuple[int, ...], ...]
    cores: float
    memory_bytes: int


def this_machine(root: Path = Path("/")) -> Machine:
    """Return the resources that this process may use now.

    This respects the process's CPU affinity, and ``cpu.max`` and ``memory.max`` of its cgroup (version 2) and
    its parents. A processor that is offline is in no affinity mask.

    Parameters
    ----------
    root : Path
        The folder that contains ``proc`` and ``sys``.
    """
    allowed = _allowed()
    groups = list(_cgroups(root))
    return Machine(
        nodes=_nodes(root, allowed),
        cores=min([float(len(allowed)), *map(_quota, groups)]),
        memory_bytes=int(min([psutil.virtual_memory().available, *map(_free_bytes, groups)])),
    )


def _allowed() -> frozenset[int]:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _nodes(root: Path, allowed: frozenset[int]) -> tuple[tuple[int, ...], ...]:
    """Return the processors by node. Those without a known node form an additional node."""
    folders = sorted(root.glob("sys/devices/system/node/node[0-9]*"), key=lambda path: int(path.name[4:]))
    nodes = [_listed(_read(folder / "cpulist")) & allowed for folder in folders]
    nodes.append(allowed.difference(*nodes))
    return tuple(tuple(sorted(node)) for node in nodes if node)


def _listed(text: str) -> frozenset[int]:
    """Parse a list of processors in the kernel's format: ``0-3,8``."""
    spans = (part.split("-") for part in text.strip().split(",") if part)
    return frozenset(number for span in spans for number in range(int(span[0]), int(span[-1]) + 1))


def _cgroups(root: Path) -> Iterator[Path]:
    """Yield the folders of this process's cgroup and its parents, as far as they are visible."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        if line.startswith("0::"):
            path = PurePosixPath(line.removeprefix("0::"))
            for group in (path, *path.parents):
                yield root / "sys/fs/cgroup" / group.relative_to("/")


def _quota(group: Path) -> float:
    """Return the CPU quota of a cgroup in cores; inf = no quota."""
    quota, _, period = _read(group / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdecimal() else math.inf


def _free_bytes(group: Path) -> float:
    """Return how much more memory a cgroup may use; inf = no limit."""
    most, used = _read(group / "memory.max").strip(), _read(group / "memory.current").strip()
    if not (most.isdecimal() and used.isdecimal()):
        return math.inf
    counts = dict(line.split(" ") for line in _read(group / "memory.stat").splitlines())
    cache = sum(int(counts.get(name, 0)) for name in _CACHE)
    return max(0, int(most) - int(used) + cache)


def _read(path: Path) -> str:
    """Return the text of a file of the kernel, or an empty string if it does not exist."""
    with suppress(OSError):
        return path.read_text()
    return ""
