"""Divides a mesh into convex pieces, which replace it in a simulation."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

import coacd
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from ...errors import SceneError
from ...recent import Recent

__all__ = ["CACHE_VARIABLE", "cache_folder", "convex_pieces", "is_closed", "weld"]

CACHE_VARIABLE = "GLTF_RENDER_CACHE"
"""Environment variable with the folder in which pieces are kept."""

_OPTIONS = {
    "threshold": 0.04,
    "max_convex_hull": 64,
    "mcts_iterations": 20,
    "mcts_nodes": 8,
    "mcts_max_depth": 2,
    "resolution": 500,
    "seed": 0,
}
_MADE_BY = f"1 coacd {version('coacd')} {sorted(_OPTIONS.items())}"
_MOST_TRIANGLES = 20_000  # of a mesh that is divided as it is; a larger mesh is simplified first
_FLAT = 1e-4  # of the longest side
_CONVEX = 1e-5  # likewise
_SAME = 1e-6  # likewise: points that are closer than this are joined
_CHUNK = 2**22
_MEMORY_BYTES = 64 * 2**20

Points = NDArray[np.float64]
Corners = NDArray[np.float64]

_recent: Recent[tuple[Points, ...]] = Recent(_MEMORY_BYTES)
_lock = Lock()


def convex_pieces(corners: Corners) -> tuple[Points, ...]:
    """Return the corners of convex pieces that together approximate a mesh.

    A convex mesh is its only piece. CoACD (Wei et al., SIGGRAPH 2022) divides any other mesh. This takes
    seconds, so the pieces are kept in memory, and on disk in `cache_folder`. They depend only on the mesh.

    Parameters
    ----------
    corners : (n, 3, 3) float64
        Corners of the triangles.

    Returns
    -------
    tuple of (m, 3) float64
        Points of each piece, which is their convex hull, in the units of the mesh.

    Raises
    ------
    SceneError
        The mesh is flat, or cannot be divided.
    """
    low, high = corners.min((0, 1)), corners.max((0, 1))
    size, middle = float((high - low).max()), (low + high) / 2
    unit = (corners - middle) / max(size, 1e-300)
    if size <= 0 or _thinnest(unit) < _FLAT:
        raise SceneError("the mesh is flat, but a falling object must have a volume")
    with _lock:
        found = _recent.get(
            _key(unit), lambda: _cut(unit), lambda pieces: sum(each.nbytes for each in pieces)
        )
    return tuple(piece * size + middle for piece in found)


def cache_folder() -> Path:
    """Return the folder of pieces: ``$GLTF_RENDER_CACHE``, or one in the user's cache folder."""
    if folder := os.environ.get(CACHE_VARIABLE):
        return Path(folder)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "gltf-render-server"


def weld(corners: Corners) -> tuple[Points, NDArray[np.intp]]:
    """Join corners at the same place, and leave out triangles that have no area then.

    Returns
    -------
    points : (m, 3) float64
    triangles : (k, 3) int
    """
    points = corners.reshape(-1, 3)
    size = float(np.ptp(points, axis=0).max())
    cells = np.round((points - points.min(0)) / (size * _SAME)).astype(np.int64)
    _, first, number = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    triangles = number.reshape(-1, 3)
    a, b, c = triangles.T
    return points[first], triangles[(a != b) & (b != c) & (c != a)]


def is_closed(triangles: NDArray[np.intp]) -> bool:
    """Whether each edge has exactly one triangle on each side."""
    edges = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    count = int(triangles.max(initial=0)) + 1
    forth = np.sort(edges[:, 0] * count + edges[:, 1])
    back = np.sort(edges[:, 1] * count + edges[:, 0])
    return bool(len(forth)) and bool((np.diff(forth) > 0).all()) and bool((forth == back).all())


def _thinnest(corners: Corners) -> float:
    """Return the extent of points in the direction in which they have the smallest extent."""
    points = corners.reshape(-1, 3)
    _, axes = np.linalg.eigh(np.cov(points.T))
    return float(np.ptp(points @ axes[:, 0]))


def _key(corners: Corners) -> str:
    digest = blake3(_MADE_BY.encode())
    digest.update(np.ascontiguousarray(np.round(corners, 7), "<f8").tobytes())
    return digest.hexdigest()


def _cut(corners: Corners) -> tuple[Points, ...]:
    points, triangles = weld(corners)
    if _is_convex(points, triangles):
        return (points,)
    path = cache_folder() / "pieces" / f"{_key(corners)}.npz"
    if (kept := _load(path)) is None:
        kept = _decompose(points, triangles)
        _save(path, kept)
    return kept


def _is_convex(points: Points, triangles: NDArray[np.intp]) -> bool:
    """Whether no point is in front of any triangle."""
    origin = points[triangles[:, 0]]
    normal = np.cross(points[triangles[:, 1]] - origin, points[triangles[:, 2]] - origin)
    length = np.linalg.norm(normal, axis=1)
    is_good = length > 1e-12
    normal, origin = normal[is_good] / length[is_good, None], origin[is_good]
    offset = np.einsum("ij,ij->i", normal, origin)
    step = max(1, _CHUNK // len(points))
    return all(
        (normal[start : start + step] @ points.T - offset[start : start + step, None]).max() < _CONVEX
        for start in range(0, len(normal), step)
    )


def _decompose(points: Points, triangles: NDArray[np.intp]) -> tuple[Points, ...]:
    coacd.set_log_level("error")
    mode = "on" if len(triangles) > _MOST_TRIANGLES else "auto"
    mesh: Any = coacd.Mesh(points, triangles)  # pyright: ignore[reportArgumentType]  # any integers
    pieces = coacd.run_coacd(mesh, preprocess_mode=mode, **_OPTIONS)
    found = tuple(
        points
        for vertices, _ in pieces
        if len(points := np.asarray(vertices, np.float64)) > 3 and _thinnest(points[:, None]) > _FLAT
    )
    if not found:
        raise SceneError("the mesh cannot be divided into convex pieces")
    return found


def _load(path: Path) -> tuple[Points, ...] | None:
    """Return the pieces in a file; None = the file does not exist or cannot be read."""
    try:
        with path.open("rb") as data, np.load(data) as file:
            return tuple(file[f"{number:04d}"] for number in range(len(file.files)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _save(path: Path, pieces: Sequence[Points]) -> None:
    """Write pieces to a file if possible; two processes may do so at the same time."""
    beside = path.with_name(f".{uuid4().hex}.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {f"{number:04d}": piece for number, piece in enumerate(pieces)}
        np.savez_compressed(beside, **arrays)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
