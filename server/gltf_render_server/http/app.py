"""The Flask application: checks for every request, the health routes, and the single error handler."""

from __future__ import annotations

import logging
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import flask

from .. import __version__
from ..dispatch.dispatcher import Dispatcher
from ..dispatch.status import WorkerState
from ..recording import Observer
from ..settings import ServerSettings
from .access import Access
from .answering import Answering
from .bodies import MemoryRequest, check_encoding, check_length, largest_body
from .drake import register_render
from .metrics import Metrics
from .observing import notify_observers
from .page import is_page, register_page
from .responses import error_response, printable, status_of
from .v1 import register_v1

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["create_app", "head_answer"]

_logger = logging.getLogger(__name__)

_CHECK = "gltf_render_server.head"
_HEALTH = "/healthz"
_OPEN_TO_ALL = (f"{_HEALTH}/live", f"{_HEALTH}/ready")  # these routes reveal only yes or no


class _Flask(flask.Flask):
    request_class = MemoryRequest


def create_app(settings: ServerSettings, dispatcher: Dispatcher, *observers: Observer) -> flask.Flask:
    """Make the WSGI application.

    Parameters
    ----------
    settings : ServerSettings
    dispatcher : Dispatcher
        Renders the requested frames.
    *observers : Observer
        Notified of each request for images.
    """
    app = _Flask(__name__, static_folder=None)
    app.config["SETTINGS"] = settings
    app.config["MAX_CONTENT_LENGTH"] = largest_body(settings)
    metrics = Metrics(dispatcher)
    notify_observers(app, observers)
    _guard(app, settings, metrics)
    register_page(app)
    _register_health(app, dispatcher, metrics)
    answering = Answering(settings, dispatcher, metrics)
    register_render(app, settings, answering)
    register_v1(app, settings, dispatcher, answering)
    app.register_error_handler(Exception, _answer_error)
    return app


def head_answer(
    app: flask.Flask, environ: WSGIEnvironment, unavailable: Exception | None = None
) -> flask.Response | None:
    """Return the response to a request that is rejected whatever its body is; None if the body is needed.

    This is for servers that can respond before they have received the body. The application repeats these
    checks when it gets the request.

    Parameters
    ----------
    app : flask.Flask
    environ : WSGIEnvironment
        The environment of the request. Its input is not read.
    unavailable : Exception, optional
        The reason why the server accepts no requests at the moment, if any.
    """
    with app.request_context(environ):
        try:
            app.extensions[_CHECK](flask.request)
            if unavailable is not None:
                raise unavailable
        except Exception as error:  # noqa: BLE001  it is the answer
            return app.finalize_request(app.handle_user_exception(error))
    return None


def _guard(app: flask.Flask, settings: ServerSettings, metrics: Metrics) -> None:
    access = Access(settings)

    def check_head(http: flask.Request) -> None:
        headers = dict(http.headers)
        access.check_place(headers)
        if http.path not in _OPEN_TO_ALL and not is_page(http.path):
            access.check_token(headers, http.args)
        if http.routing_exception is not None:
            raise http.routing_exception
        check_length(http, settings)
        check_encoding(http)

    def check_and_count(http: flask.Request) -> None:
        try:
            check_head(http)
        except Exception as error:
            metrics.count_refusal(status_of(error))
            raise

    app.extensions[_CHECK] = check_and_count

    @app.before_request
    def check_request() -> None:
        check_and_count(flask.request)


def _register_health(app: flask.Flask, dispatcher: Dispatcher, metrics: Metrics) -> None:
    @app.get(_HEALTH)
    def health() -> flask.Response:
        return _by_readiness(_health(dispatcher))

    @app.get(f"{_HEALTH}/ready")
    def ready() -> flask.Response:
        return _by_readiness(_readiness(dispatcher))

    @app.get(f"{_HEALTH}/live")
    def live() -> flask.Response:
        return flask.jsonify(live=True)

    @app.get("/metrics")
    def show_metrics() -> flask.Response:
        return flask.Response(metrics.exposition(), content_type=metrics.content_type)


def _by_readiness(health: dict[str, Any]) -> flask.Response:
    response = flask.jsonify(health)
    response.status_code = HTTPStatus.OK if health["ready"] else HTTPStatus.SERVICE_UNAVAILABLE
    return response


def _readiness(dispatcher: Dispatcher) -> dict[str, Any]:
    states = {worker.state for worker in dispatcher.workers()}
    is_ready = not dispatcher.is_closed and bool(states & {WorkerState.IDLE, WorkerState.RENDERING})
    return {
        "status": "stopping" if dispatcher.is_closed else "ok" if is_ready else "starting",
        "live": True,
        "ready": is_ready,
    }


def _health(dispatcher: Dispatcher) -> dict[str, Any]:
    info = dispatcher.info
    workers = dispatcher.workers()
    return {
        **_readiness(dispatcher),
        "version": __version__,
        f"{info.name.lower()}_version": info.version,
        "engine": info.engine,
        "device": info.device,
        "rendering": any(worker.state is WorkerState.RENDERING for worker in workers),
        "queue_length": len(dispatcher),
        "workers": [asdict(worker) for worker in workers],
    }


def _answer_error(error: Exception) -> flask.Response:
    if status_of(error) == HTTPStatus.INTERNAL_SERVER_ERROR:
        where = printable(f"{flask.request.method} {flask.request.path}", 100)
        _logger.error("%s", where, exc_info=error)
    response = error_response(error)
    if (
        response.status_code == HTTPStatus.UNAUTHORIZED
        and flask.request.headers.get("Sec-Fetch-Dest") == "empty"
    ):
        # a page's script asks for the token itself, so the challenge must be one that no browser prompts for
        response.headers["WWW-Authenticate"] = 'Bearer realm="glTF Render Server"'
    return response
