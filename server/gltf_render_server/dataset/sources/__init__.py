"""The kinds of sources: for each, the table ``[source]`` of the specification, and its items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import DatasetError
from ...extras import brought_by
from ..cameras import Camera
from .context import Context
from .drop import DropSource
from .functions import Functions, FunctionSource
from .objects import Objects, ObjectsSource
from .recordings import Recordings, RecordingSource
from .scenes import AnimationSource, AnimationTimes, OneScene, SceneSource
from .subject import Read, Source, Stance, Subject

if TYPE_CHECKING:
    from .drop_scenes import Drop

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
        A file or folder that the source names does not exist, or a package that the source needs is missing.
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
            return _load_drop()(source, context)
        case FunctionSource():
            return Functions(source, context)


def _load_drop() -> type[Drop]:
    try:
        from .drop_scenes import Drop
    except ModuleNotFoundError as error:
        raise DatasetError(f"source: drop needs the package {error.name}; {brought_by('physics')}") from error
    return Drop
