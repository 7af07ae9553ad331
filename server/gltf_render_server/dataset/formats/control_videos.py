"""Control videos for world models: colour, depth, segmentation and edges of each sequence and camera.

The videos are MP4s that any player can show. The file `metadata.json` beside them explains their values, and
has the camera's pose and intrinsics in each frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from ...errors import DatasetError
from ...false_colours import false_colours
from ..records import ObjectRecord
from ..store import Store, StoredItem, StoredView
from .edges import LARGEST_BEND_DEG, LARGEST_JUMP, edges
from .format import Format
from .sequences import Sequence, sequences, views_of
from .video import H264_OPTIONS, Codec, Colours, Video, even_size

__all__ = ["FORMAT"]

Bytes = NDArray[np.uint8]
_Track = list[tuple[int, int]]
"""The frames of a video: pairs of an item's index and a view's index in the item."""

_RATE = Fraction(10)
_LARGEST_DENOMINATOR = 1001  # as in television's 30000/1001
_PERCENTILES = (1.0, 99.0)
_VIDEOS = ("rgb", "depth", "segmentation", "edges")

_BT709 = 1  # FFmpeg's number for BT.709
_H264 = Codec(
    encoder="libx264",
    pixels="yuv420p",
    takes="rgb24",
    options={**H264_OPTIONS, "g": "12"},  # frequent keyframes, so that readers can seek quickly
    colours=Colours(Colorspace.ITU709, dict.fromkeys(("colorspace", "color_primaries", "color_trc"), _BT709)),
)

_DEPTH = {
    "grey": "255 (1 / depth - 1 / farthest) / (1 / nearest - 1 / farthest), cut to 0 to 255; 0 = no surface",
    "unit": "m, along the optical axis",
}
_EDGES = {
    "white": "the nearer of two neighbouring pixels that show different objects, or surfaces of which one is "
    "behind the other, or normals that differ by more than largest_bend_deg",
    "largest_jump": LARGEST_JUMP,
    "largest_bend_deg": LARGEST_BEND_DEG,
}


@dataclass(frozen=True)
class _Ends:
    """The depths, metres, that are white and black in a sequence's videos; None = no surface is visible."""

    nearest: float | None
    farthest: float | None


def _export(store: Store, out: Path) -> None:
    for sequence in sequences(store, out):
        ends = _ends(store, sequence)
        for name, track in _tracks(store, sequence).items():
            folder = sequence.folder / name
            folder.mkdir()
            _write(store, sequence, track, folder, ends)


def _tracks(store: Store, sequence: Sequence) -> dict[str, _Track]:
    """Return the videos of a sequence by the names of their folders, which are those of their first views.

    A video shows one view through all items. In a sequence of a single item, it shows all views of one camera
    instead.
    """
    is_still = len(sequence.indices) == 1
    found: dict[str, tuple[str, _Track]] = {}
    for item in map(store.__getitem__, sequence.indices):
        for number, view in enumerate(item.views):
            key = view.record.camera if is_still else view.name
            found.setdefault(key, (view.name, []))[1].append((item.index, number))
    return dict(found.values())


def _ends(store: Store, sequence: Sequence) -> _Ends:
    """Find the range of depth, without the nearest and farthest percent of each image (stray pixels)."""
    nearest, farthest = np.inf, 0.0
    for _, view in views_of(store, sequence):
        depth = view.array("depth")
        if len(known := depth[np.isfinite(depth)]):
            low, high = np.percentile(known, _PERCENTILES, method="nearest").tolist()
            nearest, farthest = min(nearest, low), max(farthest, high)
    return _Ends(nearest, farthest) if farthest else _Ends(None, None)


def _write(store: Store, sequence: Sequence, track: _Track, folder: Path, ends: _Ends) -> None:
    size, rate = (
        _size(store, track, folder.name),
        _rate([item.record.time_s for item, _ in _views(store, track)]),
    )
    frames: list[dict[str, Any]] = []
    objects: dict[int, ObjectRecord] = {}
    with ExitStack() as stack:
        videos = {
            name: stack.enter_context(Video(folder / f"{name}.mp4", _H264, size, rate)) for name in _VIDEOS
        }
        for item, view in _views(store, track):
            for name, picture in _pictures(view, ends).items():
                videos[name].add(picture)
            frames.append(_frame(item, view))
            objects |= {each.number: each for each in item.record.objects}
    metadata = {
        "sequence": sequence.name,
        "frames_a_second": [rate.numerator, rate.denominator],
        "size": list(size),
        "size_of_video": list(even_size(*size)),
        "depth": {**_DEPTH, **asdict(ends)},
        "segmentation": _segmentation(objects),
        "edges": _EDGES,
        "frames": frames,
    }
    (folder / "metadata.json").write_bytes(msgspec.json.format(msgspec.json.encode(metadata), indent=1))


def _views(store: Store, track: _Track) -> Iterator[tuple[StoredItem, StoredView]]:
    for index, number in track:
        item = store[index]
        yield item, item.views[number]


def _size(store: Store, track: _Track, name: str) -> tuple[int, int]:
    sizes = {(view.lens.width, view.lens.height) for _, view in _views(store, track)}
    if len(sizes) > 1:
        listed = ", ".join(f"{width} x {height}" for width, height in sorted(sizes))
        raise DatasetError(
            f"{store.path}: the images of {name} have several sizes, {listed}, but a video has one size; "
            "give the camera one resolution and render the dataset again"
        )
    return sizes.pop()


def _rate(times: list[float]) -> Fraction:
    """Return the frames per second that the items' times imply, or 10 if the times do not increase."""
    steps = np.diff(times)
    if not len(steps) or steps.min() <= 0:
        return _RATE
    rate = Fraction(len(steps) / float(steps.sum())).limit_denominator(_LARGEST_DENOMINATOR)
    return max(rate, Fraction(1, _LARGEST_DENOMINATOR))


def _pictures(view: StoredView, ends: _Ends) -> dict[str, Bytes]:
    depth, instance = view.array("depth"), view.array("instance")
    normal = view.array("normal") if "normal" in view.record.files else None
    return {
        "rgb": false_colours(view.array("color"), "color"),
        "depth": _depth_picture(depth, ends),
        "segmentation": false_colours(instance, "instance"),
        "edges": _grey(np.where(edges(depth, instance, normal), 255, 0)),
    }


def _depth_picture(depth: NDArray[np.float32], ends: _Ends) -> Bytes:
    if ends.nearest is None or ends.farthest is None:
        return _grey(np.zeros(depth.shape))
    low, high = 1.0 / ends.farthest, 1.0 / ends.nearest
    share = (1.0 / depth.astype(float) - low) / (high - low) if high > low else np.isfinite(depth)
    return _grey(np.rint(255.0 * np.clip(share, 0.0, 1.0)))


def _grey(values: NDArray[Any]) -> Bytes:
    return np.repeat(values.astype(np.uint8)[..., None], 3, axis=2)


def _segmentation(objects: Mapping[int, ObjectRecord]) -> dict[str, Any]:
    """Return which object has which colour in the segmentation, in the order of object numbers."""
    numbers = np.arange(max(objects, default=0) + 1, dtype=np.uint32)
    colours = false_colours(numbers[None], "instance")[0].tolist()
    rows = [
        {"number": number, "name": each.name, "category": each.category, "colour": colours[number]}
        for number, each in sorted(objects.items())
    ]
    return {"nothing": colours[0], "objects": rows}


def _frame(item: StoredItem, view: StoredView) -> dict[str, Any]:
    lens = view.lens
    return {
        "item": item.index,
        "view": view.name,
        "split": item.record.split,
        "time_s": item.record.time_s,
        "focal": [lens.focal_x, lens.focal_y],
        "center": [lens.center_x, lens.center_y],
        "camera_to_world": view.camera_to_world.tolist(),
    }


FORMAT = Format(
    "control-videos",
    "For world models that take control videos: MP4s of colour, depth, segmentation and edges by camera.",
    ("color", "depth", "instance"),
    _export,
)
