"""Things that grow: citrus, pears, a branch of olive. Parts about the origin, in metres."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .document import Material
from .shapes import Floats, Surface, curve, grid, joined, lathe, revolve, tube, unit
from .textures import Maps
from .wares import Parts


def orange(peel: Maps, stalk: Material, radius: float) -> Parts:
    """Return an orange about its middle, a little flat, with its green button on top."""
    lat = np.linspace(-np.pi / 2, np.pi / 2, 40)
    flat = (
        0.965
        - 0.045 * np.exp(-(((lat - np.pi / 2) / 0.2) ** 2))
        - 0.02 * np.exp(-(((lat + np.pi / 2) / 0.15) ** 2))
    )
    profile = radius * np.stack([np.cos(lat), np.sin(lat) * flat], axis=-1)
    body = grid(revolve(profile, 64), wrap=True)
    top = 0.92 * radius
    button = lathe(
        [
            (0.0042, top - 0.001),
            (0.004, top + 0.001),
            (0.0022, top + 0.0016),
            (0.002, top + 0.003),
            (0, top + 0.0032),
        ],
        20,
    )
    return (body, Material(maps=peel, bump=0.8)), (button, stalk)


def lemon(peel: Maps, radius: float) -> Parts:
    """Return a lemon about its middle, tips along z."""
    profile = radius * np.array(
        [(0, -1.48), (0.10, -1.475), (0.17, -1.42), (0.26, -1.28), (0.62, -1.06), (0.93, -0.55), (1.04, 0.05),
         (0.93, 0.62), (0.60, 1.06), (0.30, 1.24), (0.22, 1.38), (0.16, 1.47), (0, 1.49)]
    )  # fmt: skip
    return ((lathe(profile, 56), Material(maps=peel, bump=0.8)),)


def half_citrus(peel: Maps, face: Maps, radius: float) -> Parts:
    """Return half a fruit that lies on its round side, its cut face up at z = 0."""
    lat = np.linspace(-np.pi / 2, 0, 24)
    profile = radius * np.stack([np.cos(lat), np.sin(lat) * 0.96], axis=-1)
    rim = radius * np.array([(1.0, 0.012), (0.985, 0.02)])
    skin = grid(revolve(np.concatenate([profile, rim]), 72), wrap=True, tile=(1, 0.5))
    disc = grid(
        revolve(
            [(0.986 * radius, 0.02 * radius), (0.5 * radius, 0.016 * radius), (0, 0.012 * radius)],
            72,
        ),
        wrap=True,
    )
    disc = replace(disc, uvs=disc.positions[:, :2] / (2 * radius) + 0.5)
    return (skin, Material(maps=peel, bump=0.8)), (disc, Material(maps=face, roughness=1.0))


def pear(skin: Maps, stalk: Material, lean: float) -> Parts:
    """Return a pear that stands on z = 0; its neck leans to +x by `lean` metres."""
    profile = [
        (0, 0.007), (0.006, 0.005), (0.011, 0.0005), (0.024, 0.001), (0.036, 0.014), (0.0375, 0.036),
        (0.030, 0.056), (0.020, 0.070), (0.0175, 0.086), (0.014, 0.097), (0.006, 0.101), (0.002, 0.098),
        (0, 0.0975),
    ]  # fmt: skip
    body = lathe(profile, 56)
    path = curve([(0, 0, 0.096), (0.001, 0, 0.108), (0.005, 0, 0.114), (0.010, 0.002, 0.121)], 16)
    radii = np.interp(np.linspace(0, 1, 16), [0, 0.2, 0.85, 1], [0.0022, 0.0014, 0.0016, 0.0024])
    stem = tube(path, np.stack([radii, radii], axis=-1), sides=12)
    return (_leaning(body, lean), Material(maps=skin)), (_leaning(stem, lean), stalk)


def _leaning(surface: Surface, lean: float) -> Surface:
    """Shear by the square of the height: small enough that the normals may stay."""
    shift = lean * np.maximum(surface.positions[:, 2] / 0.1, 0) ** 2
    return replace(surface, positions=surface.positions + shift[:, None] * np.array([1.0, 0.25, 0]))


def branches(
    rng: np.random.Generator,
    lines: list[list[tuple[float, float, float]]],
    leaf: Maps,
    bark: Material,
) -> Parts:
    """Return twigs of olive along control polygons (metres), thick end first, and their leaves."""
    twigs, leaves = [], []
    for line in lines:
        path = curve(line, 48)
        radii = np.linspace(0.0021, 0.0006, len(path))
        twigs.append(tube(path, np.stack([radii, radii], axis=-1), across=(0.3, 1, 0.1), sides=10))
        leaves.append(_leaves(rng, path))
    return (joined(*twigs), bark), (joined(*leaves), Material(maps=leaf, roughness=0.52))


def _leaves(rng: np.random.Generator, path: Floats, spacing: float = 0.0115) -> Surface:
    """Leaves in opposite pairs along the outer part of a twig, one at its tip."""
    forward = unit(np.gradient(path, axis=0))
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    count = int(0.72 * length / spacing)
    at = np.repeat(np.linspace(0.30, 0.985, count), 2)
    index = (at * (len(path) - 1)).astype(int)
    sign = np.tile([1.0, -1.0], count)
    turn = np.repeat(np.arange(count) * np.radians(82), 2) + rng.normal(0, 0.25, 2 * count)
    sideways = unit(np.cross(forward[index], (0.2, 1.0, 0.1)))
    other = np.cross(forward[index], sideways)
    out = sign[:, None] * (np.cos(turn)[:, None] * sideways + np.sin(turn)[:, None] * other)
    towards = unit(0.85 * forward[index] + out * rng.uniform(0.7, 1.1, (len(at), 1)))
    size = rng.uniform(0.040, 0.058, len(at)) * (1.12 - 0.5 * at**3)
    return _blades(rng, path[index], towards, forward[index], size)


def _blades(rng: np.random.Generator, roots: Floats, along: Floats, stem: Floats, size: Floats) -> Surface:
    """Return one leaf for each root; all (n, 3), and (n,) lengths in metres."""
    across = unit(np.cross(along, stem) + rng.normal(0, 0.15, roots.shape))
    poses = np.tile(np.eye(4), (len(roots), 1, 1))
    frames = np.stack([across, along, unit(np.cross(across, along))], axis=-1)
    poses[:, :3, :3], poses[:, :3, 3] = frames * size[:, None, None], roots
    kinds = [_blade(n) for n in range(4)]
    drawn = rng.integers(0, 4, len(roots))
    return joined(*(kinds[n].moved(where) for n, where in zip(drawn, poses, strict=True)))


def _blade(kind: int) -> Surface:
    """Return a narrow leaf of length 1 along y; `kind`, 0..3, is its place in the texture."""
    t, s = np.meshgrid(np.linspace(0, 1, 11), np.linspace(-1, 1, 5), indexing="ij")
    width = 0.135 * np.sin(np.pi * np.clip(t, 0.02, 0.995) ** 0.85) ** 0.8
    points = np.stack([s * width, t, 0.45 * np.abs(s) * width - 0.16 * t**2], axis=-1)
    uvs = np.stack([(kind + 0.5 + 0.47 * s) / 4, t], axis=-1)
    return replace(grid(points), uvs=uvs.reshape(-1, 2))


def settled(rng: np.random.Generator, radii: Floats, hollow: float, centre: Floats) -> Floats:
    """Let balls come to rest in a round bowl, by pushing apart what overlaps.

    Parameters
    ----------
    radii : (n,), metres
    hollow, centre : radius and (3,) centre of the sphere that is the bowl's inside

    Returns
    -------
    (n, 3) float64, the balls' centres
    """
    count = len(radii)
    at = np.stack([*rng.uniform(-0.05, 0.05, (2, count)), np.linspace(0.03, 0.22, count)], axis=-1)
    touch = radii[:, None] + radii
    for turn in range(520):
        at[:, 2] -= 0.001 * max(0.0, 1 - turn / 420)
        for _ in range(3):
            apart = at[:, None] - at[None, :]
            distance = np.linalg.norm(apart, axis=-1) + 10 * np.eye(count)
            push = 0.5 * np.maximum(touch - distance, 0) / distance
            at += (push[..., None] * apart).sum(axis=1)
            out = at - centre
            reach = np.linalg.norm(out, axis=-1)
            inside = centre + out * np.minimum(1, (hollow - radii) / reach)[:, None]
            at = np.where((at[:, 2] < centre[2])[:, None], inside, at)
    return at
