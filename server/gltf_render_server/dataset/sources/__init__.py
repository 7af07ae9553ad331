"""The kinds of sources: for each, the table ``[source]`` of the specification, and its items."""

from __future__ import annotations

from collections.abc import Sequence

from ..cameras import Camera
from .context import Context
from .drop import Drop, DropSource
from .functions import Functions, FunctionSource
from .objects import Objects, ObjectsSource
from .recordings import Recordings, RecordingSource
from .scenes import AnimationSource, AnimationTimes, OneScene, SceneSource
from .subject import Read, Source, Stance, Subject

__all__ = [
    "AnimationSource",
    "AnySource",
    "Context",
    "DropSource",
    "FunctionSource",
    "ObjectsSource",
    "Read",
    "RecordingSource",
    "SceneSource",
    "Source",
    "Stance",
    "Subject",
    "make_source",
]

AnySource = ObjectsSource | SceneSource | AnimationSource | RecordingSource | DropSource | FunctionSource
"""The types of ``[source]``; its `kind` selects one."""


def make_source(source: AnySource, context: Context, cameras: Sequence[Camera]) -> Source:
    """Return the source of the items.

    Parameters
    ----------
    source : AnySource
    context : Context
    cameras : sequence of Camera
        Cameras of the specification.

    Raises
    ------
    DatasetError
        A file or folder that the source names does not exist.
    """
    match source:
        case ObjectsSource():
            return Objects(source, context)
        case SceneSource():
            return OneScene(source, context)
        case AnimationSource():
            return AnimationTimes(source, context)
        case RecordingSource():
            return Recordings(source, context, has_cameras=bool(cameras))
        case DropSource():
            return Drop(source, context)
        case FunctionSource():
            return Functions(source, context)
