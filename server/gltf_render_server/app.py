"""The Flask application: thin routes, and the one place where an error becomes a response."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http import HTTPStatus
from typing import IO, Any

import flask
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from . import __version__
from .access import Access
from .encode import EncodedImage, encode_image
from .errors import RenderServerError, RequestError, TooLargeError, UnauthorizedError, UnavailableError
from .gltf import parse_scene
from .limits import time_limit
from .metrics import Metrics
from .protocol import ImageType, RenderFields, RenderRequest, check_digest
from .service import RenderService, WorkerState
from .settings import ServerSettings
from .stages import Stages

__all__ = ["create_app", "error_body"]

_logger = logging.getLogger(__name__)

_FORM_BYTES = 64 * 1024  # all fields but the scene, with the multipart headers
_PARSER_BYTES = 2**20  # well above werkzeug's reads of 64 KiB, or it trips over line ends in a scene
_MESSAGE_CHARACTERS = 2000  # the client shows a body only below 8192 bytes; JSON may escape each to six
_PATH = re.compile(
    r"(?<![\w$.\])}/])(?:file:/+|[A-Za-z]:[\\/]|\\{1,2}|/)(?:[^\s/\\'\"]+[/\\])+[^\s/\\'\",:;)\]]*"
)
_RETRY_AFTER_S = 1
_HEALTH = "/healthz"


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


def create_app(settings: ServerSettings, service: RenderService) -> flask.Flask:
    """Make the WSGI application.

    Parameters
    ----------
    settings : ServerSettings
    service : RenderService
        Renders what is asked for.
    """
    app = _Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_scene_bytes + _FORM_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = _PARSER_BYTES
    _guard(app, Access(settings))
    _register_pages(app, service)
    _register_render(app, settings, service)
    app.register_error_handler(Exception, _error_response)
    return app


def error_body(status: int, message: str) -> bytes:
    """Make the JSON that tells a client what went wrong, without a path; always shorter than 8192 bytes.

    Whatever raised the error may have put a file's name into it, and every answer that tells an error comes
    through here.
    """
    message = _PATH.sub("[a path]", message)
    if len(message) > _MESSAGE_CHARACTERS:
        message = message[:_MESSAGE_CHARACTERS] + "…"
    body = {"error": True, "message": message, "code": int(status)}
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")[:8191]


def _guard(app: flask.Flask, access: Access) -> None:
    @app.before_request
    def check_access() -> None:
        headers = dict(flask.request.headers)
        access.check_place(headers)
        if not flask.request.path.startswith(_HEALTH):
            access.check_token(headers, flask.request.args)


def _register_pages(app: flask.Flask, service: RenderService) -> None:
    @app.get("/")
    def index() -> str:
        return _INDEX.format(version=__version__, info=service.info)

    @app.get(_HEALTH)
    @app.get(f"{_HEALTH}/ready")
    def health() -> flask.Response:
        told = _health(service)
        response = flask.jsonify(told)
        response.status_code = HTTPStatus.OK if told["ready"] else HTTPStatus.SERVICE_UNAVAILABLE
        return response

    @app.get(f"{_HEALTH}/live")
    def live() -> flask.Response:
        return flask.jsonify(live=True)


def _register_render(app: flask.Flask, settings: ServerSettings, service: RenderService) -> None:
    metrics = Metrics(service)

    @app.get("/metrics")
    def show_metrics() -> flask.Response:
        return flask.Response(metrics.exposition(), content_type=metrics.content_type)

    @app.post("/render")
    def render() -> flask.Response:
        stages = Stages()
        with _accounted(stages, metrics):
            with stages.timed("check"):
                request = _read_request(flask.request, settings, service.extensions, stages)
            image = service.submit(request, is_abandoned=_is_abandoned(flask.request))
            stages.milliseconds.update(image.stages_ms)
            with stages.timed("encode"):
                encoded = encode_image(image.pixels, request, settings.depth_format)
            return _image_response(encoded, stages)


def _health(service: RenderService) -> dict[str, Any]:
    info = service.info
    workers = service.workers()
    states = {worker.state for worker in workers}
    is_ready = not service.is_closed and bool(states & {WorkerState.IDLE, WorkerState.RENDERING})
    return {
        "status": "stopping" if service.is_closed else "ok" if is_ready else "starting",
        "live": True,
        "ready": is_ready,
        "version": __version__,
        f"{info.name.lower()}_version": info.version,
        "engine": info.engine,
        "device": info.device,
        "rendering": WorkerState.RENDERING in states,
        "queue_length": len(service),
        "workers": [asdict(worker) for worker in workers],
    }


def _read_request(
    http: flask.Request, settings: ServerSettings, extensions: frozenset[str], stages: Stages
) -> RenderRequest:
    if http.mimetype != "multipart/form-data":
        raise RequestError(f"Content-Type: must be multipart/form-data; got {http.mimetype[:80] or 'none'!r}")
    try:
        form = dict(http.form.lists())
    except ValueError as error:
        raise RequestError(f"form: not a complete multipart/form-data body: {error}") from None
    if sum(len(value) for values in form.values() for value in values) > _FORM_BYTES:
        raise TooLargeError(_form_too_large())
    fields = RenderFields.from_form(form, max_pixels=settings.max_pixels)
    data = _whole_scene(_scene_bytes(http, settings), fields.scene_sha256)
    stages.describe(fields, len(data))
    check_digest(data, fields.scene_sha256)
    with time_limit(settings.check_timeout):
        scene = parse_scene(data, extensions=extensions, limits=settings.limits)
        for warning in scene.warnings:
            _logger.warning("scene: %s", _printable(warning))
        scene.digest(materials=fields.image_type is ImageType.COLOR)
    return RenderRequest(fields.image_type, fields.camera, fields.depth_range, scene)


def _scene_bytes(http: flask.Request, settings: ServerSettings) -> bytes:
    files = http.files.getlist("scene")
    if len(files) != 1:
        sent = "as a plain field" if "scene" in http.form else f"{len(files)} times"
        raise RequestError(f"scene: must be sent once, as a file part; it was sent {sent}")
    stream = files[0].stream
    data = stream.getvalue() if isinstance(stream, io.BytesIO) else stream.read()
    if len(data) > settings.max_scene_bytes:
        raise _scene_too_large(settings.max_scene_bytes)
    return data


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


def _is_abandoned(http: flask.Request) -> Any:
    """Return waitress's test for a client that hung up; other servers do not tell."""
    return http.environ.get("waitress.client_disconnected", lambda: False)


def _image_response(encoded: EncodedImage, stages: Stages) -> flask.Response:
    response = flask.Response(encoded.data, mimetype=encoded.mimetype)
    response.headers["Server-Timing"] = stages.server_timing()
    stages.answer(HTTPStatus.OK, f"{len(encoded.data)} B")
    return response


@contextmanager
def _accounted(stages: Stages, metrics: Metrics) -> Iterator[None]:
    """Log one line for the request and count it, whatever becomes of it."""
    try:
        yield
    except Exception as error:
        stages.answer(_status(error), _message(error))
        raise
    finally:
        metrics.count(stages)
        _logger.info("%s", stages)


def _error_response(error: Exception) -> flask.Response:
    status = _status(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _logger.error("%s %s", flask.request.method, flask.request.path, exc_info=error)
    response = flask.Response(error_body(status, _message(error)), status, mimetype="application/json")
    if isinstance(error, UnavailableError):
        response.headers["Retry-After"] = str(_RETRY_AFTER_S)
    if isinstance(error, UnauthorizedError):
        response.headers["WWW-Authenticate"] = 'Basic realm="glTF Render Server", charset="UTF-8"'
    if isinstance(error, HTTPException):
        response.headers.extend(
            (name, value) for name, value in error.get_headers() if name != "Content-Type"
        )
    return response


def _status(error: Exception) -> int:
    if isinstance(error, RenderServerError):
        return int(error.status)
    if isinstance(error, HTTPException):
        return error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    return HTTPStatus.INTERNAL_SERVER_ERROR


def _message(error: Exception) -> str:
    if isinstance(error, RenderServerError):
        return _printable(str(error))
    if isinstance(error, RequestEntityTooLarge):
        return _too_large_message()
    if isinstance(error, HTTPException):
        return f"{error.name}: {error.description}"
    return "the server failed; its log tells more"


def _printable(text: str) -> str:
    """Keep what a client sent from writing lines of its own into the log."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _too_large_message() -> str:
    limit = flask.current_app.config["MAX_CONTENT_LENGTH"]
    if (flask.request.content_length or 0) > limit:
        return str(_scene_too_large(limit - _FORM_BYTES))
    return _form_too_large()


def _form_too_large() -> str:
    return f"form: too many parts, or more than the limit of {_FORM_BYTES} bytes in its fields and headers"


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
