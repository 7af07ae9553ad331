"""The memory of a server on this machine: the process that listens on its port, and its workers."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from reporting import ScriptError

from .exchange import Server, ServerName

__all__ = ["MemoryWatch", "Reading"]


@dataclass(frozen=True)
class Reading:
    """The memory of a server after a number of responses."""

    server: ServerName
    requests: int
    rss_mb: float


class MemoryWatch:
    """Measures the memory of one server.

    Raises
    ------
    ScriptError
        The server's process is on another machine, or not accessible.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._processes = [psutil.Process(pid) for pid in _listening(server)]

    def read(self, requests: int) -> Reading:
        """Read the current memory, 10**6 bytes.

        Raises
        ------
        ScriptError
            The process has ended.
        """
        try:
            rss = sum(process.memory_info().rss for process in self._family())
        except psutil.Error as error:
            raise ScriptError(
                f"{self._server.url}: its process is gone: {error}; its log may tell why"
            ) from error
        return Reading(self._server.name, requests, rss / 1e6)

    def _family(self) -> set[psutil.Process]:
        """Return the listening processes and the processes that render for them."""
        children = [child for process in self._processes for child in process.children(recursive=True)]
        return {*self._processes, *children}


def _listening(server: Server) -> list[int]:
    parts = urlsplit(server.url)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    if not _is_here(parts.hostname or ""):
        raise ScriptError(
            f"{server.url}: it is not on this machine, so its memory cannot be seen; measure it where it runs"
        )
    pids = _pids(port)
    if not pids:
        raise ScriptError(
            f"{server.url}: the process that listens on port {port} cannot be seen; it may be another "
            "user's, or in a container; run the benchmark as that user, or inside the container"
        )
    return pids


def _pids(port: int) -> list[int]:
    """Return the listening processes: one, or the workers of a WSGI server with their parent."""
    pids = set()
    for process in psutil.process_iter():
        try:
            connections = process.net_connections("tcp")
        except psutil.Error:
            continue  # no permission to examine it
        if any(_listens(connection, port) for connection in connections):
            pids.add(process.pid)
    return sorted(pids)


def _listens(connection: object, port: int) -> bool:
    address = getattr(connection, "laddr", None)
    return bool(address) and address.port == port and getattr(connection, "status", "") == psutil.CONN_LISTEN


def _is_here(host: str) -> bool:
    try:
        addresses = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return bool(addresses & set(_own_addresses()))


def _own_addresses() -> Iterable[str]:
    for addresses in psutil.net_if_addrs().values():
        yield from (address.address for address in addresses)
