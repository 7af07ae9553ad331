"""Animations: the transforms of nodes and the weights of morph targets at a given time.

Source: the glTF 2.0 specification, section 3.11 and appendix C, and the equivalent parts of
KHR_animation_pointer. If a document has several animations, the first is shown, as in common viewers. Broken
parts are skipped with a warning.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ..errors import SceneError
from ..limits import MOST_WEIGHTS, Limits, ask_time
from ..mismatch import what_and_where
from . import schema
from .compression import read_more_views
from .extensions import POINTER
from .resources import (
    Data,
    Numbers,
    accessor_bytes,
    as_values,
    check_views,
    read_accessor,
    views_of_accessors,
)

__all__ = ["NODE_POINTER", "Animation", "find_animation", "morphing_nodes", "read_animation"]

_WIDTHS = {"translation": 3, "rotation": 4, "scale": 3}
NODE_POINTER = re.compile(r"/nodes/(\d{1,7})/(translation|rotation|scale|weights)")
"""What KHR_animation_pointer can name here: the index of a node, and what changes of it."""

_STRAIGHT = 0.9995  # cosine of half the angle; rotations closer than this are interpolated linearly
_MOST_LEFT_OUT = 20

Floats = NDArray[np.float64]
Index = Annotated[int, Meta(ge=0)]


class _Sampler(msgspec.Struct):
    input: Index
    output: Index
    interpolation: Literal["LINEAR", "STEP", "CUBICSPLINE"] = "LINEAR"


class _Target(msgspec.Struct):
    path: str
    node: Index | None = None
    extensions: dict[str, Any] | None = None


class _Channel(msgspec.Struct):
    sampler: Index
    target: _Target


msgspec.json.Decoder(_Sampler | None)  # see `decoding`
msgspec.json.Decoder(_Channel)


@dataclass(frozen=True)
class _Track:
    """The animation of one property of one node.

    values : (keys, n, k)
        The keyframe values, with the accessor's own type, so that a large animation needs no copy of its
        buffers. n is 1, or 3 for CUBICSPLINE: the in-tangent, the value, and the out-tangent.
    accessor : schema.Accessor
        The accessor that describes the values.
    """

    node: int
    path: str
    interpolation: str
    times: int
    values: Numbers
    accessor: schema.Accessor

    def at(self, key: int) -> Numbers:
        """Return the values of a keyframe, (n, k)."""
        return as_values(self.values[key], self.accessor)


@dataclass(frozen=True)
class Animation:
    """The tracks that animate nodes, ready to be sampled.

    Attributes
    ----------
    tracks : tuple
    times : tuple of (n,) float64
        The times of the keyframes to which the tracks refer, in increasing seconds.
    nbytes : int
        The memory that it takes in addition to the document's buffers.
    """

    tracks: tuple[_Track, ...] = ()
    times: tuple[Floats, ...] = ()
    nbytes: int = 0

    @property
    def morphs(self) -> bool:
        """Whether the animation changes the weights of morph targets."""
        return any(track.path == "weights" for track in self.tracks)

    def moved(self, nodes: Sequence[schema.Node], time_s: float) -> dict[int, schema.Node]:
        """Return the animated nodes, by index, in their state at a given time.

        Parameters
        ----------
        nodes : sequence of Node
            The nodes of the document at rest. They are not changed.
        time_s : float
            The time. Before the first keyframe of a track its first value applies, after the last keyframe
            its last.
        """
        changed: dict[int, dict[str, Any]] = defaultdict(dict)
        for track, value in self._sample(time_s):
            changed[track.node][track.path] = value
        return {index: msgspec.structs.replace(nodes[index], **values) for index, values in changed.items()}

    def _sample(self, time_s: float) -> Iterator[tuple[_Track, list[float]]]:
        spans = [_span(times, time_s) for times in self.times]
        groups: dict[tuple[str, bool, tuple[int, ...]], list[_Track]] = defaultdict(list)
        for track in self.tracks:
            groups[track.interpolation, track.path == "rotation", track.values.shape[1:]].append(track)
        for (interpolation, is_rotation, _), tracks in groups.items():
            ask_time()
            before = np.array([track.at(spans[track.times][0]) for track in tracks], float)
            after = np.array([track.at(spans[track.times][1]) for track in tracks], float)
            share, length_s = np.array([spans[track.times][2:] for track in tracks]).T[:, :, None]
            values = _interpolated(interpolation, is_rotation, before, after, share, length_s)
            yield from zip(tracks, values.tolist(), strict=True)


def find_animation(document: schema.Document, name: str | int = 0) -> int | None:
    """Find an animation by name or index. Return None if the document has none and stays at rest.

    Raises
    ------
    SceneError
        The name or index does not exist. An index of 0, the default, is never an error.
    """
    names = [animation.get("name") for animation in document.animations]
    if isinstance(name, str) and name in names:
        return names.index(name)
    if isinstance(name, int) and 0 <= name < len(names):
        return name
    if name == 0:
        return None
    raise SceneError(f"there is no animation {str(name)[:60]}", "$.animations")


def morphing_nodes(document: schema.Document, animation: int | None) -> set[int]:
    """Return the nodes whose weights an animation may change."""
    targets = [_target_of(channel) for channel in _channels(document, animation)]
    return {target[0] for target in targets if target is not None and target[1] == "weights"}


def read_animation(
    document: schema.Document,
    buffers: list[Data],
    animation: int | None,
    limits: Limits,
    warnings: list[str],
    binary: memoryview | None = None,
) -> Animation:
    """Read an animation, and decode the buffers that it needs.

    Parameters
    ----------
    document : Document
        The document, whose buffers still have their URIs. It is changed in place: compressed data is
        uncompressed.
    buffers : list of bytes-like
        The buffers from `compression.read_buffers`. Those that only the animation needs are added.
    animation : int or None
        The index from `find_animation`.
    limits : Limits
    warnings : list of str
        Warnings about skipped parts are added here.
    binary : memoryview, optional
        The binary chunk of a GLB.

    Raises
    ------
    TooLargeError
        The animation exceeds a limit.
    """
    samplers = _samplers(document, animation)
    readable = _open_accessors(document, buffers, samplers, limits, binary)
    reader = _Reader(document, buffers, samplers, readable)
    tracks: dict[tuple[int, str], _Track] = {}
    left_out: list[str] = []
    for number, channel in enumerate(_channels(document, animation)):
        ask_time()
        try:
            track = reader.track(channel)
        except SceneError as error:
            left_out.append(f"animations[{animation}].channels[{number}]: {error.message}; left out")
            continue
        if track is not None:
            tracks.setdefault((track.node, track.path), track)
    warnings += left_out[:_MOST_LEFT_OUT]
    if len(left_out) > _MOST_LEFT_OUT:
        warnings.append(
            f"animations[{animation}]: {len(left_out) - _MOST_LEFT_OUT} more channels are left out"
        )
    return Animation(tuple(tracks.values()), tuple(reader.times), reader.nbytes)


def _open_accessors(
    document: schema.Document,
    buffers: list[Data],
    samplers: Sequence[_Sampler | None],
    limits: Limits,
    binary: memoryview | None,
) -> set[int]:
    """Decode the data of the samplers' accessors, and return the accessors that can be read."""
    named = {index for item in samplers if item for index in (item.input, item.output)}
    named = {index for index in named if index < len(document.accessors)}
    views = read_more_views(document, buffers, views_of_accessors(document, named), limits, binary)
    readable = {
        index
        for index in named
        if views_of_accessors(document, [index]) <= views and _is_possible(document, [index])
    }
    size = sum(accessor_bytes(document.accessors[index]) for index in readable)
    limits.check_decoded(size, "its animation takes")
    return readable if _is_possible(document, readable) else set()


def _is_possible(document: schema.Document, accessors: Collection[int]) -> bool:
    """Return whether accessors lie inside their views and do not overlap too much."""
    try:
        check_views(document, views_of_accessors(document, accessors), accessors)
    except SceneError:
        return False
    return True


class _Reader:
    """Reads the channels of an animation. Each accessor is read once."""

    def __init__(
        self,
        document: schema.Document,
        buffers: Sequence[Data],
        samplers: Sequence[_Sampler | None],
        readable: Container[int],
    ) -> None:
        self._document, self._buffers = document, buffers
        self._samplers = samplers
        self._readable = readable
        self._numbers: dict[int, int] = {}
        self._outputs: dict[int, Numbers] = {}
        self._widths: dict[int, int] = {}
        self._weights = 0
        self.times: list[Floats] = []
        self.nbytes = 0

    def track(self, source: object) -> _Track | None:
        """Read a channel. Return None if the channel explicitly has no target."""
        channel = _convert_channel(source)
        target = _target(channel.target)
        if target is None:
            return None
        node, path = target
        sampler = self._samplers[channel.sampler] if channel.sampler < len(self._samplers) else None
        if sampler is None or not all(index in self._readable for index in (sampler.input, sampler.output)):
            raise SceneError("its sampler or what that reads is broken")
        if node >= len(self._document.nodes):
            raise SceneError(f"there is no node {node}")
        if self._document.nodes[node].matrix is not None and path != "weights":
            raise SceneError(f"node {node} has a matrix, which cannot be animated")
        times = self._time_number(sampler.input)
        values = self._values(sampler, len(self.times[times]), path, self._width(node, path))
        if path == "weights":
            self._weights += values.shape[2]
            if self._weights > MOST_WEIGHTS:
                raise SceneError(f"the animation moves more than {MOST_WEIGHTS} weights")
        accessor = self._document.accessors[sampler.output]
        return _Track(node, path, sampler.interpolation, times, values, accessor)

    def _width(self, node: int, path: str) -> int:
        """Return the number of components of a node's property.

        For weights, that is the number of morph targets.
        """
        if path != "weights":
            return _WIDTHS[path]
        mesh = self._document.nodes[node].mesh
        if mesh is not None and mesh not in self._widths:
            counts = {len(item.targets) for item in self._document.meshes[mesh].primitives if item.targets}
            self._widths[mesh] = counts.pop() if len(counts) == 1 else 0
        if mesh is None or not self._widths[mesh]:
            raise SceneError(f"node {node} has no mesh whose primitives share their morph targets")
        return self._widths[mesh]

    def _time_number(self, accessor: int) -> int:
        if accessor not in self._numbers:
            times = read_accessor(self._document, self._buffers, accessor)
            if times.dtype != np.float32 or times.shape[1] != 1:
                raise SceneError("its times must be float scalars")
            times = times[:, 0].astype(float)
            if not np.isfinite(times).all() or (np.diff(times) < 0).any():
                raise SceneError("its times are not finite, or do not increase")
            self._numbers[accessor] = len(self.times)
            self.times.append(times)
            self.nbytes += times.nbytes
        return self._numbers[accessor]

    def _values(self, sampler: _Sampler, keys: int, path: str, width: int) -> Numbers:
        values = self._output(sampler.output)
        points = 3 if sampler.interpolation == "CUBICSPLINE" else 1
        is_row = path == "weights" or values.shape[1] == width
        if values.size != keys * points * width or not is_row:
            wanted = f"{keys} keys of {points * width} numbers"
            raise SceneError(f"its {len(values)} values of {values.shape[1]} do not fit {wanted}")
        return values.reshape(keys, points, width)

    def _output(self, accessor: int) -> Numbers:
        if accessor not in self._outputs:
            values = read_accessor(self._document, self._buffers, accessor)
            if not np.isfinite(values).all():
                raise SceneError("a value is not finite")
            self._outputs[accessor] = values
            source = self._document.accessors[accessor]
            if source.buffer_view is None or source.sparse is not None:
                self.nbytes += values.nbytes
        return self._outputs[accessor]


def _items(document: schema.Document, animation: int | None, name: str) -> list[object]:
    items = None if animation is None else document.animations[animation].get(name)
    return items if isinstance(items, list) else []


def _channels(document: schema.Document, animation: int | None) -> list[object]:
    return _items(document, animation, "channels")


def _samplers(document: schema.Document, animation: int | None) -> list[_Sampler | None]:
    """Convert the samplers of an animation. A broken sampler becomes None."""
    return [_sampler(item) for item in _items(document, animation, "samplers")]


def _sampler(item: object) -> _Sampler | None:
    try:
        return msgspec.convert(item, _Sampler)
    except msgspec.ValidationError:
        return None


def _convert_channel(source: object) -> _Channel:
    try:
        return msgspec.convert(source, _Channel)
    except msgspec.ValidationError as error:
        what, where = what_and_where(error)
        raise SceneError(": ".join(filter(None, (where[2:], what)))[:200]) from None


def _target_of(channel: object) -> tuple[int, str] | None:
    try:
        return _target(_convert_channel(channel).target)
    except SceneError:
        return None


def _target(target: _Target) -> tuple[int, str] | None:
    """Return the node and the property that a channel animates."""
    if target.path == "pointer":
        extension = (target.extensions or {}).get(POINTER)
        pointer = extension.get("pointer") if isinstance(extension, dict) else None
        found = NODE_POINTER.fullmatch(pointer) if isinstance(pointer, str) else None
        if found is None:
            raise SceneError(f"only nodes' transforms and weights can be animated, not {str(pointer)[:60]}")
        return int(found[1]), found[2]
    if target.node is None:
        return None
    if target.path not in (*_WIDTHS, "weights"):
        raise SceneError(f"there is no path {target.path[:20]}")
    return target.node, target.path


def _span(times: Floats, time_s: float) -> tuple[int, int, float, float]:
    """Return the keyframes around a time, the fraction between them, and their distance in seconds."""
    after = int(np.searchsorted(times, time_s, side="right"))
    if after == 0:
        return 0, 0, 0.0, 0.0
    if after == len(times):
        return after - 1, after - 1, 0.0, 0.0
    length_s = float(times[after] - times[after - 1])
    return after - 1, after, (time_s - float(times[after - 1])) / length_s, length_s


def _interpolated(
    interpolation: str, is_rotation: bool, before: Floats, after: Floats, share: Floats, length_s: Floats
) -> Floats:
    """Interpolate between keyframes, (tracks, 1 or 3, k), by fractions, (tracks, 1); returns (tracks, k)."""
    if interpolation == "CUBICSPLINE":
        values = _spline(before, after, share, length_s)
    elif interpolation == "STEP":
        values = before[:, 0]
    elif is_rotation:
        values = _slerp(_unit(before[:, 0]), _unit(after[:, 0]), share)
    else:
        values = (1 - share) * before[:, 0] + share * after[:, 0]
    return _unit(values) if is_rotation else values


def _spline(before: Floats, after: Floats, t: Floats, length_s: Floats) -> Floats:
    """Interpolate with cubic Hermite splines; appendix C.5 of the specification."""
    t2, t3 = t * t, t * t * t
    return (
        (2 * t3 - 3 * t2 + 1) * before[:, 1]
        + length_s * (t3 - 2 * t2 + t) * before[:, 2]
        + (-2 * t3 + 3 * t2) * after[:, 1]
        + length_s * (t3 - t2) * after[:, 0]
    )


def _slerp(before: Floats, after: Floats, share: Floats) -> Floats:
    """Interpolate rotations along the shorter arc; appendix C.4 of the specification."""
    cosine = (before * after).sum(1, keepdims=True)
    after, cosine = np.where(cosine < 0, -after, after), np.abs(cosine)
    angle = np.arccos(cosine.clip(max=_STRAIGHT))
    left, right = np.sin((1 - share) * angle) / np.sin(angle), np.sin(share * angle) / np.sin(angle)
    is_straight = cosine > _STRAIGHT
    return np.where(is_straight, 1 - share, left) * before + np.where(is_straight, share, right) * after


def _unit(rotations: Floats) -> Floats:
    """Normalise quaternions. A zero quaternion becomes the identity."""
    length = np.linalg.norm(rotations, axis=1, keepdims=True)
    return np.where(length > 1e-9, rotations / length.clip(1e-9), [0.0, 0.0, 0.0, 1.0])
