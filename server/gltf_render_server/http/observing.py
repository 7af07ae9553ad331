"""Tells observers of each request for pictures: what was asked, as far as it was read, and the answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from http import HTTPStatus

import flask

from ..recording import Answer, Document, Observer, Request

__all__ = ["note", "observed", "tell_observers"]

_IS_OBSERVED = "IS_OBSERVED"
_ENDPOINTS = ("render", "post_frame")


def note(request: Request) -> None:
    """Note what is asked, each time that more of it is known."""
    flask.g.request = request


def observed(data: bytes) -> Document | None:
    """Return a document as observers get it, for as long as the scene is kept; None where there are none."""
    return Document(data, is_held=True) if flask.current_app.config[_IS_OBSERVED] else None


def tell_observers(app: flask.Flask, observers: Sequence[Observer]) -> None:
    """Tell observers of what the application answers from now on."""
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
    seconds = now_s - flask.g.get("started_s", now_s)  # what is refused by its head has no beginning
    is_error = response.status_code >= HTTPStatus.BAD_REQUEST
    told = response.get_json(silent=True) if is_error else None
    message = str(told.get("message", "")) if isinstance(told, dict) else ""
    body = b"" if response.is_streamed else response.get_data()
    return Answer(response.status_code, seconds, message, response.mimetype or "", body)
