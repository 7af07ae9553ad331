"""Things that people make: pots, glass, brass, books, cloth, the table and the wall.

Each function returns the parts of one thing, standing on z = 0 about the origin, in metres.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import textures
from .document import Material
from .shapes import (
    Floats,
    Surface,
    box,
    curve,
    cylinder,
    grid,
    joined,
    lathe,
    pose,
    rounded_box,
    transform,
    tube,
)
from .textures import Maps

Parts = tuple[tuple[Surface, Material], ...]


def table(wood: Maps, front: float, back: float) -> Parts:
    """Return a board of 1.8 m whose top is z = 0, from y = `front` to y = `back`."""
    thickness, radius = 0.042, 0.011
    turn = np.linspace(0, np.pi / 2, 9)
    corner = radius * np.stack([np.sin(turn), np.cos(turn)], axis=-1) - radius
    section = np.concatenate(
        [
            [(front, -thickness)],
            (corner * (-1, 1) + (front, 0))[::-1],
            np.linspace((front + radius, 0), (back, 0), 24)[1:],
            [(back, -thickness)],
        ]
    )
    x = np.linspace(-0.9, 0.9, 3)
    points = np.empty((len(section), len(x), 3))
    points[..., 0], points[..., 1:] = x, section[:, None]
    top = grid(points)
    uvs = np.stack(
        [points[..., 0] / 1.8 + 0.5, (section[:, :1] + section[:, 1:]) / 0.8 + 0 * points[..., 0]],
        -1,
    )
    return ((replace(top, uvs=uvs.reshape(-1, 2)), Material(maps=wood)),)


def apron(wood: Maps, front: float) -> Parts:
    """Return the rail under the front of the table."""
    rail = rounded_box((1.7, 0.022, 0.12), 0.002, tile=1.1)
    set_back = rail.moved(pose(0, front + 0.045, -0.102))
    return ((set_back, Material(maps=wood)),)


def wall(plaster: Maps, y: float) -> Parts:
    """Return a plastered wall at depth `y` that leaves the light its way from above."""
    x, z = np.meshgrid(np.linspace(-1.4, 1.4, 3), np.linspace(-0.8, 1.3, 3))
    surface = grid(np.stack([x, np.full_like(x, y), z], axis=-1), tile=(2.8 / 1.4, 2.1 / 1.4))
    return ((surface, Material(maps=plaster, roughness=0.85)),)


def vase(glaze: Maps, clay: Maps) -> Parts:
    """Return a tall bottle, its shoulder dipped into glaze, 0.21 m."""
    profile = [
        (0, 0.003), (0.036, 0.003), (0.038, 0), (0.046, 0), (0.050, 0.006), (0.062, 0.035),
        (0.071, 0.085), (0.064, 0.135), (0.036, 0.158), (0.023, 0.172), (0.021, 0.195),
        (0.027, 0.211), (0.029, 0.215), (0.025, 0.215), (0.018, 0.198), (0.016, 0.17), (0.012, 0.15),
    ]  # fmt: skip
    foot, body = parted(lathe(profile, 72), 0.345)
    return (foot, Material(maps=clay, roughness=0.9)), (body, Material(maps=glaze))


def teapot(glaze: Maps, clay: Maps, cane: Material) -> Parts:
    """Return a round teapot with its lid, spout to +x, and a wrapped handle over the top."""
    profile = [
        (0, 0.006), (0.038, 0.006), (0.040, 0), (0.050, 0), (0.053, 0.008), (0.074, 0.022),
        (0.089, 0.050), (0.086, 0.080), (0.066, 0.104), (0.044, 0.112), (0.041, 0.116),
        (0.038, 0.115), (0.037, 0.108),
    ]  # fmt: skip
    foot, body = parted(lathe(profile), 0.30)
    lugs = [_lug(side) for side in (1, -1)]
    glazed = joined(body, _lid(), *map(_plain, (*_spout(), *lugs)))
    return (
        (foot, Material(maps=clay, roughness=0.9)),
        (glazed, Material(maps=glaze)),
        (_bail(), cane),
    )


def _plain(surface: Surface) -> Surface:
    """Paint a handle or a spout with a part of the glaze that has no rim in it."""
    uvs = np.array(surface.uvs) * (0.3, 0.12) + (0.1, 0.72)
    return replace(surface, uvs=uvs)


def _lid() -> Surface:
    profile = [
        (0.036, 0.110), (0.040, 0.1155), (0.0425, 0.117), (0.041, 0.1205), (0.028, 0.127),
        (0.012, 0.130), (0.0065, 0.132), (0.0065, 0.136), (0.012, 0.140), (0.0125, 0.146),
        (0.008, 0.150), (0, 0.1505),
    ]  # fmt: skip
    return lathe(profile, 48)


def _spout() -> tuple[Surface, Surface]:
    path = curve([(0.070, 0, 0.046), (0.105, 0, 0.050), (0.116, 0, 0.085), (0.142, 0, 0.112)], 28)
    radii = np.interp(np.linspace(0, 1, 28), [0, 0.3, 0.75, 1], [0.026, 0.018, 0.0115, 0.0105])
    # the lip rolls inwards
    radii[-3:] = radii[-3:] - np.array([0.0002, 0.0008, 0.0022])
    inside = np.interp(np.linspace(0, 1, 8), [0, 1], [0.004, radii[-1]])
    outer = tube(path, np.stack([radii, radii], axis=-1), sides=28)
    return outer, tube(path[-8:], np.stack([inside, inside], axis=-1), sides=28)


def _lug(side: int) -> Surface:
    path = curve(
        [
            (0.058 * side, 0, 0.104),
            (0.060 * side, 0, 0.126),
            (0.070 * side, 0, 0.128),
            (0.076 * side, 0, 0.092),
        ],
        20,
    )
    return tube(path, (0.0042, 0.006), sides=16)


def _bail() -> Surface:
    path = curve(
        [
            (-0.064, 0, 0.117),
            (-0.082, 0, 0.185),
            (-0.05, 0, 0.222),
            (0.05, 0, 0.222),
            (0.082, 0, 0.185),
            (0.064, 0, 0.117),
        ],
        160,
    )
    # wound with cane: a gentle bead for each turn
    bead = 0.0044 + 0.0005 * np.abs(np.sin(np.linspace(0, 34 * np.pi, 160)))
    return tube(path, np.stack([bead, bead * 1.15], axis=-1), sides=14, tile=(1, 8))


def cup(glaze: Maps, clay: Maps, drink: Material) -> Parts:
    """Return a cup with a handle to +x, 0.072 m tall, and what is in it."""
    profile = [
        (0, 0.004), (0.020, 0.004), (0.021, 0), (0.027, 0), (0.029, 0.005), (0.038, 0.016),
        (0.0425, 0.038), (0.0425, 0.066), (0.0428, 0.0715), (0.0412, 0.0725), (0.0398, 0.070),
        (0.0395, 0.040), (0.035, 0.018), (0.022, 0.010), (0, 0.009),
    ]  # fmt: skip
    foot, body = parted(lathe(profile), 0.235)
    path = curve(
        [
            (0.041, 0, 0.060),
            (0.060, 0, 0.066),
            (0.075, 0, 0.048),
            (0.066, 0, 0.026),
            (0.0395, 0, 0.023),
        ],
        36,
    )
    thick = np.interp(np.linspace(0, 1, 36), [0, 0.15, 0.85, 1], [1.5, 1, 1, 1.5])[:, None]
    handle = tube(path, thick * (0.0036, 0.0052), sides=18)
    surface = lathe([(0, 0.058), (0.0385, 0.058), (0.0403, 0.0588)], 64, rows=6)
    return (
        (foot, Material(maps=clay, roughness=0.9)),
        (joined(body, _plain(handle)), Material(maps=glaze)),
        (surface, drink),
    )


def saucer(glaze: Maps) -> Parts:
    """Return a saucer, 0.15 m across; a cup stands on it at z = 0.006."""
    profile = [
        (0, 0.003), (0.038, 0.003), (0.040, 0), (0.045, 0), (0.048, 0.004), (0.068, 0.012),
        (0.0745, 0.0165), (0.0755, 0.0185), (0.0735, 0.0190), (0.064, 0.0145), (0.046, 0.0075),
        (0.036, 0.006), (0, 0.006),
    ]  # fmt: skip
    return ((lathe(profile, 80), Material(maps=glaze)),)


def bowl(glaze: Maps, clay: Maps) -> Parts:
    """Return a wide footed bowl, 0.25 m across; inside, a sphere of 0.135 m about z = 0.15."""
    angle = np.radians(np.linspace(68, 0, 14))
    inner = np.stack([0.135 * np.sin(angle), 0.15 - 0.135 * np.cos(angle)], axis=-1)
    outer = [
        (0, 0.004), (0.036, 0.004), (0.038, 0), (0.047, 0), (0.047, 0.010), (0.055, 0.0145),
        (0.088, 0.032), (0.116, 0.066), (0.1285, 0.097), (0.1288, 0.1005), (0.1268, 0.1010),
    ]  # fmt: skip
    foot, body = parted(lathe([*outer, *inner], 96, rows=72), 0.155)
    return (foot, Material(maps=clay, roughness=0.9)), (body, Material(maps=glaze))


def candlestick(brass: Material, wax: Material) -> Parts:
    """Return a turned brass candlestick with a taper, 0.33 m; the candle has no normals."""
    profile = [
        (0, 0.002), (0.044, 0.002), (0.046, 0), (0.0475, 0.003), (0.046, 0.007), (0.030, 0.012),
        (0.012, 0.018), (0.0075, 0.030), (0.0075, 0.040), (0.013, 0.046), (0.013, 0.052),
        (0.0070, 0.058), (0.0060, 0.085), (0.0075, 0.112), (0.013, 0.120), (0.0125, 0.126),
        (0.020, 0.132), (0.0265, 0.136), (0.0265, 0.139), (0.0155, 0.139), (0.0140, 0.152),
        (0.0155, 0.160), (0.0140, 0.162), (0.0108, 0.160), (0.0104, 0.145), (0, 0.145),
    ]  # fmt: skip
    wick = tube(curve([(0, 0, 0.308), (0, 0, 0.316), (0.002, 0, 0.321)], 10), (0.0008, 0.0008), sides=8)
    return (
        (lathe(profile, 64), brass),
        (cylinder(0.0102, 0.165).moved(pose(0, 0, 0.145)), wax),
        (wick, Material((0.02, 0.017, 0.015))),
    )


def tumbler(glass: Material, water: Material) -> Parts:
    """Return a drinking glass, 0.095 m tall, with water to about two thirds."""
    profile = [
        (0, 0.002), (0.024, 0.0015), (0.0285, 0), (0.030, 0.004), (0.0335, 0.050), (0.0365, 0.0935),
        (0.0362, 0.0955), (0.0348, 0.0955), (0.0344, 0.093), (0.0318, 0.050), (0.0285, 0.014),
        (0.026, 0.0115), (0, 0.0115),
    ]  # fmt: skip
    # the water overlaps the wall by a hair: no film of air between the two
    filling = [
        (0, 0.0113),
        (0.0262, 0.0113),
        (0.0289, 0.014),
        (0.0330, 0.062),
        (0.0322, 0.0612),
        (0, 0.061),
    ]
    return (lathe(profile, 72), glass), (lathe(filling, 72, rows=32), water)


def book(size: tuple[float, float, float], cloth: Maps, pages: Maps) -> Parts:
    """Return a book that lies on its back, its spine to -y; the block of pages has no normals.

    Parameters
    ----------
    size : (3,), along the spine, across the cover, thickness; metres
    """
    length, width, height = size
    board = 0.003
    covers = [
        rounded_box((length, width, board), 0.0011, tile=0.12).moved(pose(0, 0, z))
        for z in (board / 2, height - board / 2)
    ]
    block = box((length - 0.008, width - 0.008, height - 2 * board + 1e-4))
    return (
        (joined(*covers, _spine(length, width, height)), Material(maps=cloth, roughness=0.75)),
        (block.moved(pose(0, -0.001, height / 2)), Material(maps=pages, roughness=0.9)),
    )


def _spine(length: float, width: float, height: float) -> Surface:
    """Return a spine that is rounded towards the reader, with a groove along either board."""
    z = np.linspace(0, 1, 17)
    bulge = 0.0055 * np.sin(np.pi * z) ** 0.6 - 0.001
    section = np.stack([-width / 2 - bulge, 0.0004 + z * (height - 0.0008)], axis=-1)
    x = np.linspace(length / 2, -length / 2, 3)
    points = np.empty((len(z), 3, 3))
    points[..., 0], points[..., 1:] = x, section[:, None]
    return grid(points[:, ::-1], tile=(length / 0.12, height / 0.12))


def cloth(linen: Maps, edge: float, size: tuple[float, float], yaw: float, at: tuple[float, float]) -> Parts:
    """Return a linen cloth that lies on the table and hangs over its edge, y = `edge`.

    Parameters
    ----------
    at : (2,), where its middle would lie on a table without an edge, metres
    size : (2,), across and along, metres
    yaw : turn of the cloth on the table, degrees
    """
    a, b = np.meshgrid(np.linspace(-0.5, 0.5, 96) * size[0], np.linspace(-0.5, 0.5, 130) * size[1])
    flat = np.stack([a, b, 0 * a], axis=-1)
    laid = transform(pose(*at, yaw=yaw), flat)
    height = _folds(a / size[0], b / size[1])
    points = _over_edge(laid[..., 0] - 0.7 * height, laid[..., 1], height, edge)
    return ((grid(points), Material(maps=linen, roughness=0.92)),)


def _folds(a: Floats, b: Floats) -> Floats:
    """Return the lift, metres, of a cloth over what lies below, by place in -1/2..1/2."""
    lift = 0.0022 + 0.0006 * np.sin(9 * a + 4 * b) * np.cos(5 * b - 3 * a)
    for centre, lean, height, width, start in (
        (-0.33, 0.06, 0.013, 0.034, 0.30),
        (-0.10, 0.20, 0.010, 0.038, -0.02),
        (0.13, -0.06, 0.014, 0.036, 0.16),
        (0.33, -0.12, 0.008, 0.034, -0.08),
    ):
        line = centre + lean * b + 0.02 * np.sin(6 * b + 20 * centre)
        fade = 1 / (1 + np.exp((b - start) * 14))
        lift = lift + height * fade / np.cosh((a - line) / width) ** 2
    # it lay folded in a drawer: the creases stay
    creases = (np.abs(a - 0.02), np.abs(b - 0.165), np.abs(b + 0.165))
    return lift + 0.0016 * sum(np.exp(-((crease / 0.016) ** 2)) for crease in creases)


def _over_edge(x: Floats, y: Floats, lift: Floats, edge: float) -> Floats:
    """Bend a sheet over a table's rounded edge; what is in front of it hangs down."""
    radius = 0.011
    beyond = np.maximum(edge + radius - y, 0)
    turn = np.minimum(beyond / radius, np.pi / 2)
    drop = np.maximum(beyond - radius * np.pi / 2, 0)
    flat_y = np.maximum(y, edge + radius)
    reach = radius + lift
    bent_y = flat_y - reach * np.sin(turn)
    return np.stack([x, bent_y, reach * np.cos(turn) - radius - drop], axis=-1)


def parted(surface: Surface, cut: float) -> tuple[Surface, Surface]:
    """Split a surface at v = `cut`; the parts share their vertices, so no edge shows."""
    if surface.uvs is None:
        raise ValueError("a surface is parted by its uvs, and this one has none")
    below = surface.uvs[surface.triangles, 1].min(axis=1) < cut - 1e-6
    return (
        replace(surface, triangles=surface.triangles[below]),
        replace(surface, triangles=surface.triangles[~below]),
    )


def brushed_brass(rng: np.random.Generator) -> Material:
    """Return old brass: polished once, uneven now."""
    tarnish = textures.noise(rng, (256, 256), 60)
    colour = textures.blend((0.83, 0.66, 0.36), (0.60, 0.43, 0.21), 0.35 + 0.25 * tarnish)
    return Material(metallic=1.0, roughness=0.27, maps=Maps(colour))
