"""The Flask application: what every request must pass, the pages, and the one handler of errors."""

from __future__ import annotations

import logging
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import flask

from .. import __version__
from ..dispatch.dispatcher import Dispatcher
from ..dispatch.status import WorkerState
from ..settings import ServerSettings
from .access import Access
from .answering import Answering
from .bodies import MemoryRequest, check_length, largest_body
from .drake import register_render
from .metrics import Metrics
from .responses import error_response, printable, status_of
from .v1 import register_v1

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["create_app", "head_answer"]

_logger = logging.getLogger(__name__)

_CHECK = "gltf_render_server.head"
_HEALTH = "/healthz"
_OPEN_TO_ALL = (f"{_HEALTH}/live", f"{_HEALTH}/ready")  # they tell nothing but yes or no


class _Flask(flask.Flask):
    request_class = MemoryRequest


def create_app(settings: ServerSettings, dispatcher: Dispatcher) -> flask.Flask:
    """Make the WSGI application.

    Parameters
    ----------
    settings : ServerSettings
    dispatcher : Dispatcher
        Renders what is asked for.
    """
    app = _Flask(__name__, static_folder=None)
    app.config["SETTINGS"] = settings
    app.config["MAX_CONTENT_LENGTH"] = largest_body(settings)
    metrics = Metrics(dispatcher)
    _guard(app, settings, metrics)
    _register_pages(app, dispatcher, metrics)
    answering = Answering(settings, dispatcher, metrics)
    register_render(app, settings, answering)
    register_v1(app, settings, dispatcher, answering)
    app.register_error_handler(Exception, _answer_error)
    return app


def head_answer(
    app: flask.Flask, environ: WSGIEnvironment, unavailable: Exception | None = None
) -> flask.Response | None:
    """Answer a request that is refused whatever its body is; None where its body is wanted.

    For servers that can answer before they have received the body. The same is judged once more when the
    request reaches the application.

    Parameters
    ----------
    app : flask.Flask
    environ : WSGIEnvironment
        Its input is not read.
    unavailable : Exception, optional
        Why nothing is taken now, however good it is.
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
        if http.path not in _OPEN_TO_ALL:
            access.check_token(headers, http.args)
        if http.routing_exception is not None:
            raise http.routing_exception
        check_length(http, settings)

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


def _register_pages(app: flask.Flask, dispatcher: Dispatcher, metrics: Metrics) -> None:
    @app.get("/")
    def index() -> str:
        return _INDEX.format(version=__version__, info=dispatcher.info)

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


def _by_readiness(told: dict[str, Any]) -> flask.Response:
    response = flask.jsonify(told)
    response.status_code = HTTPStatus.OK if told["ready"] else HTTPStatus.SERVICE_UNAVAILABLE
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
    return error_response(error)


_INDEX = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>glTF Render Server</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }}
code {{ background: #8882; padding: .1em .3em; border-radius: .2em }}
</style>
<h1>glTF Render Server {version}</h1>
<p>This server turns a glTF scene and a camera into a photorealistic colour image, an exact depth image or an
exact label image. It renders with {info.name} {info.version} ({info.engine}, {info.device}).</p>
<ul>
<li><code>POST /render</code> takes the form of Drake's glTF Render Client-Server API, as
<code>multipart/form-data</code>, and answers with a PNG or TIFF.</li>
<li><code>POST /v1/frames</code> takes JSON: several views, any passes, a scene that was sent once.
<code><a href="/v1/openapi.json">GET /v1/openapi.json</a></code> describes it.</li>
<li><code><a href="/healthz">GET /healthz</a></code> tells how the server and its workers are,
<code><a href="/metrics">GET /metrics</a></code> the same and more to Prometheus.</li>
</ul>
<p>With Drake: <code>MakeRenderEngineGltfClient(RenderEngineGltfClientParams(base_url="http://HOST:PORT"))</code>.</p>
</html>
"""
