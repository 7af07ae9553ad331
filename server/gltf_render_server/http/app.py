"""The Flask application: thin routes, what is refused by its head alone, and the one handler of errors."""

from __future__ import annotations

import hashlib
import io
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any

import flask
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from .. import __version__
from ..dispatch.service import RenderService, WorkerState
from ..errors import RequestError, TooLargeError
from ..frame import Frame
from ..gltf import parse_scene
from ..limits import time_limit
from ..passes import prepare, remarks
from ..recording import Document, Observer, Request
from ..renderer import RenderedFrame
from ..settings import ServerSettings
from .access import Access
from .account import Account
from .encode import EncodedImage, encode, encode_depth
from .form import RenderFields, check_digest
from .metrics import Metrics
from .observing import note, tell_observers
from .responses import error_response, message_of, printable, status_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["body_error", "create_app", "head_answer"]

_logger = logging.getLogger(__name__)

_FORM_BYTES = 64 * 1024  # all fields but the scene, with the multipart headers
_PARSER_BYTES = 2**20  # well above werkzeug's reads of 64 KiB, or it trips over line ends in a scene
_CHECK = "gltf_render_server.head"
_HEALTH = "/healthz"
_OPEN_TO_ALL = (f"{_HEALTH}/live", f"{_HEALTH}/ready")  # they tell nothing but yes or no
_CHECKS_AT_ONCE = 4  # they share one interpreter: more at once are no faster, and keep /healthz waiting
_LOOK_S = 0.5  # between two looks at whether a client still waits
_MOST_WARNINGS = 5
_WARNING_CHARACTERS = 300


class _StrictParser(FormDataParser):
    """Says that a form is broken, where werkzeug would take it for an empty one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.silent = False


class _MemoryRequest(flask.Request):
    """Keeps an upload in memory: the limits bound it, and a file on disk would only cost time."""

    form_data_parser_class = _StrictParser

    def _get_file_stream(self, *_: object, **__: object) -> IO[bytes]:
        return io.BytesIO()


class _Flask(flask.Flask):
    request_class = _MemoryRequest


def create_app(settings: ServerSettings, service: RenderService, *observers: Observer) -> flask.Flask:
    """Make the WSGI application.

    Parameters
    ----------
    settings : ServerSettings
    service : RenderService
        Renders what is asked for.
    *observers : Observer
        Are told of each request for pictures.
    """
    app = _Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_scene_bytes + _FORM_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = _PARSER_BYTES
    metrics = Metrics(service)
    tell_observers(app, observers)
    _guard(app, settings, metrics)
    _register_pages(app, service, metrics)
    _register_render(app, settings, service, metrics)
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


def body_error(app: flask.Flask) -> TooLargeError:
    """Say that a body is too large, for servers that see it coming."""
    return _scene_too_large(app.config["MAX_CONTENT_LENGTH"] - _FORM_BYTES)


def _guard(app: flask.Flask, settings: ServerSettings, metrics: Metrics) -> None:
    access = Access(settings)

    def check_head(http: flask.Request) -> None:
        headers = dict(http.headers)
        access.check_place(headers)
        if http.path not in _OPEN_TO_ALL:
            access.check_token(headers, http.args)
        if http.routing_exception is not None:
            raise http.routing_exception
        _check_length(http, settings)

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


def _check_length(http: flask.Request, settings: ServerSettings) -> None:
    """Refuse a body that is too large by its own account, and all but a little where none belongs."""
    length = http.content_length or 0
    if http.endpoint == "render":
        if length > settings.max_scene_bytes + _FORM_BYTES:
            raise _scene_too_large(settings.max_scene_bytes)
    elif length > _FORM_BYTES or "Transfer-Encoding" in http.headers:
        raise TooLargeError(f"{printable(http.path, 100)}: only POST /render takes a body")


def _register_pages(app: flask.Flask, service: RenderService, metrics: Metrics) -> None:
    @app.get("/")
    def index() -> str:
        return _INDEX.format(version=__version__, info=service.info)

    @app.get(_HEALTH)
    def health() -> flask.Response:
        return _by_readiness(_health(service))

    @app.get(f"{_HEALTH}/ready")
    def ready() -> flask.Response:
        return _by_readiness(_readiness(service))

    @app.get(f"{_HEALTH}/live")
    def live() -> flask.Response:
        return flask.jsonify(live=True)

    @app.get("/metrics")
    def show_metrics() -> flask.Response:
        return flask.Response(metrics.exposition(), content_type=metrics.content_type)


def _register_render(
    app: flask.Flask, settings: ServerSettings, service: RenderService, metrics: Metrics
) -> None:
    checks = threading.BoundedSemaphore(_CHECKS_AT_ONCE)

    @app.post("/render")
    def render() -> flask.Response:
        account = Account()
        is_abandoned = _abandonment(flask.request)
        with _accounted(account, metrics):
            with account.timed("check"):
                extensions = service.extensions  # waits where the service is still starting
                with _turn(checks, is_abandoned):
                    fields, frame = _read_request(flask.request, settings, extensions, account)
            rendered = service.submit(frame, is_abandoned=is_abandoned)
            account.milliseconds.update(rendered.stages_ms)
            with account.timed("encode"):
                encoded = _encoded(fields, rendered, settings)
            return _image_response(encoded, account)


@contextmanager
def _turn(places: threading.Semaphore, is_abandoned: Callable[[], bool]) -> Iterator[None]:
    """Wait for one of the places; what nobody waits for any more is not begun."""
    while not places.acquire(timeout=_LOOK_S):
        _check_presence(is_abandoned)
    try:
        _check_presence(is_abandoned)
        yield
    finally:
        places.release()


def _check_presence(is_abandoned: Callable[[], bool]) -> None:
    if is_abandoned():
        raise RequestError("the client went away before its request was read")


def _by_readiness(told: dict[str, Any]) -> flask.Response:
    response = flask.jsonify(told)
    response.status_code = HTTPStatus.OK if told["ready"] else HTTPStatus.SERVICE_UNAVAILABLE
    return response


def _readiness(service: RenderService) -> dict[str, Any]:
    states = {worker.state for worker in service.workers()}
    is_ready = not service.is_closed and bool(states & {WorkerState.IDLE, WorkerState.RENDERING})
    return {
        "status": "stopping" if service.is_closed else "ok" if is_ready else "starting",
        "live": True,
        "ready": is_ready,
    }


def _health(service: RenderService) -> dict[str, Any]:
    info = service.info
    workers = service.workers()
    return {
        **_readiness(service),
        "version": __version__,
        f"{info.name.lower()}_version": info.version,
        "engine": info.engine,
        "device": info.device,
        "rendering": any(worker.state is WorkerState.RENDERING for worker in workers),
        "queue_length": len(service),
        "workers": [asdict(worker) for worker in workers],
    }


def _read_request(
    http: flask.Request, settings: ServerSettings, extensions: frozenset[str], account: Account
) -> tuple[RenderFields, Frame]:
    form = _form(http)
    upload = http.files.get("scene")
    document = None if upload is None else Document(_content(upload))
    request = Request("drake", http.remote_addr or "", form, document)
    note(request)
    fields = RenderFields.from_form(form, max_pixels=settings.max_pixels)
    data = _whole_scene(_scene_bytes(http, settings), fields.scene_sha256)
    account.describe((fields.row.name,), [(fields.lens.width, fields.lens.height)], len(data))
    check_digest(data, fields.scene_sha256)
    with time_limit(settings.check_timeout):
        frame = fields.frame(parse_scene(data, extensions=extensions, limits=settings.limits))
        note(replace(request, document=Document(data)).of(frame))
        _log_warnings([*remarks(frame)])
        prepare(frame)
    return fields, frame


def _encoded(fields: RenderFields, rendered: RenderedFrame, settings: ServerSettings) -> EncodedImage:
    array = fields.measured(rendered.views[0][fields.row.name])
    if fields.depth_range is not None:
        return encode_depth(array, settings.depth_format)
    return encode(array, fields.row)


def _form(http: flask.Request) -> dict[str, list[str]]:
    if http.mimetype != "multipart/form-data":
        raise RequestError(f"Content-Type: must be multipart/form-data; got {http.mimetype[:80] or 'none'!r}")
    try:
        form = dict(http.form.lists())
    except ValueError as error:
        raise RequestError(f"form: not a complete multipart/form-data body: {error}") from None
    except RequestEntityTooLarge:
        is_chunked = http.content_length is None
        raise (body_error(flask.current_app) if is_chunked else _form_too_large()) from None
    if sum(len(value) for values in form.values() for value in values) > _FORM_BYTES:
        raise _form_too_large()
    return form


def _log_warnings(warnings: Sequence[str]) -> None:
    """Log the first few: a scene of a thousand faults is no reason to fill a disk."""
    for warning in warnings[:_MOST_WARNINGS]:
        _logger.warning("scene: %s", printable(warning, _WARNING_CHARACTERS))
    if len(warnings) > _MOST_WARNINGS:
        _logger.warning("scene: %d more warnings", len(warnings) - _MOST_WARNINGS)


def _scene_bytes(http: flask.Request, settings: ServerSettings) -> bytes:
    files = http.files.getlist("scene")
    if len(files) != 1:
        sent = "as a plain field" if "scene" in http.form else f"{len(files)} times"
        raise RequestError(f"scene: must be sent once, as a file part; it was sent {sent}")
    data = _content(files[0])
    if len(data) > settings.max_scene_bytes:
        raise _scene_too_large(settings.max_scene_bytes)
    return data


def _content(upload: FileStorage) -> bytes:
    stream = upload.stream
    return stream.getvalue() if isinstance(stream, io.BytesIO) else stream.read()


def _whole_scene(data: bytes, digest: str | None) -> bytes:
    """Take off a carriage return that is none of the scene's.

    It is the closing boundary's, where that begins at the very end of one of werkzeug's reads
    (pallets/werkzeug, issue 3285); JSON does not mind it, the digest does.
    """
    if digest is None or not data.endswith(b"\r"):
        return data
    cut = data[:-1]
    return cut if hashlib.sha256(cut).hexdigest() == digest else data


def _scene_too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        f"scene: larger than the {limit / 1e6:g} MB that this server takes (option --max-scene-mb)"
    )


def _form_too_large() -> TooLargeError:
    return TooLargeError(
        f"form: too many parts, or more than the limit of {_FORM_BYTES} bytes in its fields and headers"
    )


def _abandonment(http: flask.Request) -> Callable[[], bool]:
    """Return waitress's test for a client that hung up; other servers do not tell."""
    return http.environ.get("waitress.client_disconnected", lambda: False)


def _image_response(encoded: EncodedImage, account: Account) -> flask.Response:
    response = flask.Response(encoded.data, mimetype=encoded.mimetype)
    response.headers["Server-Timing"] = account.server_timing()
    account.answer(HTTPStatus.OK, f"{len(encoded.data)} B")
    return response


@contextmanager
def _accounted(account: Account, metrics: Metrics) -> Iterator[None]:
    """Log one line for the request and count it, whatever becomes of it."""
    try:
        yield
    except Exception as error:
        account.answer(status_of(error), message_of(error))
        raise
    finally:
        metrics.count(account)
        _logger.info("%s", account)


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
<li><code><a href="/healthz">GET /healthz</a></code> tells how the server and its workers are,
<code><a href="/metrics">GET /metrics</a></code> the same and more to Prometheus.</li>
</ul>
<p>With Drake: <code>MakeRenderEngineGltfClient(RenderEngineGltfClientParams(base_url="http://HOST:PORT"))</code>.</p>
</html>
"""
