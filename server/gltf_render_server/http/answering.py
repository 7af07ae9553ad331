"""The one way of all that takes long: body -> frame -> renderer -> encoded answer, with its account.

Knows nothing of forms and of JSON: a route says how its body is read, and gets the rest from here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

import flask

from ..dispatch.dispatcher import Dispatcher
from ..encode import EncodedImage
from ..errors import RequestError
from ..frame import Frame
from ..gltf import Asset, RecentDocuments
from ..limits import time_limit
from ..renderer import RenderedFrame
from ..settings import ServerSettings
from .account import Account
from .metrics import Metrics
from .responses import message_of, printable, status_of

__all__ = ["Answering", "Asked", "Exchange", "log_warnings"]

_logger = logging.getLogger(__name__)

_CHECKS_AT_ONCE = 4  # they share one interpreter: more at once are no faster, and keep /healthz waiting
_MOST_DOCUMENT_BYTES = 256 * 10**6  # of the last documents, which are recognised when they come again
_LOOK_S = 0.5  # between two looks at whether a client still waits
_MOST_WARNINGS = 5
_WARNING_CHARACTERS = 300


@dataclass(frozen=True)
class Asked:
    """A frame, and how its arrays are answered."""

    frame: Frame
    encode: Callable[[RenderedFrame], EncodedImage]


class Exchange:
    """A request while it is answered.

    Attributes
    ----------
    account : Account
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        settings: ServerSettings,
        checks: threading.Semaphore,
        documents: RecentDocuments,
    ) -> None:
        self.account = Account()
        self._documents = documents
        self._dispatcher = dispatcher
        self._settings = settings
        self._checks = checks
        # waitress's test for a client that hung up; other servers do not tell
        self.is_abandoned: Callable[[], bool] = flask.request.environ.get(
            "waitress.client_disconnected", lambda: False
        )

    @contextmanager
    def checking(self) -> Iterator[None]:
        """Check what a client sent, for the length of a ``with`` block: few at once, and not too long."""
        with self.account.timed("check"):
            _ = self._dispatcher.extensions  # waits while the first worker starts
            with self.holding(self._checks), time_limit(self._settings.check_timeout):
                yield

    @contextmanager
    def holding(self, lock: threading.Semaphore | threading.Lock) -> Iterator[None]:
        """Hold a lock; what nobody waits for any more is not begun."""
        while not lock.acquire(timeout=_LOOK_S):
            self._check_presence()
        try:
            self._check_presence()
            yield
        finally:
            lock.release()

    def read_asset(self, data: bytes) -> Asset:
        """Check a document as the back end and the options want it."""
        extensions, limits = self._dispatcher.extensions, self._settings.limits
        return self._documents.read(data, extensions=extensions, limits=limits)

    def _check_presence(self) -> None:
        if self.is_abandoned():
            raise RequestError("the client went away before its request was read")


class Answering:
    """Answers the requests that take long.

    Parameters
    ----------
    settings : ServerSettings
    dispatcher : Dispatcher
    metrics : Metrics
    """

    def __init__(self, settings: ServerSettings, dispatcher: Dispatcher, metrics: Metrics) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._checks = threading.BoundedSemaphore(_CHECKS_AT_ONCE)
        self._documents = RecentDocuments(min(_MOST_DOCUMENT_BYTES, round(settings.scene_cache_mb * 1e6)))

    def frame(self, read: Callable[[Exchange], Asked]) -> flask.Response:
        """Answer with a frame.

        Parameters
        ----------
        read : callable
            Reads and checks the request, and digests what will be shown (see `passes.prepare`).
        """
        with self.exchange() as exchange:
            asked = read(exchange)
            rendered = self._dispatcher.submit(asked.frame, is_abandoned=exchange.is_abandoned)
            exchange.account.milliseconds.update(rendered.stages_ms)
            with exchange.account.timed("encode"):
                encoded = asked.encode(rendered)
            exchange.account.answer(HTTPStatus.OK, f"{len(encoded.data)} B")
            response = flask.Response(encoded.data, mimetype=encoded.mimetype)
            response.headers["Server-Timing"] = exchange.account.server_timing()
            return response

    @contextmanager
    def exchange(self) -> Iterator[Exchange]:
        """Log one line for a request and count it, whatever becomes of it."""
        exchange = Exchange(self._dispatcher, self._settings, self._checks, self._documents)
        try:
            yield exchange
        except Exception as error:
            exchange.account.answer(status_of(error), message_of(error))
            raise
        finally:
            self._metrics.count(exchange.account)
            _logger.info("%s", exchange.account)


def log_warnings(warnings: Sequence[str]) -> None:
    """Log the first few: a scene of a thousand faults is no reason to fill a disk."""
    for warning in warnings[:_MOST_WARNINGS]:
        _logger.warning("scene: %s", printable(warning, _WARNING_CHARACTERS))
    if len(warnings) > _MOST_WARNINGS:
        _logger.warning("scene: %d more warnings", len(warnings) - _MOST_WARNINGS)
