"""The web page at the server's address. Its files are built from ``server/page``.

The files contain nothing about the particular server. The page requests all its data, with the token if there
is one. So the files can be public, and the page can ask for the token itself.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import flask
from werkzeug.exceptions import NotFound

__all__ = ["PAGE", "is_page", "register_page"]

PAGE = "/page/"
"""The prefix of the paths of the page's files."""

_INDEX = "index.html"
_MIMETYPES = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "wasm": "application/wasm",
}
_HEADERS = {
    "Cache-Control": "no-cache",  # browsers revalidate the files each time, and get status 304
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'",  # required by the decoders of Draco and meshopt
            "worker-src blob:",
            "style-src 'self'",
            "img-src 'self' blob: data:",
            "connect-src 'self' blob: data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class _File:
    data: bytes
    packed: bytes
    mimetype: str
    etag: str


def is_page(path: str) -> bool:
    """Return whether a path belongs to the page or one of its files."""
    return path == "/" or path.startswith(PAGE)


def register_page(app: flask.Flask) -> None:
    """Add the routes of the page to an application."""

    @app.get("/")
    def index() -> flask.Response:
        return _answer(_INDEX)

    @app.get(f"{PAGE}<name>")
    def page_file(name: str) -> flask.Response:
        return _answer(name)


def _answer(name: str) -> flask.Response:
    file = _files().get(name)
    if file is None:
        raise NotFound
    is_packed = flask.request.accept_encodings.quality("gzip") > 0
    response = flask.Response(file.packed if is_packed else file.data, mimetype=file.mimetype)
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers.update(_HEADERS)
    response.set_etag(f"{file.etag}-gzip" if is_packed else file.etag)
    return response.make_conditional(flask.request)  # type: ignore[return-value]


@cache
def _files() -> dict[str, _File]:
    """Read all files once. Only files with these names are ever opened."""
    folder = files(__package__) / "page"
    return {
        entry.name: _read(entry.name, entry.read_bytes()) for entry in folder.iterdir() if entry.is_file()
    }


def _read(name: str, data: bytes) -> _File:
    mimetype = _MIMETYPES[name.rpartition(".")[2]]
    etag = hashlib.sha256(data).hexdigest()[:32]
    return _File(data, gzip.compress(data, mtime=0), mimetype, etag)
