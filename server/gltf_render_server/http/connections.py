"""Connections that stand hostile clients, and the threads behind them.

waitress by itself waits for heads for as long as they take, accepts nobody when all connections are in use,
and lets renders have all the threads. Here a connection that nothing comes of makes room for others, a client
that is refused while it sends gets its answer, and health has threads of its own.
"""
# waitress's types are known in parts only
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOptionalMemberAccess=false

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from ipaddress import IPv6Address, ip_network
from typing import Any

import flask
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from ..errors import QueueFullError, RequestTimeoutError
from .addresses import parse_address
from .incoming import IncomingRequest, RefusalTask

__all__ = ["Connection", "ConnectionServer"]

_logger = logging.getLogger(__name__)
_logger.setLevel(logging.WARNING)  # below, waitress tells of clients that hang up, with the paths they chose

_RECEIVE_BYTES = 256 * 1024  # a scene has megabytes; waitress's default of 8 KiB is for pages
_HEAD_BYTES = 32 * 1024
_MANY_BYTES = 2**40
_CHUNKED_BYTES = 16 * 1024  # taking chunks apart is slow, and the others wait

_IDLE_S = 60.0
_LINGER_S = 20.0
_NO_DESCRIPTOR_PAUSE_S = 0.5

_QUICK_THREADS = 4  # for health, metrics and refusals: never taken by a render
_SPARE_PLACES = 16  # how many connections may come in at once
_NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class _Places:
    """How many requests that take long may be read, wait and be answered at once: each has a thread."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = threading.Semaphore(count)

    @property
    def is_full(self) -> bool:
        if not self._free.acquire(blocking=False):
            return True
        self._free.release()
        return False

    def take(self) -> bool:
        return self._free.acquire(blocking=False)

    def give_back(self) -> None:
        self._free.release()

    def error(self) -> QueueFullError:
        return QueueFullError(f"{self.count} requests are being answered already; try again later")


class Connection(HTTPChannel):
    """One client's connection, which can refuse a body and still be heard.

    A client sends its body before it reads the answer, and a connection that is closed while data comes in is
    reset, answer and all. So a refused one takes the rest, keeps nothing of it, and closes when the client
    does, or when that has been enough.

    Attributes
    ----------
    client : object
        Whose it is: an address, or for IPv6 the network that one customer has.
    """

    error_task_class = RefusalTask
    logger = _logger

    def __init__(self, server: ConnectionServer, *arguments: Any, **options: Any) -> None:
        super().__init__(server, *arguments, **options)
        self.client = _client(self.addr[0])
        self.parser_class = partial(IncomingRequest, connection=self)
        self._is_refused = False
        self._lingers_until_s: float | None = None
        self._discarded_bytes = 0

    @property
    def is_at_work(self) -> bool:
        """Whether a request of it is being answered."""
        return bool(self.requests)

    @property
    def value(self) -> tuple[bool, float]:
        """What it is worth when connections are short: data under way more than a wait, new more than old."""
        request: Any = self.request
        is_head = request is not None and not request.headers_finished
        is_wait = request is None and not self.total_outbufs_len
        return not (is_head or is_wait), request.started_s if is_head else self.last_activity

    def refuse(self) -> None:
        """Take nothing more from the client but to throw it away; an answer is on its way."""
        self._is_refused = True

    def end_if_overdue(self, now_s: float) -> None:
        """Close it, or answer that its request took too long to come in, where it is time."""
        request: Any = self.request
        is_silent = now_s - self.last_activity > _IDLE_S
        if self._lingers_until_s is not None:
            self.will_close |= now_s > self._lingers_until_s
        elif self.is_at_work:
            return
        elif request is not None and (request.is_overdue or is_silent):
            self._time_out()
        elif is_silent:
            self.will_close = True

    def readable(self) -> bool:
        """Tell waitress whether to read."""
        return self._lingers_until_s is not None or bool(super().readable())

    def recv(self, buffer_size: int) -> bytes:
        """Read, not too much at once of what is costly to take apart."""
        request: Any = self.request
        is_chunked = request is not None and request.chunked
        return super().recv(min(buffer_size, _CHUNKED_BYTES) if is_chunked else buffer_size)

    def received(self, data: bytes) -> bool:
        """Take bytes, or throw them away."""
        if not self._is_refused:
            return super().received(data)
        self._discarded_bytes += len(data)
        if self._discarded_bytes > 2 * self.adj.max_request_body_size:
            self.will_close = True
        return False

    def handle_write(self) -> None:
        """Send; and after a refusal, stay to listen."""
        if not (self._is_refused and self.close_when_flushed) or self.will_close:
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if not self.total_outbufs_len and self.connected:
            self._linger()

    def handle_close(self) -> None:
        """Close, and let go of a body that stays incomplete: its request and the connection form a cycle."""
        super().handle_close()
        if self.request is not None:
            self.request.close()

    def service(self) -> None:
        """Answer the next request, on a thread for that."""
        request: Any = self.requests[0]
        try:
            super().service()
        finally:
            if request.has_place:
                self.server.places.give_back()

    def _linger(self) -> None:
        self.close_when_flushed = False
        self._lingers_until_s = time.time() + _LINGER_S
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def _time_out(self) -> None:
        with self.requests_lock:
            request: Any = self.request
            request.refuse(RequestTimeoutError("the request took too long to arrive"))
            self.refuse()
            self.requests.append(request)
            self.request = None
            self.server.add_task(self)


class ConnectionServer(TcpWSGIServer):
    """Accepts connections, and gives requests to threads.

    Parameters
    ----------
    app : flask.Flask
    listening : socket.socket
    renders : int
        How many requests for renders, or with scenes, may be read, wait and be answered at once.
    connections : int
        How many connections may be open at once.

    Attributes
    ----------
    app : flask.Flask
        As it is; `application` is what waitress makes of it.
    places : _Places
        For the requests that take long.
    """

    channel_class = Connection
    logger = _logger

    def __init__(self, app: flask.Flask, listening: socket.socket, renders: int, connections: int) -> None:
        self.app = app
        most_bytes = app.config["MAX_CONTENT_LENGTH"]
        adjustments = Adjustments(
            sockets=[listening],
            ident="glTF Render Server",
            recv_bytes=_RECEIVE_BYTES,
            max_request_header_size=_HEAD_BYTES,
            max_request_body_size=most_bytes + 1,
            inbuf_overflow=2 * most_bytes,  # never: what is taken stays in memory
            outbuf_overflow=_MANY_BYTES,  # never: an answer is in memory already, and a file would cost time
            cleanup_interval=1,
            asyncore_use_poll=True,
            channel_request_lookahead=1,  # so that a client that hung up is noticed
            log_socket_errors=False,  # a client that hangs up is no event
        )
        self.places = _Places(renders)
        self.quick_dispatcher = _dispatcher(_QUICK_THREADS)
        self._connections = connections
        self._accepts_after_s = 0.0
        family, kind, protocol = listening.family, listening.type, listening.proto
        super().__init__(
            app,
            {},
            _sock=listening,
            dispatcher=_dispatcher(renders),
            adj=adjustments,
            sockinfo=(family, kind, protocol, listening.getsockname()),
            bind_socket=False,
        )

    def add_task(self, task: Any) -> None:
        """Give the next request of a connection to a thread."""
        request = task.requests[0]
        if not request.takes_long:
            self.quick_dispatcher.add_task(task)
        elif self.places.take():
            request.has_place = True
            self.task_dispatcher.add_task(task)
        else:
            request.refuse(self.places.error())
            self.quick_dispatcher.add_task(task)

    def readable(self) -> bool:
        """Tell waitress whether to accept; called in every round of its loop."""
        now_s = time.time()
        if now_s >= self.next_channel_cleanup:
            self.next_channel_cleanup = now_s + self.adj.cleanup_interval
            self.maintenance(now_s)
        self._make_room()
        has_room = len(self.active_channels) < self._connections
        return self.accepting and has_room and now_s >= self._accepts_after_s

    def maintenance(self, now: float) -> None:
        """End what has lasted too long."""
        for connection in list(self.active_channels.values()):
            connection.end_if_overdue(now)

    def handle_accept(self) -> None:
        """Accept what has come in, while there is room."""
        for _ in range(_SPARE_PLACES):
            before = len(self.active_channels)
            if before >= self._connections:
                return
            super().handle_accept()
            if len(self.active_channels) == before:
                return

    def accept(self) -> Any:
        """Accept one connection; without a descriptor for it, not another one for a moment."""
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in _NO_DESCRIPTOR:
                raise
            self._accepts_after_s = time.time() + _NO_DESCRIPTOR_PAUSE_S
            return None

    def end_loop(self) -> None:
        """Let `run` return, on whatever thread that is; from any other."""
        self.trigger.pull_trigger(self._close_connections)

    def end_threads(self, timeout_s: float) -> None:
        """End the threads that answer, after the loop."""
        for dispatcher in (self.task_dispatcher, self.quick_dispatcher):
            dispatcher.shutdown(timeout=timeout_s)
        self.trigger.close()  # last: all of them pull it

    def _close_connections(self) -> None:
        """Leave the loop nothing to wait for; runs on its own thread."""
        for connection in list(self.active_channels.values()):
            connection.close()
        self.trigger.del_channel()
        wasyncore.dispatcher.close(self)

    def _make_room(self) -> None:
        """Close what nothing comes of, so that there is always room for who is next.

        The client that has most connections gives up the one that has been silent longest. So nobody can
        take all of them, and a proxy, whose one address stands for many, has all that others leave.
        """
        spare = min(_SPARE_PLACES, self._connections // 4)
        if len(self.active_channels) <= self._connections - spare:
            return
        closing = sum(connection.will_close for connection in self.active_channels.values())
        excess = len(self.active_channels) - closing - (self._connections - spare)
        for _, connection in zip(range(excess), self._least_wanted(), strict=False):
            connection.will_close = True

    def _least_wanted(self) -> Iterator[Connection]:
        open_now = list(self.active_channels.values())
        connections: list[Connection] = [each for each in open_now if not each.will_close]
        held = Counter(connection.client for connection in connections)
        idle = sorted((each for each in connections if not each.is_at_work), key=lambda each: each.value)
        while idle:
            least = max(idle, key=lambda each: held[each.client])  # of equals the first: the least worth
            idle.remove(least)
            held[least.client] -= 1
            yield least


def _dispatcher(threads: int) -> ThreadedTaskDispatcher:
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.queue_logger = logging.getLogger(f"{__name__}.queue")
    dispatcher.queue_logger.setLevel(logging.ERROR)  # that tasks wait a moment is nothing to tell
    dispatcher.set_thread_count(threads)
    return dispatcher


def _client(address: str) -> object:
    try:
        ip = parse_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address) and not ip.ipv4_mapped:
        return ip_network((ip, 64), strict=False)
    return getattr(ip, "ipv4_mapped", None) or ip
