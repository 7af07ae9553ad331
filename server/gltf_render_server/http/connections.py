"""The HTTP connections, hardened against hostile clients, and the threads that serve them.

By itself, waitress waits for request heads without a limit, accepts no client while all connections are in
use, and lets renders occupy all threads. Here, an idle connection is closed to make room for others, a client
that is rejected during its upload gets the response, and health checks have threads of their own.
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
# at a lower level, waitress logs clients that disconnect, with the paths that they chose
_logger.setLevel(logging.WARNING)

_RECEIVE_BYTES = 256 * 1024  # scenes have megabytes, whereas waitress's default of 8 KiB is meant for pages
_HEAD_BYTES = 32 * 1024
_MANY_BYTES = 2**40
_CHUNKED_BYTES = 16 * 1024  # parsing chunks is slow, and other connections wait meanwhile

_IDLE_S = 60.0
_LINGER_S = 20.0
_NO_DESCRIPTOR_PAUSE_S = 0.5

_QUICK_THREADS = 4  # for health checks, metrics and rejections; renders never use them
_SPARE_PLACES = 16  # the number of connections that may arrive at the same time
_NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class _Places:
    """Limits how many long requests are read, wait and are answered at once. Each of them has a thread."""

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
    """A client's connection. It can reject a body in such a way that the client still gets the response.

    A client sends its whole body before it reads the response. If the connection were closed while data
    arrives, it would be reset and the response lost. Therefore, a rejected connection keeps reading and
    discards the data, until the client closes it or a limit is reached.

    Attributes
    ----------
    client : object
        The client's identity: its address, or for IPv6 the network of one customer.
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
        """Whether a request of this connection is being answered."""
        return bool(self.requests)

    @property
    def value(self) -> tuple[bool, float]:
        """Its priority when connections are scarce: active before idle ones, new before old ones."""
        request: Any = self.request
        is_head = request is not None and not request.headers_finished
        is_wait = request is None and not self.total_outbufs_len
        return not (is_head or is_wait), request.started_s if is_head else self.last_activity

    def refuse(self) -> None:
        """Discard everything that the client still sends. A response is on its way."""
        self._is_refused = True

    def end_if_overdue(self, now_s: float) -> None:
        """Close the connection if it is idle for too long, or respond that its request took too long."""
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
        """Return whether waitress should read from the connection."""
        return self._lingers_until_s is not None or bool(super().readable())

    def recv(self, buffer_size: int) -> bytes:
        """Read data, in smaller pieces if it is expensive to parse."""
        request: Any = self.request
        is_chunked = request is not None and request.chunked
        return super().recv(min(buffer_size, _CHUNKED_BYTES) if is_chunked else buffer_size)

    def received(self, data: bytes) -> bool:
        """Process received data, or discard it."""
        if not self._is_refused:
            return super().received(data)
        self._discarded_bytes += len(data)
        if self._discarded_bytes > 2 * self.adj.max_request_body_size:
            self.will_close = True
        return False

    def handle_write(self) -> None:
        """Send data, and keep the connection open for reading after a rejection."""
        if not (self._is_refused and self.close_when_flushed) or self.will_close:
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if not self.total_outbufs_len and self.connected:
            self._linger()

    def handle_close(self) -> None:
        """Close the connection, and free an incomplete body, which a reference cycle would keep in memory."""
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
    """Accepts connections, and hands requests to threads.

    Parameters
    ----------
    app : flask.Flask
    listening : socket.socket
    renders : int
        How many requests that render or contain scenes may be read, wait and be answered at the same time.
    connections : int
        How many connections may be open at the same time.

    Attributes
    ----------
    app : flask.Flask
        The Flask application. `application` is waitress's wrapper of it.
    places : _Places
        The places for long requests.
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
            inbuf_overflow=2 * most_bytes,  # never overflow to a file: what is accepted stays in memory
            outbuf_overflow=_MANY_BYTES,  # never overflow to a file: a response is in memory already
            cleanup_interval=1,
            asyncore_use_poll=True,
            channel_request_lookahead=1,  # lets waitress notice that a client has disconnected
            log_socket_errors=False,  # a client that disconnects is not an error
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
        """Hand the next request of a connection to a thread."""
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
        """Return whether waitress should accept connections. It asks in every round of its loop."""
        now_s = time.time()
        if now_s >= self.next_channel_cleanup:
            self.next_channel_cleanup = now_s + self.adj.cleanup_interval
            self.maintenance(now_s)
        self._make_room()
        has_room = len(self.active_channels) < self._connections
        return self.accepting and has_room and now_s >= self._accepts_after_s

    def maintenance(self, now: float) -> None:
        """Close what has exceeded its time limit."""
        for connection in list(self.active_channels.values()):
            connection.end_if_overdue(now)

    def handle_accept(self) -> None:
        """Accept waiting connections while there is room."""
        for _ in range(_SPARE_PLACES):
            before = len(self.active_channels)
            if before >= self._connections:
                return
            super().handle_accept()
            if len(self.active_channels) == before:
                return

    def accept(self) -> Any:
        """Accept one connection. If there are no file descriptors left, pause for a moment."""
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in _NO_DESCRIPTOR:
                raise
            self._accepts_after_s = time.time() + _NO_DESCRIPTOR_PAUSE_S
            return None

    def end_loop(self) -> None:
        """Make `run` return. This may be called from any other thread."""
        self.trigger.pull_trigger(self._close_connections)

    def end_threads(self, timeout_s: float) -> None:
        """End the worker threads, after the loop has ended."""
        for dispatcher in (self.task_dispatcher, self.quick_dispatcher):
            dispatcher.shutdown(timeout=timeout_s)
        self.trigger.close()  # last, because all threads use it

    def _close_connections(self) -> None:
        """Close all connections, so that the loop can end. This runs on the loop's own thread."""
        for connection in list(self.active_channels.values()):
            connection.close()
        self.trigger.del_channel()
        wasyncore.dispatcher.close(self)

    def _make_room(self) -> None:
        """Close idle connections, so that there is always room for the next one.

        The client with the most connections loses the one that has been silent longest. So no client can
        occupy all of them, and a proxy, whose single address stands for many clients, may use all that others
        leave free.
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
            # max returns the first of equal clients, whose connection has the lowest priority
            least = max(idle, key=lambda each: held[each.client])
            idle.remove(least)
            held[least.client] -= 1
            yield least


def _dispatcher(threads: int) -> ThreadedTaskDispatcher:
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.queue_logger = logging.getLogger(f"{__name__}.queue")
    dispatcher.queue_logger.setLevel(logging.ERROR)  # tasks that wait a moment are not worth a warning
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
