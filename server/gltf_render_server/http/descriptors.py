"""The number of connections that this process can hold, given the limit for file descriptors."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None

__all__ = ["most_connections"]

_MOST_CONNECTIONS = 500  # the server's loop examines each connection in every round
_FEWEST_CONNECTIONS = 8
_WANTED = 4096  # not the highest possible limit, because some programs close every possible descriptor
_OWN = 64  # files, libraries, GPUs
_EACH_WORKER = 32  # the pipes of a worker and of its successor


def most_connections(workers: int) -> int:
    """Return how many connections may be open at once. A low limit for descriptors is raised first.

    Parameters
    ----------
    workers : int
        The number of worker processes. Each of them needs some descriptors.
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
        with suppress(ValueError, OSError):  # the system does not allow it
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _open_now() -> int:
    with suppress(OSError):
        return len(list(Path("/dev/fd").iterdir()))
    return 0
