"""How many workers there are where nobody says, and which cores each gets: the one place that decides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ..settings import ServerSettings
from .gpus import gpu_ids
from .machine import Machine, this_machine

__all__ = ["Needs", "Share", "share_out", "shares_of"]

_RESERVE_BYTES = 1_000_000_000  # for the process that answers, with the scenes that it keeps
_WORKER_BYTES = 1_500_000_000  # 1454 MB with a scene of 5 MB, denoised at 1280 x 720; 910 MB at 640 x 480
_WORKERS_ON_A_GPU = 2  # one prepares and reads back while the other renders


@dataclass(frozen=True)
class Share:
    """What a worker gets.

    Attributes
    ----------
    cpus : frozenset of int
        The processors that it stays on; none = whichever the system gives it.
    threads : int or None
        How many it renders with; None = one for each of these processors.
    """

    cpus: frozenset[int]
    threads: int | None


def shares_of(settings: ServerSettings) -> tuple[Share, ...]:
    """Return what each worker of the settings gets of this machine.

    Raises
    ------
    SettingsError
        The number of workers depends on a GPU that this machine does not have.
    """
    return share_out(this_machine(), settings.workers, settings.threads, Needs.of(settings))


@dataclass(frozen=True)
class Needs:
    """What a worker takes.

    Attributes
    ----------
    memory_bytes : int
    gpus : int
        How many GPUs the workers take in turn; 0 = they render on the processor, or their number is given.
    """

    memory_bytes: int
    gpus: int = 0

    @classmethod
    def of(cls, settings: ServerSettings) -> Needs:
        """Return what a worker with these settings takes; see `shares_of`."""
        limit_mb = settings.worker_max_rss
        memory_bytes = _WORKER_BYTES if limit_mb is None else round(limit_mb * 1e6)
        counts_gpus = (
            settings.workers == "auto" and settings.backend == "blender" and settings.device != "cpu"
        )
        return cls(memory_bytes, len(gpu_ids(settings.gpus)) if counts_gpus else 0)


def share_out(
    machine: Machine, workers: int | Literal["auto"], threads: int | Literal["all", "share"], needs: Needs
) -> tuple[Share, ...]:
    """Share out a machine.

    ``auto`` is a worker for each core, or two for each GPU, but no more than there is memory for, and always
    one. Where there are as many workers as NUMA nodes, each stays on one node, and
    nodes get workers by their size. A worker stays on no fewer processors than its node's, so that it can
    have those of others that are idle.

    Parameters
    ----------
    machine : Machine
    workers : int or "auto"
    threads : int, "all" or "share"
        Of each worker: so many; as many as its node has cores; or those cores dealt out among the node's
        workers, and each has one at least.
    needs : Needs
    """
    count = _count(machine, needs) if workers == "auto" else workers
    nodes = machine.nodes if 1 < len(machine.nodes) <= count else (sum(machine.nodes, ()),)
    granted = machine.cores / sum(map(len, nodes))
    shares: dict[int, Share] = {}
    for node, taken_by in zip(nodes, _dealt(nodes, count), strict=True):
        cpus = frozenset(node) if len(nodes) > 1 else frozenset[int]()
        dealt = _threads(threads, max(1, math.floor(len(node) * granted)), len(taken_by))
        for worker, part in zip(taken_by, dealt, strict=True):
            shares[worker] = Share(cpus, None if part == len(node) else part)
    return tuple(shares[worker] for worker in range(count))


def _count(machine: Machine, needs: Needs) -> int:
    by_work = needs.gpus * _WORKERS_ON_A_GPU or math.ceil(machine.cores)
    by_memory = (machine.memory_bytes - _RESERVE_BYTES) // needs.memory_bytes
    return max(1, min(by_work, by_memory))


def _dealt(nodes: tuple[tuple[int, ...], ...], count: int) -> list[list[int]]:
    """Return the workers of each node: one for each, and the next go where they find the most processors."""
    workers = [[worker] for worker in range(len(nodes))]
    for worker in range(len(nodes), count):
        roomiest = max(range(len(nodes)), key=lambda node: len(nodes[node]) / (len(workers[node]) + 1))
        workers[roomiest].append(worker)
    return workers


def _threads(threads: int | Literal["all", "share"], cores: int, workers: int) -> list[int]:
    """Return the threads of each of a node's workers; shares differ by one at most."""
    if threads == "share":
        ends = [cores * number // workers for number in range(workers + 1)]
        return [max(1, end - start) for start, end in pairwise(ends)]
    return [cores if threads == "all" else threads] * workers
