"""Procedural textures: arrays in, arrays out; nothing here knows of meshes.

A texture is (height, width, 3) float64 in 0..1, colours sRGB-encoded; row 0 lies at v = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Maps:
    """What a surface is made of.

    Attributes
    ----------
    colour : (height, width, 3), sRGB
    normal : (height, width, 3), tangent space as glTF has it (green up), or None
    roughness : (height, width), or None
    """

    colour: Floats
    normal: Floats | None = None
    roughness: Floats | None = None


def noise(
    rng: np.random.Generator,
    shape: Sequence[int],
    scale: float | Sequence[float],
    slope: float = 3.0,
) -> Floats:
    """Return tileable fractal noise of mean 0 and deviation 1.

    Parameters
    ----------
    shape : of the result; any number of axes
    scale : size of the largest features in cells, per axis or for all
    slope : how fast finer features fade; large = smooth
    """
    scales = np.broadcast_to(np.asarray(scale, float), (len(shape),))
    frequencies = [np.fft.fftfreq(n) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1])]
    squares = [(f * s * np.pi) ** 2 for f, s in zip(frequencies, scales, strict=True)]
    power = sum(np.meshgrid(*squares, indexing="ij", sparse=True))
    spectrum = np.fft.rfftn(rng.standard_normal(shape, dtype=np.float32))
    spectrum *= (1 + power) ** (-slope / 2)
    spectrum.flat[0] = 0
    result = np.fft.irfftn(spectrum, s=tuple(shape), axes=tuple(range(len(shape))))
    return np.asarray(result / result.std(), np.float64)


def blend(first: ArrayLike, second: ArrayLike, weight: Floats) -> Floats:
    """Return colours between `first` and `second`, (3,) or (h, w, 3), by `weight`, (h, w) in 0..1."""
    weight = np.clip(weight, 0, 1)[..., None]
    return np.asarray(first) * (1 - weight) + np.asarray(second) * weight


def step(low: float, high: float, values: Floats) -> Floats:
    """Return a smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def normal_map(height: Floats, strength: float, stretch: ArrayLike = 1.0) -> Floats:
    """Return the tangent space normals of a tileable height field.

    Parameters
    ----------
    height : (h, w)
    strength : slope of one unit of height per pixel
    stretch : (h, 1) or scalar, by how much a pixel is narrower than high
    """
    right = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) / 2 * strength * np.asarray(stretch)
    up = (np.roll(height, 1, 0) - np.roll(height, -1, 0)) / 2 * strength
    length = np.sqrt(right**2 + up**2 + 1)
    return np.stack([-right / length, -up / length, 1 / length], axis=-1) / 2 + 0.5


def wood(rng: np.random.Generator, planks: int = 6, size: int = 1024) -> Maps:
    """Return oak boards side by side, grain along u: 1.8 m x 0.8 m."""
    across = np.linspace(0, planks, size, endpoint=False)
    board = across.astype(int)
    s = (across - board - 0.5)[:, None] * 0.134
    t = np.linspace(0, 1.8, size)[None, :]
    rings = _growth_rings(rng, s, t, board, size)
    fibre = noise(rng, (size, size), (2, 80), 2.0)
    pores = step(1.2, 2.4, noise(rng, (size, size), (2.2, 36), 2.6)) * (0.35 + 0.65 * (1 - rings))
    tone = rng.normal(0, 0.17, planks)[board][:, None] + 0.10 * noise(rng, (size, size), (90, 400))
    gap = np.minimum(np.abs(s + 0.067), np.abs(s - 0.067)) / 0.0016
    groove = np.exp(-(gap**2)) + 0 * t
    colour = blend((0.68, 0.545, 0.405), (0.475, 0.345, 0.23), 0.46 * rings + 0.11 * fibre + 0.25 + tone)
    colour = blend(colour, (0.26, 0.165, 0.095), 0.5 * pores + 0.85 * groove)
    height = 0.10 * fibre - 0.5 * pores - 6 * groove + 0.15 * rings
    roughness = 0.44 + 0.05 * fibre + 0.18 * pores - 0.06 * rings + 0.3 * groove
    return Maps(colour, normal_map(height, 0.20), roughness)


def _growth_rings(
    rng: np.random.Generator, s: Floats, t: Floats, board: NDArray[np.int64], size: int
) -> Floats:
    """Cut boards out of trunks: the distance from a wandering pith, folded into years."""
    count = board.max() + 1
    pith = rng.uniform(-0.05, 0.05, count)[board][:, None]
    depth = rng.uniform(0.01, 0.04, count)[board][:, None]
    lean = rng.uniform(-0.07, 0.07, count)[board][:, None]
    warp = 0.006 * noise(rng, (size, size), (50, 260), 4)
    radius = np.hypot(s - pith + warp, depth + lean * (t - 0.9) + 0.7 * warp)
    year = radius / 0.010 + 0.10 * noise(rng, (size, size), (6, 120), 3)
    part = year - np.floor(year)
    return part**1.6 * (1 - step(0.86, 1.0, part))


def plaster(rng: np.random.Generator, colour: ArrayLike, size: int = 768) -> Maps:
    """Return limewashed plaster, tileable: clouds of tone, marks of the trowel."""
    clouds = noise(rng, (size, size), 320, 2.6)
    strokes = noise(rng, (size, size), (14, 70), 3) * step(-0.5, 1.5, noise(rng, (size, size), 200))
    grains = noise(rng, (size, size), 5, 3)
    tone = 1 + 0.045 * clouds + 0.018 * strokes + 0.008 * grains
    tint = 1 + 0.012 * clouds[..., None] * np.array([1, 0.2, -1])
    height = 0.8 * strokes + 0.28 * grains + 0.8 * clouds
    return Maps(np.asarray(colour) * tone[..., None] * tint, normal_map(height, 0.22))


def linen(rng: np.random.Generator, size: int = 768) -> Maps:
    """Return a woven cloth with slubs and a few dyed stripes along its short sides (v = 0, 1)."""
    weft = noise(rng, (size, size), (1.6, 240), 2.2)
    warp = noise(rng, (size, size), (240, 1.6), 2.2)
    thread = np.arange(size)
    weave = np.cos(thread * np.pi)[:, None] * np.cos(thread * np.pi)[None, :]
    cloud = noise(rng, (size, size), 120)
    tone = 1 + 0.016 * (weft + warp) + 0.010 * cloud
    colour = np.array([0.845, 0.835, 0.81]) * tone[..., None]
    edge = np.minimum(thread, size - 1 - thread) / size
    stripe = sum(_band(edge, at, width) for at, width in ((0.085, 0.016), (0.12, 0.005), (0.05, 0.005)))
    dyed = np.asarray(stripe)[:, None] * (0.82 + 0.10 * warp)
    colour = blend(colour, (0.29, 0.36, 0.43), dyed)
    return Maps(colour, normal_map(0.5 * (weft + warp) + 0.35 * weave, 0.22))


def _band(at: Floats, centre: float, half_width: float) -> Floats:
    return 1 - step(half_width * 0.9, half_width * 1.1, np.abs(at - centre))


def glaze(
    rng: np.random.Generator,
    thick: ArrayLike,
    thin: ArrayLike,
    *,
    breaks: Sequence[float] = (),
    speckle: float = 1.0,
    size: int = 512,
) -> Maps:
    """Return a reactive stoneware glaze.

    Parameters
    ----------
    thick, thin : (3,), colour where the glaze pools and where it runs off
    breaks : places along v (a rim, a shoulder) where it runs thin
    speckle : how many iron spots
    """
    v = np.linspace(0, 1, size)[:, None]
    drift = noise(rng, (size, size), (60, 30), 2.6)
    thinness = sum(np.exp(-(((v - b) / 0.012) ** 2) * (1 + 0.3 * drift)) for b in breaks) + 0 * drift
    colour = blend(thick, thin, 0.9 * thinness + 0.13 * drift + 0.12)
    spots = step(2.55, 3.1, noise(rng, (size, size), 3.2, 4))
    large = step(3.1, 3.3, noise(rng, (size, size), 6, 5))
    colour = blend(colour, (0.24, 0.17, 0.12), speckle * (0.65 * spots + 0.55 * large))
    height = 0.35 * drift + 0.06 * noise(rng, (size, size), 5, 4)
    return Maps(colour, normal_map(height, 0.10), 0.17 + 0.03 * drift + 0.18 * thinness + 0.1 * spots)


def clay(rng: np.random.Generator, colour: ArrayLike, size: int = 256) -> Maps:
    """Return bare fired clay with the turning marks of the wheel."""
    grog = noise(rng, (size, size), 3, 2)
    turning = noise(rng, (size, 1), 6, 2) + 0 * grog
    tone = 1 + 0.035 * grog + 0.03 * turning
    return Maps(np.asarray(colour) * tone[..., None], normal_map(0.4 * grog + turning, 0.25))


def paper_edges(rng: np.random.Generator, size: int = 512) -> Maps:
    """Return the cut edge of a block of pages: lines along u."""
    lines = noise(rng, (size, 1), 2.5, 1.0) + 0.25 * noise(rng, (size, size), (3, 120), 2)
    colour = np.array([0.83, 0.775, 0.66]) * (1 + 0.07 * np.clip(lines, -2.5, 1.5))[..., None]
    return Maps(colour, normal_map(lines, 0.2))


def book_cloth(rng: np.random.Generator, colour: ArrayLike, size: int = 512) -> Maps:
    """Return bookbinder's cloth: a fine weave, slightly worn."""
    weave = noise(rng, (size, size), (1.5, 14), 2) + noise(rng, (size, size), (14, 1.5), 2)
    worn = noise(rng, (size, size), 120)
    tone = 1 + 0.05 * weave + 0.035 * worn
    return Maps(np.asarray(colour) * tone[..., None], normal_map(weave, 0.25))


def leaf(rng: np.random.Generator, size: int = 512) -> Maps:
    """Return four leaves side by side, stalk at v = 0: midrib, veins, four greens."""
    u, v = np.meshgrid(np.linspace(0, 4, size, endpoint=False), np.linspace(0, 1, size))
    index = u.astype(int)
    side = np.abs(u - index - 0.5) * 2
    greens = np.array([(0.43, 0.48, 0.36), (0.49, 0.54, 0.42), (0.39, 0.45, 0.33), (0.55, 0.58, 0.46)])
    veins = np.cos((v * 22 - side * 5) * 2 * np.pi) * 0.5 + 0.5
    rib = np.exp(-((side / 0.09) ** 2))
    tone = 1 + 0.06 * noise(rng, (size, size), 50) - 0.05 * veins**6
    colour = blend(greens[index] * tone[..., None], (0.66, 0.66, 0.48), 0.8 * rib)
    return Maps(colour, normal_map(veins - 3 * rib, 0.25))
