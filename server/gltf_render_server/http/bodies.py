"""The limits for request bodies, and how they are read; independent of scenes and frames."""

from __future__ import annotations

import hashlib
import io
import secrets
from contextlib import suppress
from typing import IO, Any, NamedTuple

import flask
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from ..errors import MediaTypeError, RequestError, TooLargeError
from ..recording import Document
from ..settings import ServerSettings
from .responses import printable

__all__ = [
    "FORM",
    "MemoryRequest",
    "body_error",
    "check_encoding",
    "check_length",
    "largest_body",
    "read_body",
    "read_fields",
    "read_form",
    "read_upload",
    "uploaded",
    "whole_scene",
]

FORM = "multipart/form-data"

_FORM_BYTES = 64 * 1024  # all fields except the scene, with the multipart headers
_FRAME_BYTES = 16 * 10**6  # a frame with the largest possible number of poses
_PARSER_BYTES = 2**20  # must be far above werkzeug's reads of 64 KiB, or it fails at line ends inside a scene
_STAND_IN_BYTES = 32
_END_OF_HEAD, _LINE_END = b"\r\n\r\n", b"\r\n"
_GLB_MAGIC = b"glTF"
_JSON = "application/json"
_FRAMES = "post_frame"


class _StrictParser(FormDataParser):
    """Raises an error for a malformed form, which werkzeug would treat as an empty one.

    If the form is in memory, its largest part is replaced with a few bytes while werkzeug parses it, and put
    back afterwards, because werkzeug copies each byte four times. If that fails, the form is parsed as it is.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.silent = False

    def parse(
        self,
        stream: IO[bytes],
        mimetype: str,
        content_length: int | None,
        options: dict[str, str] | None = None,
    ) -> Any:
        """See `FormDataParser.parse`."""
        if isinstance(stream, _Body) and (whole := stream.large_part((options or {}).get("boundary", ""))):
            with suppress(Exception):  # the normal parsing below reports any error
                found = super().parse(whole.rest, mimetype, content_length, options)
                if whole.put_back(found[2]):
                    return found
        return super().parse(stream, mimetype, content_length, options)


class _LargePart(NamedTuple):
    """The largest part of a form, and the form with a placeholder instead of it."""

    content: bytes
    stand_in: bytes
    rest: IO[bytes]

    def put_back(self, files: MultiDict[str, Any]) -> bool:
        """Put the part back in the file with the placeholder, and return whether there is one."""
        for part in files.values():
            if isinstance(part.stream, io.BytesIO) and part.stream.getvalue() == self.stand_in:
                part.stream = io.BytesIO(self.content)
                return True
        return False


class _Body(io.BytesIO):
    """A request body that is completely in memory."""

    def large_part(self, boundary: str) -> _LargePart | None:
        """Find a part that makes up nearly all of a form; None if there is none."""
        body, delimiter = self.getvalue(), b"--" + boundary.encode()
        end = begin = 0
        while begin >= 0 and (end - begin) * 2 <= len(body):
            begin = end
            end = body.find(delimiter, begin + len(delimiter))
            if end < 0:
                return None
        head = body.find(_END_OF_HEAD, begin, begin + _FORM_BYTES)
        if not boundary or head < 0 or body[end - 2 : end] != _LINE_END:
            return None
        content, stand_in = slice(head + len(_END_OF_HEAD), end - 2), secrets.token_bytes(_STAND_IN_BYTES)
        rest = b"".join((body[: content.start], stand_in, body[content.stop :]))
        return _LargePart(body[content], stand_in, io.BytesIO(rest))


class MemoryRequest(flask.Request):
    """A request that keeps uploads in memory, whose size is limited.

    A temporary file would only cost time.
    """

    form_data_parser_class = _StrictParser

    def _get_file_stream(self, *_: object, **__: object) -> IO[bytes]:
        return io.BytesIO()

    def _get_stream_for_parsing(self) -> IO[bytes]:
        stream, received = super()._get_stream_for_parsing(), self.environ["wsgi.input"]
        if type(received) is io.BytesIO and received.getbuffer().nbytes == self.content_length:
            return _Body(received.getvalue())  # getvalue shares the memory
        return stream


def largest_body(settings: ServerSettings) -> int:
    """Return the size of the largest request body that is accepted, in bytes."""
    return settings.max_scene_bytes + _FORM_BYTES


def body_error(settings: ServerSettings) -> TooLargeError:
    """Return the error for a body that is too large."""
    return TooLargeError(
        f"scene: larger than the {settings.max_scene_bytes / 1e6:g} MB that this server takes (option "
        "--max-scene-mb)"
    )


def check_encoding(http: flask.Request) -> None:
    """Reject a body that is compressed."""
    encoding = http.headers.get("Content-Encoding", "")
    if http.method in ("POST", "PUT") and encoding.strip().lower() not in ("", "identity"):
        raise MediaTypeError(f"Content-Encoding: must not be used; got {encoding[:80]!r}")


def check_length(http: flask.Request, settings: ServerSettings) -> None:
    """Reject a Content-Length that is too large. A method without a body may send only a few bytes."""
    length = http.content_length or 0
    if http.method not in ("POST", "PUT"):
        if length > _FORM_BYTES or "Transfer-Encoding" in http.headers:
            raise TooLargeError(f"{printable(http.path, 100)}: a {http.method} takes no body")
    elif http.endpoint == _FRAMES and http.mimetype == _JSON and length > _largest_frame(settings):
        raise _frame_too_large(settings)
    elif length > largest_body(settings):
        raise body_error(settings)


def read_body(http: flask.Request, settings: ServerSettings) -> bytes:
    """Read a request body that is the scene itself."""
    data = _read_all(http, settings)
    if len(data) > settings.max_scene_bytes:
        raise body_error(settings)
    return data


def read_fields(http: flask.Request, settings: ServerSettings) -> dict[str, list[str]]:
    """Read the fields of Drake's form, except for the scene."""
    if http.mimetype != FORM:
        raise RequestError(f"Content-Type: must be {FORM}; got {http.mimetype[:80] or 'none'!r}")
    form = _fields(http, settings, _PARSER_BYTES)
    if sum(len(value) for values in form.values() for value in values) > _FORM_BYTES:
        raise _form_too_large()
    return form


def read_form(http: flask.Request, settings: ServerSettings) -> tuple[bytes, bytes | None]:
    """Read a frame's JSON, and the scene if the form contains one."""
    if http.mimetype == _JSON:
        return _read_frame(http, settings), None
    if http.mimetype != FORM:
        raise MediaTypeError(
            f"Content-Type: must be application/json, or {FORM} with the parts frame and scene; got "
            f"{http.mimetype[:80] or 'none'!r}"
        )
    fields = _fields(http, settings, _FRAME_BYTES).get("frame", [])
    parts = [text.encode() for text in fields] + [_content(part) for part in http.files.getlist("frame")]
    if len(parts) != 1:
        raise RequestError(f"frame: must be sent once, as a part of JSON; it was sent {len(parts)} times")
    if len(parts[0]) > _largest_frame(settings):
        raise _frame_too_large(settings)
    return parts[0], read_upload(http, settings)


def read_upload(http: flask.Request, settings: ServerSettings) -> bytes:
    """Read the scene from the file in the form."""
    files = http.files.getlist("scene")
    if len(files) != 1:
        sent = "as a plain field" if "scene" in http.form else f"{len(files)} times"
        raise RequestError(f"scene: must be sent once, as a file part; it was sent {sent}")
    data = _content(files[0])
    if len(data) > settings.max_scene_bytes:
        raise body_error(settings)
    return data


def uploaded(http: flask.Request) -> Document | None:
    """Return the uploaded scene, whether it is valid or not."""
    part = http.files.get("scene")
    return None if part is None else Document(_content(part))


def whole_scene(data: bytes, digest: str | None) -> bytes:
    """Remove a carriage return that does not belong to the scene.

    It belongs to the closing boundary, and is left there if that begins at the very end of one of werkzeug's
    reads (pallets/werkzeug, issue 3285). JSON tolerates it, but the digest and the length of a GLB do not.
    """
    if not data.endswith(b"\r"):
        return data
    cut = data[:-1]
    if digest is None:
        is_cut = data.startswith(_GLB_MAGIC) and int.from_bytes(data[8:12], "little") == len(cut)
    else:
        is_cut = hashlib.sha256(cut).hexdigest() == digest
    return cut if is_cut else data


def _read_frame(http: flask.Request, settings: ServerSettings) -> bytes:
    data = _read_all(http, settings)
    if len(data) > _largest_frame(settings):
        raise _frame_too_large(settings)
    return data


def _read_all(http: flask.Request, settings: ServerSettings) -> bytes:
    try:
        return http.get_data(cache=False)
    except RequestEntityTooLarge:
        raise body_error(settings) from None
    except ClientDisconnected:
        raise RequestError("the body ended before its length was reached") from None


def _fields(http: flask.Request, settings: ServerSettings, most_bytes: int) -> dict[str, list[str]]:
    http.max_form_memory_size = most_bytes
    try:
        return dict(http.form.lists())
    except ValueError as error:
        raise RequestError(f"form: not a complete multipart/form-data body: {_plain(error)}") from None
    except RequestEntityTooLarge:
        is_chunked = http.content_length is None
        raise (body_error(settings) if is_chunked else _form_too_large()) from None


def _plain(error: ValueError) -> str:
    """Return what is wrong with a form, instead of the state of werkzeug's parser."""
    text = str(error)
    if text.endswith("State.PREAMBLE"):
        return "the boundary that its Content-Type names is not in it"
    return "it ends before its last boundary" if "State." in text else text


def _content(part: Any) -> bytes:
    stream = part.stream
    return stream.getvalue() if isinstance(stream, io.BytesIO) else stream.read()


def _largest_frame(settings: ServerSettings) -> int:
    return min(_FRAME_BYTES, largest_body(settings))


def _frame_too_large(settings: ServerSettings) -> TooLargeError:
    return TooLargeError(
        f"frame: larger than {_largest_frame(settings) / 1e6:.3g} MB (option --max-scene-mb; at most 16)"
    )


def _form_too_large() -> TooLargeError:
    return TooLargeError(
        "form: too many parts, or above the limit of its fields and headers: 64 kB in Drake's form, 16 MB "
        "with a frame"
    )
