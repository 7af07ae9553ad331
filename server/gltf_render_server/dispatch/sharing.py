"""Decides the default number of workers, and which cores each of them gets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ..settings import ServerSettings
from .gpus import gpu_ids
from .machine import Machine, this_machine

__all__ = ["Needs", "Share", "share_out", "shares_of"]

_RESERVE_BYTES = 1_000_000_000  # for the server process, with its cached scenes
# measured: 1454 MB with a scene of 5 MB, denoised at 1280 x 720; 910 MB at 640 x 480
_WORKER_BYTES = 1_500_000_000
_WORKERS_ON_A_GPU = 2  # one worker prepares and reads back while the other renders


@dataclass(frozen=True)
class Share:
    """The resources of one worker.

    Attributes
    ----------
    cpus : frozenset of int
        The processors to which it is pinned. If the set is empty, it may use any.
    threads : int or None
        The number of rendering threads. None means one for each of these processors.
    """

    cpus: frozenset[int]
    threads: int | None


def shares_of(settings: ServerSettings) -> tuple[Share, ...]:
    """Return the share of this machine's resources that each worker gets.

    Raises
    ------
    SettingsError
        The number of workers depends on a GPU that this machine does not have.
    """
    return share_out(this_machine(), settings.workers, settings.threads, Needs.of(settings))


@dataclass(frozen=True)
class Needs:
    """The resources that a worker needs.

    Attributes
    ----------
    memory_bytes : int
    gpus : int
        The number of GPUs that the workers share; 0 if they render on the CPU, or if their number is fixed.
    """

    memory_bytes: int
    gpus: int = 0

    @classmethod
    def of(cls, settings: ServerSettings) -> Needs:
        """Return the needs of a worker with these settings; see `shares_of`."""
        limit_mb = settings.worker_max_rss
        memory_bytes = _WORKER_BYTES if limit_mb is None else round(limit_mb * 1e6)
        counts_gpus = (
            settings.workers == "auto" and settings.backend == "blender" and settings.device != "cpu"
        )
        return cls(memory_bytes, len(gpu_ids(settings.gpus)) if counts_gpus else 0)


def share_out(
    machine: Machine, workers: int | Literal["auto"], threads: int | Literal["all", "share"], needs: Needs
) -> tuple[Share, ...]:
    """Divide the resources of a machine among workers.

    ``auto`` means one worker for each core, or two for each GPU, but no more than fit into memory, and at
    least one. If there are at least as many workers as NUMA nodes, each worker stays on one node, and larger
    nodes get more workers. A worker may use all processors of its node, including those that other workers
    leave idle.

    Parameters
    ----------
    machine : Machine
    workers : int or "auto"
    threads : int, "all" or "share"
        The threads of each worker: a fixed number, the number of cores in its node, or an equal share of
        these cores, at least one.
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
    """Return the workers of each node: one for each, the others where a worker has most processors."""
    workers = [[worker] for worker in range(len(nodes))]
    for worker in range(len(nodes), count):
        roomiest = max(range(len(nodes)), key=lambda node: len(nodes[node]) / (len(workers[node]) + 1))
        workers[roomiest].append(worker)
    return workers


def _threads(threads: int | Literal["all", "share"], cores: int, workers: int) -> list[int]:
    """Return the number of threads of each worker in a node. Shares differ by at most one."""
    if threads == "share":
        ends = [cores * number // workers for number in range(workers + 1)]
        return [max(1, end - start) for start, end in pairwise(ends)]
    return [cores if threads == "all" else threads] * workers
