"""How many connections this process can hold: a file descriptor each, and enough left for all else."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None

__all__ = ["most_connections"]

_MOST_CONNECTIONS = 500  # each is looked at in every round of the loop
_FEWEST_CONNECTIONS = 8
_WANTED = 4096  # not all of what may be had: some programs close every descriptor there could be
_OWN = 64  # files, libraries, GPUs
_EACH_WORKER = 32  # its pipes and its successor's


def most_connections(workers: int) -> int:
    """Return how many connections may be open at once, after raising the limit of descriptors if it is low.

    Parameters
    ----------
    workers : int
        Processes beside this one, each of which needs some descriptors of its own.
    """
    if resource is None:
        return _MOST_CONNECTIONS
    free = _raised_limit() - _open_now() - _OWN - _EACH_WORKER * workers
    return max(_FEWEST_CONNECTIONS, min(_MOST_CONNECTIONS, free))


def _raised_limit() -> int:
    assert resource is not None  # noqa: S101  for the type checker
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _WANTED
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft < wanted:
        with suppress(ValueError, OSError):  # not allowed
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _open_now() -> int:
    with suppress(OSError):
        return len(list(Path("/dev/fd").iterdir()))
    return 0
