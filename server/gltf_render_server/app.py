"""The Flask application: thin routes, and the one place where an error becomes a response."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import IO, Any

import flask
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from . import __version__
from .encode import EncodedImage, encode_image
from .errors import RenderServerError, RequestError, TooLargeError, UnavailableError
from .gltf import parse_scene
from .jobs import RenderQueue
from .protocol import ImageType, RenderFields, RenderRequest, check_digest
from .renderer import Renderer
from .settings import ServerSettings

__all__ = ["create_app", "error_body", "render_queue"]

_logger = logging.getLogger(__name__)

_FORM_BYTES = 64 * 1024  # all fields but the scene, with the multipart headers
_PARSER_BYTES = 2**20  # well above werkzeug's reads of 64 KiB, or it trips over line ends in a scene
_MESSAGE_CHARACTERS = 2000  # the client shows a body only below 8192 bytes; JSON may escape each to six
_RETRY_AFTER_S = 1


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


def create_app(settings: ServerSettings, renderer: Renderer) -> flask.Flask:
    """Make the WSGI application.

    Its requests wait in ``render_queue(app)``, whose ``run`` is for the thread that owns `renderer`.

    Parameters
    ----------
    settings : ServerSettings
    renderer : Renderer
    """
    app = _Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_scene_bytes + _FORM_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = _PARSER_BYTES
    queue = RenderQueue(renderer, settings.max_queue)
    app.extensions["render_queue"] = queue
    _register_routes(app, settings, renderer, queue)
    app.register_error_handler(Exception, _error_response)
    return app


def render_queue(app: flask.Flask) -> RenderQueue:
    """Return the queue of an application that `create_app` made."""
    return app.extensions["render_queue"]


def error_body(status: int, message: str) -> bytes:
    """Make the JSON that tells a client what went wrong; always shorter than 8192 bytes."""
    if len(message) > _MESSAGE_CHARACTERS:
        message = message[:_MESSAGE_CHARACTERS] + "…"
    body = {"error": True, "message": message, "code": int(status)}
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")[:8191]


def _register_routes(
    app: flask.Flask, settings: ServerSettings, renderer: Renderer, queue: RenderQueue
) -> None:
    @app.get("/")
    def index() -> str:
        return _INDEX.format(version=__version__, info=renderer.info)

    @app.get("/healthz")
    def healthz() -> flask.Response:
        response = flask.jsonify(_health(renderer, queue))
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE if queue.is_closed else HTTPStatus.OK
        return response

    @app.post("/render")
    def render() -> flask.Response:
        stages = _Stages()
        with _logged(stages):
            with stages.timed("check"):
                request = _read_request(flask.request, settings, renderer, stages)
            image = queue.submit(request, is_abandoned=_is_abandoned(flask.request))
            stages.milliseconds.update(image.stages_ms)
            with stages.timed("encode"):
                encoded = encode_image(image.pixels, request, settings.depth_format)
            return _image_response(encoded, stages)


def _health(renderer: Renderer, queue: RenderQueue) -> dict[str, Any]:
    info = renderer.info
    return {
        "status": "stopping" if queue.is_closed else "ok",
        "version": __version__,
        f"{info.name.lower()}_version": info.version,
        "engine": info.engine,
        "device": info.device,
        "rendering": queue.is_rendering,
        "queue_length": len(queue),
    }


def _read_request(
    http: flask.Request, settings: ServerSettings, renderer: Renderer, stages: _Stages
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
    scene = parse_scene(data, extensions=renderer.extensions)
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


def _image_response(encoded: EncodedImage, stages: _Stages) -> flask.Response:
    response = flask.Response(encoded.data, mimetype=encoded.mimetype)
    response.headers["Server-Timing"] = stages.server_timing()
    stages.answer = f"200, {len(encoded.data)} B"
    return response


class _Stages:
    """Where the time of one request went, for the log and the ``Server-Timing`` header."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self.answer = ""
        self._subject = "unread request"
        self._started_s = time.perf_counter()

    def describe(self, fields: RenderFields, scene_bytes: int) -> None:
        """Note what is asked for, as soon as that is known."""
        size = f"{fields.camera.width}x{fields.camera.height}"
        self._subject = f"{fields.image_type} {size} of {scene_bytes} B"

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time the block as `stage`."""
        started_s = time.perf_counter()
        try:
            yield
        finally:
            self.milliseconds[stage] = (time.perf_counter() - started_s) * 1000

    def server_timing(self) -> str:
        """Return the value of a ``Server-Timing`` header."""
        return ", ".join(f"{name};dur={ms:.1f}" for name, ms in self.milliseconds.items())

    def __str__(self) -> str:
        total_ms = (time.perf_counter() - self._started_s) * 1000
        parts = " ".join(f"{name} {ms:.0f}" for name, ms in self.milliseconds.items())
        return f"{self._subject}: {self.answer} in {total_ms:.0f} ms ({parts})"


@contextmanager
def _logged(stages: _Stages) -> Iterator[None]:
    """Log one line for the request, whatever becomes of it."""
    try:
        yield
    except Exception as error:
        stages.answer = f"{_status(error):d}, {_message(error)}"
        raise
    finally:
        _logger.info("%s", stages)


def _error_response(error: Exception) -> flask.Response:
    status = _status(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        _logger.error("%s %s", flask.request.method, flask.request.path, exc_info=error)
    response = flask.Response(error_body(status, _message(error)), status, mimetype="application/json")
    if isinstance(error, UnavailableError):
        response.headers["Retry-After"] = str(_RETRY_AFTER_S)
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
<li><code><a href="/healthz">GET /healthz</a></code> tells how the server is.</li>
</ul>
<p>With Drake: <code>MakeRenderEngineGltfClient(RenderEngineGltfClientParams(base_url="http://HOST:PORT"))</code>.</p>
</html>
"""
