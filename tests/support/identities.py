"""What must hold at every pixel, whatever the scene: a table of functions, and the figures of a run.

A row is a function that takes what was seen of a view and returns how far each pixel is off, as any array.
Pixels at which rounding decides what a ray meets count only where a row asks nothing of the ray caster.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from alone import wrong_columns
from numpy.typing import NDArray
from raycaster import Array, File, Part
from truth import Truth, look, rays_of

from gltf_render_server.frame import Lens, View
from gltf_render_server.scene import Scene

__all__ = ["IDENTITIES", "MORE_PASSES", "PASSES", "Figures", "Identity", "Seen", "Then", "truths"]

PASSES = (
    "depth",
    "distance",
    "label",
    "instance",
    "material",
    "normal",
    "normal_world",
    "normal_geometric",
    "position",
    "object_coordinates",
    "nocs",
    "uv",
)
"""Those of what each pixel shows that the rows look at."""

MORE_PASSES = ("mask_amodal", "instances", "flow_forward", "visible_forward")
"""Those of objects alone and of motion that the rows look at."""

HIDDEN = (253, 127, 0)
"""Red, green and blue of Drake's "do not render"."""

_EPSILON = float(np.finfo(np.float32).eps)
_DONT_CARE = 32764
_LEAST_STEEPNESS = 0.1  # the sine of 6 degrees


@dataclass(frozen=True)
class Identity:
    """A row.

    Attributes
    ----------
    name : str
    unit : str
    most, p99 : float
        The largest deviation, and the 99th percentile of those of a view, that are allowed.
    p99_of_all : float
        The 99th percentile of all views together that is allowed: some views have few pixels that count.
    measure : callable
        Returns the deviations; see the module.
    """

    name: str
    unit: str
    most: float
    p99: float
    p99_of_all: float
    measure: Callable[[Seen], Array]


IDENTITIES: list[Identity] = []


def identity(
    name: str, unit: str, *, most: float = np.inf, p99: float = np.inf, p99_of_all: float = np.inf
) -> Callable[[Any], Any]:
    """Add a function to the table."""

    def add(measure: Callable[[Seen], Array]) -> Callable[[Seen], Array]:
        IDENTITIES.append(Identity(name, unit, most, p99, p99_of_all, measure))
        return measure

    return add


@dataclass(frozen=True)
class Then:
    """The same view at the moment to which its flow leads.

    Attributes
    ----------
    view : View
    scene : Scene
    file : File
    instance : (height, width) int
        As the back end renders that moment by itself.
    """

    view: View
    scene: Scene
    file: File
    instance: NDArray[Any]


@dataclass(frozen=True)
class Seen:
    """A view as a back end rendered it, and what the ray caster knows of it.

    Attributes
    ----------
    arrays : mapping of str to array
        By the names of `PASSES` and `MORE_PASSES`; ``instances`` is a list of rows.
    view : View
    scene : Scene
        As the server reads it: asked for nothing but its table of instances.
    file : File
        The same as the ray caster reads it.
    truth, label_truth : Truth
        Of everything, and of what has a label.
    alpha_threshold : float or None
        Of the frame.
    then : Then
    """

    arrays: Mapping[str, Any]
    view: View
    scene: Scene
    file: File
    truth: Truth
    label_truth: Truth
    alpha_threshold: float | None
    then: Then

    def __getitem__(self, name: str) -> Array:
        array = self.arrays[name]
        return array.astype(float) if array.dtype.kind == "f" else array.astype(int)

    @cached_property
    def is_met(self) -> NDArray[np.bool_]:
        return np.isfinite(self.arrays["depth"])

    @cached_property
    def is_known(self) -> NDArray[np.bool_]:
        """Where the ray caster meets something, and has no doubt about it."""
        return self.truth.is_sharp & (self.truth.part >= 0) & self.is_met

    @cached_property
    def points(self) -> Array:
        """What the depth says is met, (height, width, 3), in the world; NaN = nothing."""
        pose, depth = self.view.camera_to_world, np.where(self.is_met, self["depth"], np.nan)
        return (rays_of(self.view) * depth[..., None]) @ pose[:3, :3].T + pose[:3, 3]

    @cached_property
    def alone(self) -> list[Truth]:
        """What the ray caster knows of each object, as if nothing else were there."""
        nodes = sorted(self.numbers, key=lambda key: self.numbers[key])
        return [
            look(
                self.file,
                self.view,
                alpha_threshold=self.alpha_threshold,
                is_shown=lambda part, own=own: (part.node, part.copy) == own,
            )
            for own in nodes
        ]

    @cached_property
    def matrices(self) -> Array:
        """Of the object that each pixel shows, (height, width, 4, 4); NaN = none."""
        matrices = np.concatenate([np.full((1, 4, 4), np.nan), self.scene.instances.matrix])
        return matrices[self["instance"]]

    @cached_property
    def is_flat(self) -> NDArray[np.bool_]:
        """Which instances a scale of 0 flattens."""
        sizes = np.linalg.svd(self.scene.instances.matrix[:, :3, :3], compute_uv=False)
        return sizes[:, 2] < 1e-6 * sizes[:, 0]

    @cached_property
    def numbers(self) -> dict[tuple[int, int], int]:
        """The number of each node's copies, by the node and the copy."""
        count: dict[int, int] = defaultdict(int)
        numbers = {}
        for number, node in enumerate(self.scene.instances.node.tolist(), 1):
            numbers[node, count[node]] = number
            count[node] += 1
        return numbers

    @cached_property
    def pixels(self) -> Array:
        """Where the pixels' centres are in the image, (height, width, 2), px."""
        lens = self.view.lens
        return np.stack(np.meshgrid(np.arange(lens.width), np.arange(lens.height)), -1) + 0.5

    @cached_property
    def put_back_then(self) -> Array:
        """Where the instances' matrices put what is met then, (height, width, 3), in the axes of the camera.

        NaN = nothing, or what a skin bends, which no matrix tells.
        """
        matrices = np.concatenate([np.full((1, 4, 4), np.nan), self.then.scene.instances.matrix])
        for part in self.truth.parts:
            if part.vertex_matrices is not None:
                matrices[self.numbers[part.node, part.copy]] = np.nan
        to_camera = np.linalg.inv(self.then.view.camera_to_world) @ matrices
        turns, places = to_camera[self["instance"]][..., :3, :3], to_camera[self["instance"]][..., :3, 3]
        return np.einsum("...ij,...j->...i", turns, self["object_coordinates"]) + places

    @cached_property
    def followed_then(self) -> tuple[Array, Array]:
        """Where the triangles take what the ray caster meets, as `put_back_then`; NaN = it is in doubt.

        And the sines of the angles at which the camera sees the triangles there, (height, width).
        """
        points, steepness = np.full_like(self.points, np.nan), np.full(self.is_met.shape, np.nan)
        for index, later in enumerate(self.then.file.parts()):
            here = self.is_known & (self.truth.part == index)
            triangle = self.truth.triangle[here]
            corners, corners_then = (
                _in_camera(part.triangles, view)[triangle]
                for part, view in ((self.truth.parts[index], self.view), (later, self.then.view))
            )
            rays = rays_of(self.view)[here] * self.truth.depth[here][:, None]
            weights = np.linalg.solve(corners.transpose(0, 2, 1), rays[..., None])
            points[here] = (weights * corners_then).sum(1)
            normals = np.cross(*(corners_then[:, 1:] - corners_then[:, :1]).swapaxes(0, 1))
            along = np.abs((normals * points[here]).sum(-1))
            steepness[here] = along / (_length(normals) * _length(points[here]))
        return points, steepness

    def of_part(self, read: Callable[[Part], Any], nothing: Any) -> NDArray[Any]:
        """What each pixel's part has, by the ray caster."""
        return np.array([*map(read, self.truth.parts), nothing])[self.truth.part]


def truths(file: File, view: View, *, alpha_threshold: float | None = None) -> tuple[Truth, Truth]:
    """What the ray caster knows of a view: of everything, and of what has a label."""
    whole = look(file, view, alpha_threshold=alpha_threshold)
    if all(_is_labelled(file, part) for part in whole.parts):
        return whole, whole
    return whole, look(
        file, view, alpha_threshold=alpha_threshold, is_shown=lambda part: _is_labelled(file, part)
    )


def _is_labelled(file: File, part: Part) -> bool:
    return "material" not in part.primitive or _colour(file, part.primitive["material"]) != HIDDEN


def _colour(file: File, material: int) -> tuple[int, ...]:
    factor = file.json["materials"][material]["pbrMetallicRoughness"]["baseColorFactor"]
    return tuple(round(255 * value) for value in factor[:3])


def _label(file: File, part: Part) -> int:
    if "material" not in part.primitive:
        return _DONT_CARE
    red, green, blue = _colour(file, part.primitive["material"])
    return red + 256 * green + 65536 * blue


def _degrees(one: Array, other: Array) -> Array:
    """The angle between vectors, which is exact for small ones, too."""
    sine = np.linalg.norm(np.cross(one, other), axis=-1)
    return np.degrees(np.arctan2(sine, (one * other).sum(-1)))


def _inverse(matrix: Array) -> Array:
    """The inverse of an affine matrix, and of a flat one that which leads to the points of least length."""
    inverse = np.eye(4)
    inverse[:3, :3] = np.linalg.pinv(matrix[:3, :3], rcond=1e-6)
    inverse[:3, 3] = -inverse[:3, :3] @ matrix[:3, 3]
    return inverse


def _in_camera(points: Array, view: View) -> Array:
    to_camera = np.linalg.inv(view.camera_to_world)
    return points @ to_camera[:3, :3].T + to_camera[:3, 3]


def _projected(points: Array, view: View) -> Array:
    """Where the image has points of the camera's axes, (..., 3) -> (..., 2), px; NaN = not in front."""
    lens, depth = view.lens, np.where(points[..., 2] < 0, -points[..., 2], np.nan)
    u, v = lens.focal_x * points[..., 0] / depth, -lens.focal_y * points[..., 1] / depth
    return np.stack([lens.center_x + u, lens.center_y + v], -1)


def _length(vectors: Array) -> Array:
    return np.linalg.norm(vectors, axis=-1)


@identity("passes have nothing where the rays hit nothing", "pixels", most=0)
def _meets(seen: Seen) -> Array:
    truth = seen.truth
    return 1.0 * ((truth.part >= 0) != seen.is_met)[truth.is_sharp]


@identity("if one pass has nothing at a pixel, so have all others", "pixels", most=0)
def _is_empty(seen: Seen) -> Array:
    names = ("normal", "normal_world", "normal_geometric", "position", "object_coordinates", "nocs")
    known = [np.isfinite(seen[name]).all(-1) for name in names]
    unknown = [np.isnan(seen[name]).all(-1) for name in names]
    is_right = np.where(seen.is_met, np.all(known, 0), np.all(unknown, 0))
    return 1.0 * (~is_right | (np.isfinite(seen["distance"]) != seen.is_met))


@identity("depth is that of the surface, relative to the depth", "1", p99=1e-5)
def _depth(seen: Seen) -> Array:
    return np.abs(seen["depth"][seen.is_known] / seen.truth.depth[seen.is_known] - 1)


@identity("distance = depth x the ray's length", "float32 roundings", most=0.51)
def _distance(seen: Seen) -> Array:
    expected = seen["depth"][seen.is_met] * _length(rays_of(seen.view))[seen.is_met]
    return np.abs(seen["distance"][seen.is_met] - expected) / np.spacing(expected.astype(np.float32))


@identity("position = the point at that depth", "float32 roundings", most=0.51)
def _lifted(seen: Seen) -> Array:
    expected = seen.points[seen.is_met]
    off = np.abs(seen["position"][seen.is_met] - expected)
    return off / np.maximum(np.spacing(np.abs(expected).astype(np.float32)), _EPSILON * 1e-3)


@identity("the point at that depth lies on the mesh, at 2 m", "mm", p99=0.01)
def _on_mesh(seen: Seen) -> Array:
    """How far it is from the triangle; how far along the ray is told by depth."""
    off = (seen.points - seen.truth.point) @ seen.view.camera_to_world[:3, :3]
    across = np.abs((off * seen.truth.geometric).sum(-1))[seen.is_known]
    return 1e3 * across * 2 / seen.truth.depth[seen.is_known]


@identity("the instances' masks fill the pixels whose rays hit something", "pixels", most=0)
def _union(seen: Seen) -> Array:
    return 1.0 * ((seen["instance"] > 0) != seen.is_met)


@identity("instance is the node, or its copy, that the ray hits", "pixels", most=0)
def _instance(seen: Seen) -> Array:
    expected = seen.of_part(lambda part: seen.numbers[part.node, part.copy], 0)
    return 1.0 * (seen["instance"] != expected)[seen.is_known]


@identity("instance has the file's matrix", "1", most=1e-9)
def _matrix(seen: Seen) -> Array:
    expected = seen.of_part(lambda part: part.object_to_world, np.full((4, 4), np.nan))
    return np.abs(seen.matrices - expected)[seen.is_known]


@identity("object_coordinates x the instance's matrix = position", "float32 roundings", most=1)
def _put_back(seen: Seen) -> Array:
    coordinates, matrices = seen["object_coordinates"][seen.is_met], seen.matrices[seen.is_met]
    position = seen.points[seen.is_met]
    turns, places = matrices[:, :3, :3], matrices[:, :3, 3]
    back = np.einsum("nij,nj->ni", turns, coordinates) + places
    for matrix in seen.scene.instances.matrix[seen.is_flat]:  # the nearest point that it can lead to
        which = (matrices == matrix).all((1, 2))
        across = np.eye(3) - matrix[:3, :3] @ _inverse(matrix)[:3, :3]
        back[which] += (position[which] - matrix[:3, 3]) @ across.T
    rounding = _EPSILON * np.einsum("nij,nj->ni", abs(turns), abs(coordinates)) + 2e-15 * abs(position)
    return np.abs(back - position) / rounding


@identity("nocs x the object's box = object_coordinates, of the box", "1", most=1e-3, p99=1e-5)
def _in_box(seen: Seen) -> Array:
    boxes: dict[int, list[Array]] = defaultdict(list)
    for part in seen.truth.parts:
        world = part.triangles.reshape(-1, 3)
        inverse = _inverse(part.object_to_world)
        boxes[seen.numbers[part.node, part.copy]].append(world @ inverse[:3, :3].T + inverse[:3, 3])
    points = [np.full((1, 3), np.nan), *(np.concatenate(boxes[number]) for number in sorted(boxes))]
    low, high = (np.array([reach(some, 0) for some in points]) for reach in (np.min, np.max))
    number = seen["instance"][seen.is_met]
    size = (high - low)[number]
    nocs, coordinates = seen["nocs"][seen.is_met], seen["object_coordinates"][seen.is_met]
    outside = np.where((nocs >= 0) & (nocs <= 1), 0.0, np.inf)
    is_flat = size <= 1e-9
    off = np.abs(nocs * size + low[number] - coordinates) / np.where(is_flat, 1, size)
    return np.where(is_flat, np.where(nocs == 0.5, 0, np.inf), off) + outside


@identity("normals have length 1", "1", most=2e-7)
def _unit(seen: Seen) -> Array:
    names = ("normal", "normal_world", "normal_geometric")
    return np.abs(np.stack([_length(seen[name])[seen.is_met] for name in names]) - 1)


@identity("normal_world = R normal", "1", most=2e-7)
def _turned(seen: Seen) -> Array:
    expected = seen["normal"] @ seen.view.camera_to_world[:3, :3].T
    return np.abs(expected - seen["normal_world"])[seen.is_met]


@identity("normal is the interpolated normal", "degrees", most=0.01)
def _normal(seen: Seen) -> Array:
    return _degrees(seen["normal"], seen.truth.normal)[seen.is_known]


@identity("normal_geometric is the triangle's normal", "degrees", most=0.01)
def _geometric(seen: Seen) -> Array:
    return _degrees(seen["normal_geometric"], seen.truth.geometric)[seen.is_known]


@identity("normal_geometric faces the camera", "pixels", most=0)
def _towards(seen: Seen) -> Array:
    return 1.0 * ((seen["normal_geometric"] * rays_of(seen.view)).sum(-1) > 1e-6)[seen.is_met]


@identity("normal_geometric is perpendicular to the steps of position", "degrees", p99=0.1)
def _gradient(seen: Seen) -> Array:
    """Where a pixel and its neighbours to the right and below lie on one triangle."""
    points, truth = seen.points, seen.truth
    to_right, down = points[:-1, 1:] - points[:-1, :-1], points[1:, :-1] - points[:-1, :-1]
    code = np.where(seen.is_known, truth.part * 10**6 + truth.triangle, -1)
    here = code[:-1, :-1]
    is_one = (here >= 0) & (here == code[:-1, 1:]) & (here == code[1:, :-1])
    normals = np.cross(down, to_right) @ seen.view.camera_to_world[:3, :3]
    return _degrees(normals[is_one], seen["normal_geometric"][:-1, :-1][is_one])


@identity("uv is the interpolated uv", "1", most=1e-4, p99=1e-5)
def _uv(seen: Seen) -> Array:
    expected, found = seen.truth.uv[seen.is_known], seen["uv"][seen.is_known]
    off = np.abs(expected - found)
    return np.where(np.isnan(expected), np.where(np.isnan(found), 0, np.inf), np.nan_to_num(off, nan=np.inf))


@identity("material is that of the triangle that the ray hits", "pixels", most=0)
def _material(seen: Seen) -> Array:
    expected = seen.of_part(lambda part: part.primitive.get("material", -1) + 1, 0)
    return 1.0 * (seen["material"] != expected)[seen.is_known]


@identity("material is one of the instance's materials", "pixels", most=0)
def _one_of_its_own(seen: Seen) -> Array:
    pairs = {
        (seen.numbers[part.node, part.copy], part.primitive.get("material", -1) + 1)
        for part in seen.truth.parts
    }
    shown = np.stack([seen["instance"], seen["material"]], -1)[seen.is_met]
    return np.array([1.0 * (tuple(pair) not in pairs) for pair in np.unique(shown, axis=0).tolist()])


@identity("label is that of the material", "pixels", most=0)
def _label_of_material(seen: Seen) -> Array:
    """At every pixel: what has no label hides none, so only where nothing of the kind is there."""
    if seen.label_truth is not seen.truth:
        return np.zeros(0)
    labels = [_DONT_CARE] * (len(seen.file.json.get("materials", ())) + 1)
    for number in range(1, len(labels)):
        red, green, blue = _colour(seen.file, number - 1)
        labels[number] = red + 256 * green + 65536 * blue
    return 1.0 * (seen["label"] != np.array(labels)[seen["material"]])


@identity("label is that of the triangle that the ray hits", "pixels", most=0)
def _label_met(seen: Seen) -> Array:
    truth = seen.label_truth
    labels = np.array([*(_label(seen.file, part) for part in truth.parts), _DONT_CARE])
    return 1.0 * (seen["label"] != labels[truth.part])[truth.is_sharp]


@identity("visible pixels are inside mask_amodal", "pixels", most=0)
def _inside_whole(seen: Seen) -> Array:
    numbers = np.arange(1, 1 + len(seen["mask_amodal"]))[:, None, None]
    return 1.0 * ((seen["instance"] == numbers) & (seen["mask_amodal"] == 0))


@identity("mask_amodal is where the rays hit the object alone", "pixels", most=0)
def _whole(seen: Seen) -> Array:
    return np.concatenate(
        [
            1.0 * (mask != (alone.part >= 0))[alone.is_sharp]
            for mask, alone in zip(seen["mask_amodal"], seen.alone, strict=True)
        ]
    )


@identity("boxes and counts of instances are those of the masks", "columns", most=0)
def _counts(seen: Seen) -> Array:
    masks, lens = seen.arrays["mask_amodal"], seen.view.lens
    return np.array(
        [
            1.0 * len(wrong_columns(row, seen["instance"] == row.number, mask, lens))
            for row, mask in zip(seen.arrays["instances"], masks, strict=True)
        ]
    )


@identity("label of instances is that of the object's pixels", "pixels", most=0)
def _label_of_row(seen: Seen) -> Array:
    labels = [0, *(-1 if row.label is None else row.label for row in seen.arrays["instances"])]
    expected = np.array(labels)[seen["instance"]]
    return 1.0 * (seen["label"] != expected)[seen.is_met & (expected >= 0)]


@identity("flow leads to where the instance's matrix puts object_coordinates", "px", most=0.01)
def _flow_put_back(seen: Seen) -> Array:
    return _flow_off(seen, seen.put_back_then)


@identity("flow leads to where the triangle takes the point", "px", most=0.01)
def _flow_followed(seen: Seen) -> Array:
    return _flow_off(seen, seen.followed_then[0])


def _flow_off(seen: Seen, points: Array) -> Array:
    """How far the flow leads from points in the axes of the camera then, px.

    Beyond the image, pixels grow without end: there it is how far the ray to which the flow leads passes the
    point by, in pixels at the depth that the point had.
    """
    is_known = points[..., 2] < 0
    points, lens = points[is_known], seen.view.lens
    places = (seen.pixels + seen["flow_forward"])[is_known]
    x, y = ((places - (lens.center_x, lens.center_y)) / (lens.focal_x, lens.focal_y)).T
    rays = np.stack([x, -y, -np.ones_like(x)], -1)
    across_m = _length(np.cross(rays, points)) / _length(rays)
    across_px = across_m * max(lens.focal_x, lens.focal_y) / seen["depth"][is_known]
    off_px = _length(places - _projected(points, seen.then.view))
    return np.where(_is_inside(places, lens), off_px, across_px)


def _is_inside(places: Array, lens: Lens) -> NDArray[np.bool_]:
    """Which places, (n, 2) px, the image has."""
    return ((places >= 0) & (places < (lens.width, lens.height))).all(-1)


@identity("flow is NaN where the point is not in front of the camera then", "pixels", most=0)
def _flow_is_empty(seen: Seen) -> Array:
    points = np.where(np.isnan(seen.put_back_then), seen.followed_then[0], seen.put_back_then)
    is_known = ~seen.is_met | np.isfinite(points[..., 2])
    is_empty = np.isnan(seen["flow_forward"])
    is_right = np.where(points[..., 2] < 0, ~is_empty.any(-1), is_empty.all(-1))
    return 1.0 * ~is_right[is_known]


@identity("points that are visible then lie inside the image", "pixels", most=0)
def _flow_leads_inside(seen: Seen) -> Array:
    return 1.0 * ~_is_inside(_seen_then(seen), seen.view.lens)


@identity("points that are visible then are shown at p + flow then, or beside it", "pixels", p99_of_all=0)
def _shown_then(seen: Seen) -> Array:
    """Where the surface is not seen so nearly from its edge then that it may be thinner than a pixel."""
    places, is_seen = _seen_then(seen), seen["visible_forward"] == 1
    is_told = _is_inside(places, seen.view.lens) & (seen.followed_then[1][is_seen] > _LEAST_STEEPNESS)
    column, row = np.floor(places[is_told]).astype(int).T
    shown = np.pad(seen.then.instance.astype(int), 1, constant_values=-1)
    around = np.array([shown[row + dy, column + dx] for dx in range(3) for dy in range(3)])
    return 1.0 * (around != seen["instance"][is_seen][is_told]).all(0)


def _seen_then(seen: Seen) -> Array:
    """Where the points are then that are seen then, (n, 2), px."""
    return (seen.pixels + seen["flow_forward"])[seen["visible_forward"] == 1]


@dataclass
class Figures:
    """The largest deviation, and the 99th percentile of all, of each row and each back end."""

    _found: dict[tuple[str, str], list[Array]] = field(default_factory=lambda: defaultdict(list))

    def check(self, name: str, seen: Seen) -> list[str]:
        """Measure all rows, and say which do not hold."""
        return [
            message for row in IDENTITIES for message in self.add(name, row, row.measure(seen).reshape(-1))
        ]

    def add(self, name: str, row: Identity, off: Array) -> list[str]:
        """Keep what was measured, and say whether it is too much."""
        self._found[row.name, name].append(off)
        if not len(off):
            return []
        if np.isnan(off).any():
            return [f"{name}: {row.name}: {np.isnan(off).sum()} of {len(off)} are no numbers"]
        most, p99 = off.max(), _p99(off)
        if most <= row.most and p99 <= row.p99:
            return []
        worst = f"at most {most:.3g}, p99 {p99:.3g} {row.unit}"
        return [f"{name}: {row.name}: {worst}; {(off > row.most).sum()} of {len(off)} beyond {row.most:.3g}"]

    def check_all(self) -> list[str]:
        """Say which rows do not hold of all that was measured together."""
        rows = {row.name: row for row in IDENTITIES}
        return [
            f"{name}: {row}: p99 of all {p99:.3g} {rows[row].unit}"
            for (row, name), found in self._found.items()
            if (p99 := _p99(np.concatenate(found))) > rows[row].p99_of_all
        ]

    def table(self) -> str:
        """Return the figures as a table of Markdown."""
        names = list(dict.fromkeys(name for _, name in self._found))
        head = ["identity", "unit", *(f"{name}: max, p99" for name in names), "limit: max, p99"]
        lines = [head, ["---"] * len(head)]
        for row in IDENTITIES:
            cells = [self._cell(self._found[row.name, name]) for name in names]
            limits = ", ".join(
                "none" if limit == np.inf else f"{limit:g}"
                for limit in (row.most, min(row.p99, row.p99_of_all))
            )
            lines.append([row.name, row.unit, *cells, limits])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def _cell(self, found: list[Array]) -> str:
        all_of_them = np.concatenate(found)
        return f"{all_of_them.max():.2g}, {_p99(all_of_them):.2g}" if len(all_of_them) else "nothing"


def _p99(off: Array) -> float:
    return float(np.percentile(off, 99)) if len(off) else 0.0
