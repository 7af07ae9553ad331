"""Control videos for world models: for each sequence and camera, its colour, depth, objects and edges.

All are MP4s that every player reads; `metadata.json` beside them tells what their values mean, and where the
camera was.
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
"""The frames of a video: indices of items, and of the views in each."""

_RATE = Fraction(10)
_LARGEST_DENOMINATOR = 1001  # of 30000/1001, as television has it
_PERCENTILES = (1.0, 99.0)
_VIDEOS = ("rgb", "depth", "segmentation", "edges")

_BT709 = 1  # FFmpeg's number of it
_H264 = Codec(
    encoder="libx264",
    pixels="yuv420p",
    takes="rgb24",
    options={**H264_OPTIONS, "g": "12"},  # so that a reader finds any frame soon
    colours=Colours(Colorspace.ITU709, dict.fromkeys(("colorspace", "color_primaries", "color_trc"), _BT709)),
)

_DEPTH = {
    "grey": "255 (1 / depth - 1 / farthest) / (1 / nearest - 1 / farthest), cut to 0 to 255; 0 = nothing",
    "unit": "m, along the optical axis",
}
_EDGES = {
    "white": "the nearer one of two neighbours that show different objects, or surfaces behind one another, "
    "or whose normals differ by more than an angle",
    "largest_jump": LARGEST_JUMP,
    "largest_bend_deg": LARGEST_BEND_DEG,
}


@dataclass(frozen=True)
class _Ends:
    """The depths that are white, and black, in all videos of a sequence, metres; None = nothing is seen."""

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
    """Return the videos of a sequence by the names of their folders: that of the first view in each.

    A video is a view's through the items. A sequence of a single item is no course of time: there it is all
    views of a camera, one after another.
    """
    is_still = len(sequence.indices) == 1
    found: dict[str, tuple[str, _Track]] = {}
    for item in map(store.__getitem__, sequence.indices):
        for number, view in enumerate(item.views):
            key = view.record.camera if is_still else view.name
            found.setdefault(key, (view.name, []))[1].append((item.index, number))
    return dict(found.values())


def _ends(store: Store, sequence: Sequence) -> _Ends:
    """Find the ends of depth; a hundredth of a picture may be nearer or farther, as a stray pixel is."""
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
    told = {
        "sequence": sequence.name,
        "frames_a_second": [rate.numerator, rate.denominator],
        "size": list(size),
        "size_of_video": list(even_size(*size)),
        "depth": {**_DEPTH, **asdict(ends)},
        "segmentation": _segmentation(objects),
        "edges": _EDGES,
        "frames": frames,
    }
    (folder / "metadata.json").write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1))


def _views(store: Store, track: _Track) -> Iterator[tuple[StoredItem, StoredView]]:
    for index, number in track:
        item = store[index]
        yield item, item.views[number]


def _size(store: Store, track: _Track, name: str) -> tuple[int, int]:
    sizes = {(view.lens.width, view.lens.height) for _, view in _views(store, track)}
    if len(sizes) > 1:
        told = ", ".join(f"{width} x {height}" for width, height in sorted(sizes))
        raise DatasetError(f"{store.path}: {name} has pictures of several sizes, {told}; a video has one")
    return sizes.pop()


def _rate(times: list[float]) -> Fraction:
    """Return frames a second: as the items' times say if they go on, and else 10."""
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
    """Tell which colour is which object, by number."""
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
    "For world models that videos guide: MP4s of colour, depth, objects and edges, by camera.",
    ("color", "depth", "instance"),
    _export,
)
