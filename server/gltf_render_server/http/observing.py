"""Notifies observers of each request for images: its content, as far as it was read, and its response."""

from __future__ import annotations

import time
from collections.abc import Sequence
from http import HTTPStatus

import flask

from ..recording import Answer, Document, Observer, Request

__all__ = ["note", "notify_observers", "observed"]

_IS_OBSERVED = "IS_OBSERVED"
_ENDPOINTS = ("render", "post_frame")


def note(request: Request) -> None:
    """Record the content of a request, each time that more of it is known."""
    flask.g.request = request


def observed(data: bytes) -> Document | None:
    """Return a document for observers, to be kept with the scene; None if there are no observers."""
    return Document(data, is_held=True) if flask.current_app.config[_IS_OBSERVED] else None


def notify_observers(app: flask.Flask, observers: Sequence[Observer]) -> None:
    """Notify observers of everything that the application answers from now on."""
    app.config[_IS_OBSERVED] = bool(observers)
    if not observers:
        return

    @app.before_request
    def begin() -> None:
        flask.g.started_s = time.perf_counter()

    @app.after_request
    def end(response: flask.Response) -> flask.Response:
        if flask.request.endpoint in _ENDPOINTS:
            answer = _answer(response)
            for observer in observers:
                observer.answered(flask.g.get("request"), answer)
        return response


def _answer(response: flask.Response) -> Answer:
    now_s = time.perf_counter()
    # a request that was rejected after its head has no start time
    seconds = now_s - flask.g.get("started_s", now_s)
    is_error = response.status_code >= HTTPStatus.BAD_REQUEST
    error = response.get_json(silent=True) if is_error else None
    message = str(error.get("message", "")) if isinstance(error, dict) else ""
    body = b"" if response.is_streamed else response.get_data()
    return Answer(response.status_code, seconds, message, response.mimetype or "", body)
