"""The common steps of every long request: read the body, render the frame, encode the result, and log it.

This module knows neither forms nor JSON. A route provides the function that reads its body.
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
from ..gltf import Asset, OpenedDocument, RecentDocuments
from ..limits import time_limit
from ..renderer import RenderedFrame
from ..settings import ServerSettings
from .account import Account
from .metrics import Metrics
from .responses import message_of, printable, status_of

__all__ = ["Answering", "Asked", "Exchange", "log_warnings"]

_logger = logging.getLogger(__name__)

# checks share one interpreter, so more at a time would not be faster, and would delay /healthz
_CHECKS_AT_ONCE = 4
_MOST_DOCUMENT_BYTES = 600 * 10**6
"""The memory for the cache of recent documents: enough for three with 10,000 different objects."""
_LOOK_S = 0.5  # the interval between two checks whether a client is still connected
_MOST_WARNINGS = 5
_WARNING_CHARACTERS = 300


@dataclass(frozen=True)
class Asked:
    """A frame, and the function that encodes its arrays."""

    frame: Frame
    encode: Callable[[RenderedFrame], EncodedImage]


class Exchange:
    """The state of a request while it is being answered.

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
        # waitress sets this function, which tells whether the client has disconnected. Other servers do not.
        self.is_abandoned: Callable[[], bool] = flask.request.environ.get(
            "waitress.client_disconnected", lambda: False
        )

    @contextmanager
    def checking(self) -> Iterator[None]:
        """Bound the checks of what a client sent, in a ``with`` statement: few at once, none for too long."""
        with self.account.timed("check"):
            _ = self._dispatcher.extensions  # this waits while the first worker starts
            with self.holding(self._checks), time_limit(self._settings.check_timeout):
                yield

    @contextmanager
    def holding(self, lock: threading.Semaphore | threading.Lock) -> Iterator[None]:
        """Acquire a lock, in a ``with`` statement, unless the client disconnects while waiting for it."""
        while not lock.acquire(timeout=_LOOK_S):
            self._check_presence()
        try:
            self._check_presence()
            yield
        finally:
            lock.release()

    def open(self, data: bytes) -> OpenedDocument:
        """Return a document that can be asked for its digest, and that `read_asset` reads."""
        return self._documents.open(data)

    def read_asset(self, document: OpenedDocument) -> Asset:
        """Read and check a document with the back end's extensions and the limits from the settings."""
        return document.read(extensions=self._dispatcher.extensions, limits=self._settings.limits)

    def _check_presence(self) -> None:
        if self.is_abandoned():
            raise RequestError("the client went away before its request was read")


class Answering:
    """Answers long requests.

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
        """Answer a request with a rendered frame.

        Parameters
        ----------
        read : callable
            A function that reads and checks the request, and computes the digests (see `passes.prepare`).
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
        """Log and count a request, whatever its outcome, in a ``with`` statement."""
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
    """Log only the first warnings, so that a bad scene cannot fill the disk."""
    for warning in warnings[:_MOST_WARNINGS]:
        _logger.warning("scene: %s", printable(warning, _WARNING_CHARACTERS))
    if len(warnings) > _MOST_WARNINGS:
        _logger.warning("scene: %d more warnings", len(warnings) - _MOST_WARNINGS)
