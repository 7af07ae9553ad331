"""Tells what happens to each request, and keeps it where that is wished. Knows Flask, nothing of Blender."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Callable
from http import HTTPStatus

import flask
from werkzeug.exceptions import HTTPException

from .events import Answered, Asked, Event
from .gltf_render_server.frame import Frame
from .gltf_render_server.http.form import ImageType
from .kept_requests import NOT_KEPT, Shelf
from .last_pictures import LastPictures

__all__ = ["Journal"]

_logger = logging.getLogger(__name__)

_UNREAD = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
"""Answers to requests whose body nobody has a reason to read."""


class Journal:
    """An `Observer` of one application.

    Parameters
    ----------
    tell : callable
        Gets each event, on any thread.
    shelf : Shelf
        May be replaced at any time.
    pictures : LastPictures, optional
        Gets what is answered.
    """

    def __init__(
        self, tell: Callable[[Event], None], shelf: Shelf, pictures: LastPictures | None = None
    ) -> None:
        self._tell = tell
        self._pictures = pictures
        self._numbers = itertools.count(1)
        self.shelf = shelf

    def watch(self, app: flask.Flask) -> None:
        """Tell what this application answers to render requests."""

        @app.before_request
        def begin() -> None:
            flask.g.number = next(self._numbers)
            flask.g.started_s = time.perf_counter()

        @app.after_request
        def end(response: flask.Response) -> flask.Response:
            if flask.request.path == "/render":
                self._answered(response)
            return response

    def asked(self, frame: Frame) -> None:
        """Tell that a request waits to be rendered; called on the thread that answers it."""
        lens = frame.views[0].lens
        self._tell(Asked(flask.g.number, frame.passes[0], lens.width, lens.height, _client()))

    def _answered(self, response: flask.Response) -> None:
        fields = {} if response.status_code in _UNREAD else _fields()
        number = flask.g.get("number") or next(self._numbers)
        seconds = time.perf_counter() - flask.g.get("started_s", time.perf_counter())
        message = _message(response)
        about = {
            "number": number,
            "status": response.status_code,
            "seconds": seconds,
            "client": _client(),
            "message": message,
        }
        image_type = fields.get("image_type", "")
        kept = self._keep(response, fields, about) if image_type in set(ImageType) else ""
        width, height = (_whole(fields.get(name, "")) for name in ("width", "height"))
        picture = self._put(response, number)
        self._tell(
            Answered(image_type=image_type, width=width, height=height, kept=kept, picture=picture, **about)
        )

    def _put(self, response: flask.Response, number: int) -> str:
        """Have the picture shown later; it goes out even if that cannot be."""
        if self._pictures is None or response.status_code != HTTPStatus.OK:
            return ""
        try:
            return self._pictures.put(number, response.get_data(), response.mimetype or "")
        except OSError as error:
            _logger.error("a picture could not be written for the panel: %s", error)
            return ""

    def _keep(self, response: flask.Response, fields: dict[str, str], about: dict[str, object]) -> str:
        """Keep the request; its answer goes out even if the disk is full."""
        upload = flask.request.files.get("scene")
        if not self.shelf.most or upload is None or NOT_KEPT in flask.request.headers:
            return ""
        upload.stream.seek(0)
        scene = upload.stream.read()
        try:
            return str(self.shelf.keep(scene, fields, response.get_data(), response.mimetype or "", about))
        except OSError as error:
            _logger.error("a request could not be kept in %s: %s", self.shelf.folder, error)
            return ""


def _client() -> str:
    return flask.request.remote_addr or ""


def _fields() -> dict[str, str]:
    """Return the form, as far as it can be read."""
    try:
        return flask.request.form.to_dict()
    except (HTTPException, ValueError):
        return {}


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else 0


def _message(response: flask.Response) -> str:
    if response.status_code < HTTPStatus.BAD_REQUEST:
        return ""
    return str(json.loads(response.get_data()).get("message", ""))
