"""Reports what happens to each request, and keeps requests if the user wants that; independent of Blender."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

import flask

from .events import Answered, Asked, Event
from .gltf_render_server.frame import Frame
from .gltf_render_server.passes import PASSES
from .gltf_render_server.recording import Answer, Request
from .kept_requests import NOT_KEPT, Shelf
from .last_pictures import LastPictures

__all__ = ["Journal"]

_logger = logging.getLogger(__name__)


class Journal:
    """An `Observer` of one server.

    Parameters
    ----------
    send : callable
        Called with each event, on any thread.
    shelf : Shelf
        The shelf for kept requests, which may be replaced at any time.
    pictures : LastPictures, optional
        Stores the images of responses.
    """

    def __init__(
        self, send: Callable[[Event], None], shelf: Shelf, pictures: LastPictures | None = None
    ) -> None:
        self._send = send
        self._pictures = pictures
        self._numbers = itertools.count(1)
        self.shelf = shelf

    def asked(self, frame: Frame) -> None:
        """Report that a request is waiting to be rendered. This is called on the request's HTTP thread."""
        lens = frame.views[0].lens
        self._send(Asked(self._number(), frame.passes[0], lens.width, lens.height, _client()))

    def answered(self, request: Request | None, answer: Answer) -> None:
        """See `recording.Observer.answered`."""
        answered = self._answered(request, answer)
        kept = self._keep(request, answer, answered) if request and answered.image_type else ""
        self._send(replace(answered, kept=kept, picture=self._put(answer, answered.number)))

    def _answered(self, request: Request | None, answer: Answer) -> Answered:
        """Report a request as far as it could be read."""
        request = request or Request("")
        form = {name: values[0] for name, values in request.form.items() if values}
        names = (form.get("image_type", ""), *request.passes)
        sizes = [(view.lens.width, view.lens.height) for view in request.views]
        sizes.append((_whole(form.get("width", "")), _whole(form.get("height", ""))))
        return Answered(
            number=self._number(),
            image_type=next((name for name in names if name in PASSES), ""),
            width=sizes[0][0],
            height=sizes[0][1],
            client=_client(),
            status=answer.status,
            seconds=answer.seconds,
            message=answer.message,
            kept="",
        )

    def _number(self) -> int:
        """Return the number of the request that this thread is answering."""
        if "number" not in flask.g:
            flask.g.number = next(self._numbers)
        return flask.g.number

    def _put(self, answer: Answer, number: int) -> str:
        """Store the image for later display. If that fails, the response is still sent."""
        if self._pictures is None or answer.status != HTTPStatus.OK:
            return ""
        try:
            return self._pictures.put(number, answer.body, answer.mimetype)
        except OSError as error:
            _logger.error("a picture could not be written for the panel: %s", error)
            return ""

    def _keep(self, request: Request, answer: Answer, answered: Answered) -> str:
        """Keep the request. If the disk is full, the response is still sent."""
        if not self.shelf.most or request.document is None or NOT_KEPT in flask.request.headers:
            return ""
        try:
            return str(self.shelf.keep(request, answer, answered))
        except OSError as error:
            _logger.error("a request could not be kept in %s: %s", self.shelf.folder, error)
            return ""


def _client() -> str:
    return flask.request.remote_addr or ""


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else 0
