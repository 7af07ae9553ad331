"""Requests while they arrive: they can be rejected after the head, without waiting for the body.

By itself, waitress receives the whole body before anything examines the head.
"""
# waitress's types are known in parts only
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportOptionalMemberAccess=false

from __future__ import annotations

import io
import time
from typing import Any, Protocol

import flask
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask, WSGITask

from ..errors import RequestError
from .app import head_answer
from .bodies import body_error
from .responses import error_body, error_response

__all__ = ["IncomingRequest", "RefusalTask"]

_PIECE_BYTES = 1024  # waitress parses chunks in time that is quadratic in the size of the data
_CHUNK_LINE_BYTES = 4 * 1024
_FRAMING_BYTES = 16 * 1024  # chunk headers up to this total may be longer than the data in them

_FIRST_ROOM_BYTES = 2**18
_MORE_ROOM = 4
"""How many times the received size is allocated at most. The announced size may be false."""

_HEAD_S = 10.0
_BODY_S = 60.0
_SLOWEST_BODY = 100_000.0  # bytes per second, after the time above


class _Connection(Protocol):
    """The methods of a connection that a request uses."""

    server: Any

    def refuse(self) -> None:
        """Discard the rest of the body."""
        ...


class _BodyBuffer:
    """A buffer for a body of known length. It grows in a few large steps.

    waitress's own buffer grows with each piece, which takes as much time as receiving the data. This class
    has the methods that waitress needs.
    """

    def __init__(self, length: int) -> None:
        self._file = io.BytesIO()
        self._length = length
        self._room = self._filled = 0

    def __len__(self) -> int:
        return self._filled

    def append(self, data: bytes) -> None:
        """Append a piece of data."""
        filled = self._filled + len(data)
        if filled > self._room:
            more = max(filled, _FIRST_ROOM_BYTES, _MORE_ROOM * self._filled)
            self._room = max(filled, min(self._length, more))
            self._file.seek(self._room - 1)
            self._file.write(b"\0")
        self._file.seek(self._filled)
        self._file.write(data)
        self._filled = filled

    def getfile(self) -> io.BytesIO:
        """Return the data as a file, positioned at its beginning."""
        self._room = self._filled
        self._file.truncate(self._room)
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Free the memory."""
        self._file.close()


class _Refusal:
    """A response that needs no application, with the attributes of waitress's errors."""

    def __init__(self, response: flask.Response) -> None:
        self._response = response

    def to_response(self, _ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        return self._response.status, list(self._response.headers), self._response.get_data()


class _WaitressRefusal:
    """Gives waitress's own rejections the format of the application's error responses."""

    def __init__(self, error: Any) -> None:
        self._error = error

    def to_response(self, _ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        error = self._error
        body = error_body(error.code, f"{error.reason}: {error.body}")
        return f"{error.code} {error.reason}", [("Content-Type", "application/json")], body


class RefusalTask(ErrorTask):
    """Answers a request that is not passed to the application."""

    def execute(self) -> None:
        """Send the response."""
        request: Any = self.request
        if not isinstance(request.error, _Refusal):
            request.error = _WaitressRefusal(request.error)
        super().execute()


class IncomingRequest(HTTPRequestParser):
    """A request while it arrives.

    Parameters
    ----------
    adjustments : waitress.adjustments.Adjustments
    connection : Connection

    Attributes
    ----------
    started_s : float
        When its first byte arrived, by `time.time`, as in waitress.
    has_place : bool
        Whether it holds one of the places for long requests.
    """

    error: Any

    def __init__(self, adjustments: Any, connection: _Connection) -> None:
        super().__init__(adjustments)
        self._connection = connection
        self.started_s = time.time()
        self.has_place = False

    def received(self, data: bytes) -> int:
        """Process received data, and return how many bytes belonged to this request."""
        consumed = self._take(data)
        if self.error is None:
            return consumed
        self.completed = True
        self.expect_continue = False
        self._connection.refuse()
        return len(data)  # the rest is part of an unwanted body

    def refuse(self, error: Exception) -> None:
        """Respond with an error, whatever the client still sends."""
        if not self.headers_finished:
            self.parse_header(b"GET / HTTP/1.0\r\n")
        self._answer(error_response(error))

    @property
    def is_overdue(self) -> bool:
        """Whether the request has taken too long to arrive."""
        age_s = time.time() - self.started_s
        if not self.headers_finished:
            return age_s > _HEAD_S
        return age_s > _BODY_S + self.body_bytes_received / _SLOWEST_BODY

    @property
    def takes_long(self) -> bool:
        """Whether the request contains something that is checked or rendered."""
        return self.error is None and self.command in ("POST", "PUT")

    def _answer(self, response: flask.Response) -> None:
        self.error = _Refusal(response)
        self.completed = True

    def _take(self, data: bytes) -> int:
        if self.body_rcv is None:
            consumed = super().received(data)
            if self.body_rcv is not None:
                if not self.chunked:
                    self.body_rcv.buf = _BodyBuffer(self.content_length)
                self._judge()
            return consumed
        return self._take_chunks(data) if self.chunked else super().received(data)

    def _judge(self) -> None:
        """Reject the request after its head, if possible."""
        environ = WSGITask(self._connection, self).get_environment()
        if self.chunked:
            environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        server = self._connection.server
        unavailable = server.places.error() if self.takes_long and server.places.is_full else None
        response = head_answer(server.app, environ, unavailable)
        if response is not None:
            self._answer(response)

    def _take_chunks(self, data: bytes) -> int:
        consumed = 0
        while consumed < len(data) and not self.completed:
            consumed += super().received(data[consumed : consumed + _PIECE_BYTES])
            self._check_chunks()
        return consumed

    def _check_chunks(self) -> None:
        """Enforce the size limit, and reject bodies that consist mostly of chunk headers."""
        receiver: Any = self.body_rcv
        framing = self.body_bytes_received - len(receiver)
        if self.body_bytes_received >= self.adj.max_request_body_size:
            self.refuse(body_error(self._connection.server.app.config["SETTINGS"]))
        elif max(len(receiver.control_line), len(receiver.trailer)) > _CHUNK_LINE_BYTES:
            self.refuse(RequestError("Transfer-Encoding: the line of a chunk is too long"))
        elif framing > max(_FRAMING_BYTES, len(receiver)):
            self.refuse(RequestError("Transfer-Encoding: the chunks are too small; send larger ones"))
