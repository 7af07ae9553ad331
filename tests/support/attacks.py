"""Hostile clients, and how the server does meanwhile."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import requests
from memory import own_bytes

MEGABYTE = 10**6


class Watch:
    """What was seen of a server while it was watched.

    Attributes
    ----------
    waits_s : list of float
        How long each answer of ``/healthz/live`` took, without the time for which the machine had no
        processor for it; inf where there was no answer.
    peak_bytes : int
        The most memory of its own that the process had.
    files : set of str
        Temporary files that it had open.
    """

    def __init__(self, pid: int, url: str) -> None:
        self._process = psutil.Process(pid)
        self._url = url
        self.waits_s: list[float] = []
        self.peak_bytes = 0
        self.files: set[str] = set()

    def live(self) -> None:
        pids = os.getpid(), self._process.pid
        started_s, before = time.perf_counter(), [_delays_s(pid) for pid in pids]
        try:
            is_live = requests.get(f"{self._url}/healthz/live", timeout=300).ok
        except requests.RequestException:
            is_live = False
        wait_s = time.perf_counter() - started_s
        for pid, earlier in zip(pids, before, strict=True):
            delays_s = sorted(delay - earlier.get(name, 0.0) for name, delay in _delays_s(pid).items())
            wait_s -= sum(delays_s[-2:])  # whose turn it is, and who holds the lock that it waits for
        self.waits_s.append(wait_s if is_live else float("inf"))

    def memory(self) -> None:
        self.peak_bytes = max(self.peak_bytes, own_bytes(self._process))
        for entry in Path(f"/proc/{self._process.pid}/fd").glob("*"):
            with suppress(OSError):
                path = str(entry.readlink())
                if path.endswith("(deleted)") and not path.startswith(("/dev/shm", "/memfd")):
                    self.files.add(path)


def _delays_s(pid: int) -> dict[str, float]:
    """For how long each thread of a process could have run, but had no processor, as Linux counts it."""
    delays_s = {}
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # it has ended meanwhile
            delays_s[path.parent.name] = int(path.read_text().split()[1]) / 1e9
    return delays_s


@contextmanager
def watching(pid: int, url: str) -> Iterator[Watch]:
    """Ask after a server's health again and again, and look at its memory, until the block ends."""
    watch, over = Watch(pid, url), threading.Event()

    def repeat(look: Callable[[], None]) -> None:
        while not over.wait(0.05):
            look()

    threads = [threading.Thread(target=repeat, args=(look,)) for look in (watch.live, watch.memory)]
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        over.set()
        for thread in threads:
            thread.join()
        watch.live()


def connect(url: str, timeout_s: float = 300.0) -> socket.socket:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout_s)


def head(url: str, *lines: str, method: str = "POST", path: str = "/render") -> bytes:
    host = url.removeprefix("http://")
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode()


@contextmanager
def crowd_of(count: int, url: str, first_words: bytes = b"") -> Iterator[list[socket.socket]]:
    """Hold so many connections open, each of which has said `first_words`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * count + 256)), hard))
    with ExitStack() as stack:
        sockets = []
        for _ in range(count):
            sockets.append(stack.enter_context(connect(url)))
            with suppress(OSError):
                sockets[-1].sendall(first_words)
        yield sockets


def drip(sockets: list[socket.socket], seconds: float) -> None:
    """Send a byte of a header on each connection, again and again."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        for each in sockets:
            with suppress(OSError):
                each.send(b"a")
        time.sleep(0.5)


def pour(url: str, first_words: bytes, pieces: Iterator[bytes]) -> tuple[bytes, int]:
    """Send without a look at the answer; return what the server says at last, and how much it let us send."""
    sent = 0
    with connect(url) as connection:
        with suppress(OSError):
            connection.sendall(first_words)
            for piece in pieces:
                connection.sendall(piece)
                sent += len(piece)
        with suppress(OSError):
            return connection.recv(65536), sent
    return b"", sent


def zeros(total: int) -> Iterator[bytes]:
    piece = bytes(MEGABYTE)
    for _ in range(total // MEGABYTE):
        yield piece


def chunks(total: int, size: int = MEGABYTE) -> Iterator[bytes]:
    """Chunks of `size` bytes, together `total` bytes and more; the last one is missing."""
    chunk = f"{size:x}\r\n".encode() + bytes(size) + b"\r\n"
    piece = chunk * max(1, MEGABYTE // len(chunk))
    for _ in range(total // len(piece) + 1):
        yield piece


def scaled(count: int) -> int:
    """How many attackers there are: fewer where time matters."""
    return max(1, round(count * float(os.environ.get("GLTF_RENDER_SERVER_ATTACK_SCALE", "1"))))
