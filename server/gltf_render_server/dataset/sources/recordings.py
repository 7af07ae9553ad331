"""A source of recorded requests: a simulation runs once, and its frames are rendered many times.

A client such as Drake's may request several passes of one moment, each with its own document; the document
for labels has labels in place of materials. So only requests for colour become items, or if there are none,
the requests for the same passes as the first request.
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from msgspec import Meta, Struct

from ...errors import DatasetError
from ...passes import Render, find_pass
from ...recording import RecordedFrame, RecordedFrames
from ..shot import Document, Shot, ShotMoment
from .context import Context, digest_of_names
from .subject import Read, Stance, Subject

__all__ = ["RecordingSource", "Recordings"]


class RecordingSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="recording"):
    """What a server kept with --record, rendered again with other looks, passes and cameras.

    An item is a request for colour, or where there are none, for the same passes as the first request.
    """

    folder: Annotated[str, Meta(description="The folder that --record wrote, relative to the specification.")]
    every: Annotated[int, Meta(ge=1, description="Takes every n-th frame.")] = 1
    frames: Annotated[int, Meta(ge=1, description="Takes at most this number of frames.")] | None = None


class Recordings:
    """See `subject.Source`."""

    def __init__(self, source: RecordingSource, context: Context, *, has_cameras: bool) -> None:
        self._source = source
        self._context = context
        self._has_cameras = has_cameras
        self._frames = RecordedFrames(context.folder / source.folder)
        self._numbers = self._shown()[:: source.every][: source.frames]
        if not self._numbers:
            raise DatasetError(f"source.folder: {source.folder} holds no request that can be rendered")

    def __len__(self) -> int:
        return len(self._numbers)

    def name(self, index: int) -> str:
        """See `subject.Source`."""
        return f"{self._source.folder}#{self._numbers[index]}"

    def digest(self) -> str:
        """See `subject.Source`."""
        return digest_of_names(str(self._frames[number].request.time_s) for number in self._numbers)

    def subject(self, index: int, read: Read) -> Subject:
        """See `subject.Source`."""
        del read
        recorded = self._frames[self._numbers[index]]
        request = recorded.request
        if request.look.up_axis not in (None, self._context.up_axis):
            raise DatasetError(
                f"up_axis: the recording has {request.look.up_axis} up, but the specification says "
                f'{self._context.up_axis}; write up_axis = "{request.look.up_axis}"'
            )
        assert request.document is not None  # noqa: S101  it was checked before
        document = Document(request.document.data)
        shot, numbers = _shot(recorded, document), range(index, index + 1)
        return Subject(
            name=self.name(index),
            sequence=self._source.folder,
            document=document,
            stance=(stance := Stance(numbers, shot.poses, shot.time_s)),
            first=stance,
            count=len(self._numbers),
            moments={
                when: Stance(numbers, moment.poses, moment.time_s) for when, moment in shot.moments.items()
            },
            drawn={"recorded_time_s": request.time_s},
            shot=None if self._has_cameras else shot,
            cameras=tuple(view.name for view in request.views),
        )

    def _shown(self) -> list[int]:
        """Return the numbers of the frames that become items, one for each moment."""
        asked = {
            number: frame.request.passes
            for number, frame in enumerate(self._frames)
            if frame.request.document is not None and frame.request.views and not _is_refused(frame)
        }
        coloured = [number for number, passes in asked.items() if _has_colour(passes)]
        return coloured or [
            number for number, passes in asked.items() if passes == next(iter(asked.values()))
        ]


def _has_colour(passes: tuple[str, ...]) -> bool:
    return any(find_pass(name).render is Render.COLOUR for name in passes)


def _is_refused(frame: RecordedFrame) -> bool:
    return HTTPStatus.BAD_REQUEST <= frame.answer.status < HTTPStatus.INTERNAL_SERVER_ERROR


def _shot(recorded: RecordedFrame, document: Document) -> Shot:
    request = recorded.request
    return Shot(
        document,
        tuple(replace(view, amodal_margin=0.0) for view in request.views),
        request.passes,
        request.look,
        request.poses,
        request.scene_time_s,
        {
            when: ShotMoment(moment.poses, moment.scene_time_s, moment.cameras)
            for when, moment in request.moments.items()
        },
        request.alpha_threshold,
    )
