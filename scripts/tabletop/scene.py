"""The composition: what stands where, in whose colours, seen from where.

The world is z-up, in metres; the table's top is z = 0, the camera looks along +y.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from . import peel, produce, textures, wares
from .document import Material, Thing, gltf_of, with_labels, with_poses
from .shapes import Floats, pose, tilt, unit

ImageType = Literal["color", "depth", "label"]

_FOV_Y_RAD = np.radians(28.0)
_NEAR, _FAR = 0.01, 10.0
_MIN_DEPTH, _MAX_DEPTH = 0.1, 3.0
_FRONT, _BACK = -0.36, 0.44
_BOWL = (0.20, 0.07, 0.0)


@dataclass(frozen=True)
class Tabletop:
    """A still life at one moment.

    Attributes
    ----------
    seed : what the grain, the glazes and the fruit are drawn from
    frame : 0..1, the moment; only node matrices depend on it
    """

    seed: int = 0
    frame: float = 0.0
    labels: dict[str, int] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        names = [thing.name for thing in _still_life(self.seed)]
        object.__setattr__(self, "labels", {name: n for n, name in enumerate(names, start=1)})

    def document(self, image_type: ImageType) -> bytes:
        """Return the glTF JSON; one for colour and depth, another for labels."""
        return _document(self, image_type == "label")

    def fields(self, image_type: ImageType, width: int, height: int) -> dict[str, str]:
        """Return the form fields of a request, all but the scene itself (see PROTOCOL.md)."""
        focal = height / 2 / np.tan(_FOV_Y_RAD / 2)
        numbers = {
            "near": _NEAR,
            "far": _FAR,
            "focal_x": focal,
            "focal_y": focal,
            "fov_x": 2 * np.arctan(width / 2 / focal),
            "fov_y": _FOV_Y_RAD,
            "center_x": (width - 1) / 2,
            "center_y": (height - 1) / 2,
        }
        if image_type == "depth":
            numbers |= {"min_depth": _MIN_DEPTH, "max_depth": _MAX_DEPTH}
        digest = hashlib.sha256(self.document(image_type)).hexdigest()
        return {
            "scene_sha256": digest,
            "image_type": image_type,
            "width": str(width),
            "height": str(height),
            **{name: f"{number:.6f}" for name, number in numbers.items()},
            "submit": "Render",
        }


def tabletop(*, seed: int = 0, frame: float = 0.0) -> Tabletop:
    """Return the still life; the same arguments give the same bytes.

    Parameters
    ----------
    seed : another seed, another table: grain, glazes, fruit
    frame : 0..1; the cup, the fruit and the camera move a little
    """
    return Tabletop(seed, frame)


@lru_cache(maxsize=4)
def _document(scene: Tabletop, labelled: bool) -> bytes:
    things = _still_life(scene.seed)
    poses = [_moved(thing, scene.frame) for thing in things]
    gltf = with_poses(_gltf(scene.seed), [*poses, _camera(scene.frame)])
    if labelled:
        gltf = with_labels(gltf, scene.labels)
    return json.dumps(gltf, separators=(",", ":")).encode()


@lru_cache(maxsize=1)
def _gltf(seed: int) -> dict[str, Any]:
    return gltf_of(_still_life(seed), float(_FOV_Y_RAD), _NEAR, _FAR)


def _camera(frame: float) -> Floats:
    """Return the camera's pose: +x right, +y up, looking along its -z."""
    eye = np.array([0.03 + 0.05 * frame, -1.30, 0.45 + 0.02 * frame])
    back = unit(eye - np.array([0.03, 0.0, 0.112]))
    right = unit(np.cross((0, 0, 1), back))
    result = np.eye(4)
    result[:3, :3] = np.stack([right, np.cross(back, right), back], axis=1)
    result[:3, 3] = eye
    return result


def _moved(thing: Thing, frame: float) -> Floats:
    """Return the pose of `thing` at a moment: some slide, turn or roll, none meets another."""
    shift, turn = _MOTION.get(thing.name, ((0, 0), 0.0))
    spin = pose(0, 0, yaw=turn * frame)
    moved = thing.pose.copy()
    moved[:3, :3] = spin[:3, :3] @ moved[:3, :3]
    moved[:2, 3] += np.array(shift) * frame
    return moved


_MOTION: dict[str, tuple[tuple[float, float], float]] = {
    "cup": ((-0.03, 0.01), 25.0),
    "saucer": ((-0.03, 0.01), 0.0),
    "teapot": ((0.0, 0.0), 12.0),
    "pear": ((0.015, 0.0), -40.0),
    "half_orange": ((0.0, 0.01), 30.0),
}


@lru_cache(maxsize=1)
def _still_life(seed: int) -> tuple[Thing, ...]:
    rng = np.random.default_rng(seed)
    return (*_room(rng), *_pottery(rng), *_left_behind(rng), *_fruit(rng))


def _room(rng: np.random.Generator) -> list[Thing]:
    wood = textures.wood(rng)
    here = np.eye(4)
    return [
        Thing("table", wares.table(wood, _FRONT, _BACK), here),
        Thing("apron", wares.apron(wood, _FRONT), here),
        Thing("wall", wares.wall(textures.plaster(rng, (0.615, 0.60, 0.56)), _BACK + 0.012), here),
    ]


def _pottery(rng: np.random.Generator) -> list[Thing]:
    clay = textures.clay(rng, (0.56, 0.42, 0.32))
    oat = textures.glaze(rng, (0.86, 0.83, 0.77), (0.66, 0.53, 0.40), breaks=(0.36, 0.665), speckle=0.8)
    celadon = textures.glaze(rng, (0.36, 0.445, 0.45), (0.52, 0.48, 0.41), breaks=(0.31, 0.93), speckle=0.5)
    rim = textures.glaze(rng, (0.85, 0.82, 0.76), (0.60, 0.46, 0.33), breaks=(0.25, 0.535), speckle=1.0)
    dark = textures.glaze(rng, (0.22, 0.285, 0.31), (0.46, 0.40, 0.31), breaks=(0.17, 0.50), speckle=0.4)
    plate = textures.glaze(rng, (0.85, 0.82, 0.76), (0.60, 0.46, 0.33), breaks=(0.5,), speckle=1.0)
    cane = Material((0.30, 0.17, 0.075), 0.55)
    tea = Material((0.10, 0.030, 0.006), 0.04)
    bark = Material((0.16, 0.12, 0.075), 0.8)
    at = pose(-0.245, 0.17)
    cup = wares.cup(rim, clay, tea)
    return [
        Thing("vase", wares.vase(oat, clay), at),
        Thing("branches", produce.branches(rng, _TWIGS, textures.leaf(rng), bark), at),
        Thing("teapot", wares.teapot(celadon, clay, cane), pose(-0.06, 0.09, yaw=-160)),
        Thing("bowl", wares.bowl(dark, clay), pose(*_BOWL)),
        Thing("cup", cup, pose(-0.20, -0.12, 0.006, yaw=-35)),
        Thing("saucer", wares.saucer(plate), pose(-0.20, -0.12)),
        Thing("second_cup", cup, pose(-0.335, 0.01, yaw=-150)),
    ]


_TWIGS = [
    [(0.004, 0, 0.16), (0.004, 0, 0.21), (-0.03, 0.01, 0.28), (-0.025, 0.0, 0.35), (0.015, -0.01, 0.395)],
    [(-0.004, 0, 0.16), (0, 0, 0.21), (0.05, -0.02, 0.27), (0.12, -0.02, 0.31), (0.20, -0.04, 0.315)],
    [(0, 0.004, 0.16), (-0.006, 0, 0.21), (-0.06, -0.02, 0.25), (-0.11, -0.03, 0.29), (-0.16, -0.05, 0.285)],
    [(0, -0.004, 0.16), (0.004, 0, 0.21), (0.02, 0.03, 0.28), (0.07, 0.05, 0.34), (0.10, 0.04, 0.40)],
]  # fmt: skip


def _left_behind(rng: np.random.Generator) -> list[Thing]:
    pages = textures.paper_edges(rng)
    green, red = ((0.34, 0.36, 0.31), (0.56, 0.40, 0.30))
    lower = wares.book((0.225, 0.155, 0.036), textures.book_cloth(rng, green), pages)
    upper = wares.book((0.20, 0.135, 0.028), textures.book_cloth(rng, red), pages)
    wax = Material((0.80, 0.72, 0.56), 0.5)
    linen = textures.linen(rng)
    glass = Material((0.985, 0.995, 0.99), 0.0, transmission=1.0)
    water = Material(roughness=0.0, transmission=1.0)
    return [
        Thing("lower_book", lower, pose(0.385, 0.28, yaw=5)),
        Thing("upper_book", upper, pose(0.385, 0.272, 0.036, yaw=-9)),
        Thing("candlestick", wares.candlestick(wares.brushed_brass(rng), wax), pose(0.125, 0.28)),
        Thing("tumbler", wares.tumbler(glass, water), pose(0.355, -0.005)),
        Thing("cloth", wares.cloth(linen, _FRONT, (0.30, 0.52), 12, (0.13, -0.325)), np.eye(4)),
    ]


def _fruit(rng: np.random.Generator) -> list[Thing]:
    orange_peel = peel.citrus(rng, (0.90, 0.47, 0.10), (0.80, 0.36, 0.06), 1.1)
    lemon_peel = peel.citrus(rng, (0.93, 0.77, 0.20), (0.84, 0.66, 0.16), 0.9)
    stalk = Material((0.10, 0.09, 0.03), 0.7)
    wood = Material((0.09, 0.055, 0.03), 0.8)
    orange = produce.orange(orange_peel, stalk, 0.0385)
    lemon = produce.lemon(lemon_peel, 0.0275)
    face = peel.cut_face(rng, (0.93, 0.50, 0.10), (0.88, 0.46, 0.10))
    half = produce.half_citrus(orange_peel, face, 0.037)
    pear = produce.pear(peel.pear(rng), wood, 0.006)
    return [
        *_heap(rng, orange, lemon),
        Thing("half_orange", half, pose(0.13, -0.20, 0.040, yaw=20, rotation=tilt(38))),
        Thing("lemon", lemon, pose(0.235, -0.17, 0.0315, yaw=55, rotation=tilt(90))),
        Thing("pear", pear, pose(-0.005, -0.035, yaw=-30)),
        Thing("second_pear", pear, pose(0.40, 0.27, 0.064, yaw=150)),
    ]


def _heap(rng: np.random.Generator, orange: wares.Parts, lemon: wares.Parts) -> list[Thing]:
    """Fill the bowl: oranges below, lemons on top."""
    radii = np.array([0.0385] * 5 + [0.034] * 2)
    hollow = np.array([0, 0, 0.15])
    places = produce.settled(rng, radii, 0.1345, hollow)
    things = []
    for n, place in enumerate(places + np.array(_BOWL)):
        is_orange = n < 5
        tip = tilt(rng.uniform(-70, 70)) if is_orange else tilt(rng.uniform(75, 105))
        where = pose(*place, yaw=rng.uniform(-180, 180), rotation=tip)
        name = f"orange_{n + 1}" if is_orange else f"bowl_lemon_{n - 4}"
        things.append(Thing(name, orange if is_orange else lemon, where))
    return things
