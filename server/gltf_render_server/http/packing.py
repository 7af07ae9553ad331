"""Packs a rendered frame as a response of the JSON API: a ZIP, a multi-layer EXR, or a single image.

The format of an array depends only on its row in the table of passes. Equal frames give equal bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from werkzeug.datastructures import MIMEAccept

from ..encode import EXR, EncodedImage, encode, encode_exr, mimetype_of
from ..errors import NotAcceptableError
from ..frame import Frame, When
from ..passes import Pass, Render, Window, canvas_of, find_pass
from ..renderer import Arrays, RenderedFrame
from ..scene import Scene

__all__ = [
    "EXR",
    "PICTURES",
    "ZIP",
    "FrameDescription",
    "InstanceDescription",
    "MomentDescription",
    "PassDescription",
    "RendererDescription",
    "ViewDescription",
    "choose_packing",
    "describe",
]

ZIP = "application/zip"
PICTURES = ("image/png", "image/tiff")

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a ZIP can store
_LARGEST_COLOUR = 255.0

Packing = Callable[[RenderedFrame], EncodedImage]


class RendererDescription(msgspec.Struct, frozen=True):
    """The renderer of a frame."""

    server: str
    name: str
    version: str
    engine: str
    device: str


class ViewDescription(msgspec.Struct, frozen=True):
    """A view as it was rendered; see `frame.Lens`.

    The masks of the pass `mask_amodal` cover `amodal_canvas`: [x, y, width, height] in px from the image's
    upper left corner, so x and y are 0 or negative.
    """

    name: str
    width: int
    height: int
    focal_x: float
    focal_y: float
    center_x: float
    center_y: float
    near: float
    far: float
    camera_to_world: list[float]
    amodal_canvas: Window


class PassDescription(msgspec.Struct, frozen=True):
    """A pass: the meaning of its array, and its file in each view's folder.

    `count` is the number of images in a stack. There is one image for each object of the scene, and the first
    page of the file belongs to object 1. If there are no objects, the file has one page of zeros. `count` is
    null for a pass that is not a stack.
    """

    name: str
    summary: str
    dtype: str
    unit: str
    file: str
    count: int | None


class InstanceDescription(msgspec.Struct, frozen=True):
    """An object of the scene, with its number in the pass `instance`."""

    number: int
    node: str
    matrix: list[float]


class MomentDescription(msgspec.Struct, frozen=True):
    """Cameras and objects at another moment.

    `cameras` has the ``camera_to_world`` of each view by name. `instances` has the ``matrix`` of each object,
    in the same order as in the frame.
    """

    time_s: float
    cameras: dict[str, list[float]]
    instances: list[list[float]]


class FrameDescription(msgspec.Struct, frozen=True):
    """The description of a frame, ``frame.json``. Matrices are 4 x 4, row by row, for column vectors."""

    renderer: RendererDescription
    scene: str
    time_s: float
    alpha_threshold: float | None
    views: list[ViewDescription]
    passes: list[PassDescription]
    instances: list[InstanceDescription]
    warnings: list[str]
    before: MomentDescription | None = None
    after: MomentDescription | None = None


def describe(
    frame: Frame,
    renderer: RendererDescription,
    scene: str,
    time_s: float,
    times_s: Mapping[When, float] | None = None,
) -> FrameDescription:
    """Describe a frame.

    Parameters
    ----------
    frame : Frame
    renderer : RendererDescription
    scene : str
        The digest of the scene's file.
    time_s : float
    times_s : mapping of {"before", "after"} to float, optional
        The times of the frame's other moments.
    """
    moments = {when: _moment(frame.at(when), time_s) for when, time_s in (times_s or {}).items()}
    return FrameDescription(
        renderer=renderer,
        scene=scene,
        time_s=time_s,
        alpha_threshold=frame.alpha_threshold,
        views=[
            ViewDescription(
                view.name,
                **asdict(view.lens),
                camera_to_world=_rows(view.camera_to_world),
                amodal_canvas=canvas_of(view),
            )
            for view in frame.views
        ],
        passes=[_described(find_pass(name), frame.scene) for name in frame.passes],
        instances=_instances(frame),
        warnings=[warning[:300] for warning in frame.scene.warnings[:20]],
        **moments,
    )


def choose_packing(accepted: MIMEAccept, frame: Frame, description: FrameDescription) -> Packing:
    """Return the packing for the format that the client prefers among those that it accepts.

    Raises
    ------
    NotAcceptableError
        The client accepts none of the possible formats.
    """
    rows = [find_pass(name) for name in frame.passes]
    packings: dict[str, Packing] = {ZIP: partial(_zip, frame, rows, description)}
    if len(frame.views) == 1:
        if len(rows) == 1:
            packings[mimetype_of(rows[0], frame.scene)] = partial(_picture, rows[0], frame.scene)
        if all(row.is_image for row in rows):
            packings[EXR] = partial(_exr, rows, description)
    best = accepted.best_match(packings) if accepted else ZIP
    if best is None:
        raise NotAcceptableError(
            f"Accept: this frame can be answered as {', '.join(packings)}; {EXR} needs one view, and passes "
            "that are images, neither stacks of them nor tables; a picture needs one view and one pass, and "
            "it is a PNG or a TIFF as the pass is stored"
        )
    return packings[best]


def _zip(
    frame: Frame, rows: Sequence[Pass], description: FrameDescription, rendered: RenderedFrame
) -> EncodedImage:
    description = _with_others(description, rendered)
    buffer = io.BytesIO()
    # without compression, because the images are compressed, or faster to read as they are
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(_entry("frame.json"), msgspec.json.encode(description))
        for view, arrays in zip(frame.views, rendered.views, strict=True):
            for row in rows:
                encoded = encode(arrays[row.name], row, frame.scene)
                archive.writestr(_entry(f"{view.name}/{_file_name(row, frame.scene)}"), encoded.data)
    return EncodedImage(buffer.getvalue(), ZIP)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = 3  # gives the same bytes on every system
    entry.external_attr = 0o644 << 16
    return entry


def _exr(rows: Sequence[Pass], description: FrameDescription, rendered: RenderedFrame) -> EncodedImage:
    [arrays] = rendered.views
    description = _with_others(description, rendered)
    return encode_exr(dict(_planes(rows, arrays)), {"frame": msgspec.json.encode(description).decode()})


def _planes(rows: Sequence[Pass], arrays: Arrays) -> list[tuple[str, NDArray[Any]]]:
    """Return the channels of a view. Colours are scaled to 0 to 1, and other values are unchanged."""
    planes = []
    for row in rows:
        array = arrays[row.name]
        array = array.astype(np.uint32 if row.largest is not None else np.float32)
        if row.render is Render.COLOUR:
            array /= _LARGEST_COLOUR
        stacked = array.reshape(*array.shape[:2], -1)
        for letter, index in zip(row.components, range(stacked.shape[2]), strict=False):
            planes.append((f"{row.name}.{letter}", stacked[..., index]))
    return planes


def _picture(row: Pass, scene: Scene, rendered: RenderedFrame) -> EncodedImage:
    return encode(rendered.views[0][row.name], row, scene)


def _instances(frame: Frame) -> list[InstanceDescription]:
    scene, instances = frame.scene, frame.scene.instances
    matrices = instances.matrix.reshape(-1, 16).tolist()
    return [
        InstanceDescription(index + 1, scene.asset.node_name(node), matrix)
        for index, (node, matrix) in enumerate(zip(instances.node.tolist(), matrices, strict=True))
    ]


def _with_others(description: FrameDescription, rendered: RenderedFrame) -> FrameDescription:
    """Add the server's own numbered objects, which only the renderer knows."""
    first = len(description.instances) + 1
    others = [
        InstanceDescription(number, other.name, _rows(other.matrix))
        for number, other in enumerate(rendered.others, first)
    ]
    return msgspec.structs.replace(description, instances=[*description.instances, *others])


def _moment(frame: Frame, time_s: float) -> MomentDescription:
    cameras = {view.name: _rows(view.camera_to_world) for view in frame.views}
    return MomentDescription(time_s, cameras, frame.scene.instances.matrix.reshape(-1, 16).tolist())


def _described(row: Pass, scene: Scene) -> PassDescription:
    count = len(scene.instances) if row.is_stack else None
    return PassDescription(
        row.name, row.summary, row.dtype_in(scene), row.unit, _file_name(row, scene), count
    )


def _file_name(row: Pass, scene: Scene) -> str:
    return f"{row.name}.{row.storage(scene)}"


def _rows(matrix: NDArray[np.float64]) -> list[float]:
    return matrix.ravel().tolist()
