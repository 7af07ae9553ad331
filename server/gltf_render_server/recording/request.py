"""The record of a request and of its response."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..errors import RecordingError
from ..frame import Frame, Look, View, When
from .documents import Document, Recipe

__all__ = ["Answer", "Observer", "RecordedMoment", "Request", "Stored"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RecordedMoment:
    """The poses of nodes and cameras at another moment of a frame.

    Attributes
    ----------
    poses, scene_time_s
        The same as in the request.
    cameras : tuple of (4, 4) float64
        The same as in `Moment.cameras`.
    """

    poses: Mapping[str, Matrix] = field(default_factory=dict)
    scene_time_s: float = 0.0
    cameras: tuple[Matrix, ...] = ()


@dataclass(frozen=True, eq=False)
class Request:
    """A request, as far as it could be read.

    Attributes
    ----------
    protocol : str
        The protocol: "drake" for the form of ``/render``.
    client : str
        The address of the client.
    form : mapping of str to sequence of str
        All fields of a form as they were sent, except the scene.
    document : Document or None
    views, passes, look
        Those of the frame. There are no views if the request was rejected before it became a frame.
    poses : mapping of str to (4, 4) float64
        World matrices by node name; see `gltf.Asset.scene`.
    scene_time_s : float
        The time in the document's animation.
    alpha_threshold : float or None
        The same as in the frame.
    time_s : float
        The time of the request, in seconds since 1970.
    moments : mapping of {"before", "after"} to RecordedMoment
        The frame's other moments.
    """

    protocol: str
    client: str = ""
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)
    document: Document | None = None
    views: tuple[View, ...] = ()
    passes: tuple[str, ...] = ()
    look: Look = field(default_factory=Look)
    poses: Mapping[str, Matrix] = field(default_factory=dict)
    scene_time_s: float = 0.0
    alpha_threshold: float | None = None
    time_s: float = field(default_factory=time.time)
    moments: Mapping[When, RecordedMoment] = field(default_factory=dict)

    def of(self, frame: Frame) -> Request:
        """Return the request with the data of its frame added."""
        moments = {
            when: replace(self.moments[when], cameras=moment.cameras)
            for when, moment in frame.moments.items()
        }
        return replace(
            self,
            views=frame.views,
            passes=frame.passes,
            look=frame.look,
            alpha_threshold=frame.alpha_threshold,
            moments=moments,
        )


@dataclass(frozen=True)
class Answer:
    """The response to a request.

    Attributes
    ----------
    status : int
        The HTTP status.
    seconds : float
        The time until the response.
    message : str
        The error message; empty on success.
    mimetype : str
    body : bytes
        The response body; empty if it is not recorded.
    """

    status: int
    seconds: float
    message: str = ""
    mimetype: str = ""
    body: bytes = b""


class Observer(Protocol):
    """An observer that is notified of each answered request for images, on the request's thread."""

    def answered(self, request: Request | None, answer: Answer) -> None:
        """Process a response. The request is None if it could not be read or was not authorised."""
        ...


class Stored(msgspec.Struct):
    """A frame without the payloads and the document's text.

    Attributes
    ----------
    request : Request
        The request without its document.
    answer : Answer
        The response without its body.
    document : Recipe or None
        The recipe without its text.
    body : str
        The SHA-256 digest of the response's body; empty if it is not recorded.
    version : str
        The version of the server.
    """

    request: Request
    answer: Answer
    document: Recipe | None
    body: str
    version: str = __version__

    def encode(self) -> bytes:
        """Return a line of JSON. Numbers are exact."""
        return _ENCODER.encode(self)

    @staticmethod
    def decode(line: bytes) -> Stored:
        """Decode a line that `encode` returned.

        Raises
        ------
        RecordingError
            The line has another format.
        """
        try:
            return _DECODER.decode(line)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise RecordingError(
                f"the recording is damaged, or of another version: {str(error)[:200]}"
            ) from error


# Created at import, on one thread, because msgspec inspects classes at the first use of a coder.
_ENCODER = msgspec.json.Encoder(enc_hook=lambda matrix: matrix.tolist())
_DECODER = msgspec.json.Decoder(Stored, dec_hook=lambda _, matrix: np.array(matrix, np.float64).reshape(4, 4))
