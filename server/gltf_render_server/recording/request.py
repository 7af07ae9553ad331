"""What a client asked for, and what became of it."""

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
    """How nodes and cameras stand at another moment of a frame.

    Attributes
    ----------
    poses, scene_time_s
        As those of the request.
    cameras : tuple of (4, 4) float64
        Those of `Moment.cameras`.
    """

    poses: Mapping[str, Matrix] = field(default_factory=dict)
    scene_time_s: float = 0.0
    cameras: tuple[Matrix, ...] = ()


@dataclass(frozen=True, eq=False)
class Request:
    """What a client asked for, as far as it could be read.

    Attributes
    ----------
    protocol : str
        How it was asked: "drake" for the form of ``/render``.
    client : str
        Address of who asked.
    form : mapping of str to sequence of str
        All fields of a form as they came, but the scene.
    document : Document or None
    views, passes, look
        Those of the frame; no views where the request was refused before it became one.
    poses : mapping of str to (4, 4) float64
        World matrices of nodes, by their names; see `gltf.Asset.scene`.
    scene_time_s : float
        The time at which the document's animations are shown.
    alpha_threshold : float or None
        That of the frame.
    time_s : float
        When it was asked, since 1970.
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
        """Return the request with what its frame asks for."""
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
    """What became of a request.

    Attributes
    ----------
    status : int
        Of HTTP.
    seconds : float
        That it took.
    message : str
        Why it failed; empty if it did not.
    mimetype : str
    body : bytes
        What was sent; empty where that is not kept.
    """

    status: int
    seconds: float
    message: str = ""
    mimetype: str = ""
    body: bytes = b""


class Observer(Protocol):
    """Is told of each request for pictures when it has been answered, on the thread that answers it."""

    def answered(self, request: Request | None, answer: Answer) -> None:
        """Take note; what could not be read, or by a stranger, is no request."""
        ...


class Stored(msgspec.Struct):
    """All of a frame but the payloads and the document's text.

    Attributes
    ----------
    request : Request
        Without its document.
    answer : Answer
        Without its body.
    document : Recipe or None
        Without its text.
    body : str
        SHA-256 of the answer's body; empty where it is not kept.
    version : str
        Of the server.
    """

    request: Request
    answer: Answer
    document: Recipe | None
    body: str
    version: str = __version__

    def encode(self) -> bytes:
        """Return a line of JSON; numbers are exact."""
        return _ENCODER.encode(self)

    @staticmethod
    def decode(line: bytes) -> Stored:
        """Read what `encode` returned.

        Raises
        ------
        RecordingError
            It is not of that form.
        """
        try:
            return _DECODER.decode(line)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise RecordingError(
                f"the recording is damaged, or of another version: {str(error)[:200]}"
            ) from error


# made here, not where they are used: msgspec looks at classes at their first use, one thread at a time
_ENCODER = msgspec.json.Encoder(enc_hook=lambda matrix: matrix.tolist())
_DECODER = msgspec.json.Decoder(Stored, dec_hook=lambda _, matrix: np.array(matrix, np.float64).reshape(4, 4))
