"""HDF5 as BlenderProc writes it: one file for each frame."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import DatasetError
from ....extras import brought_by
from ..report import Report
from ..seen import SeenObject, SeenScene, SeenView
from .files import json_fault
from .layout import Layout

__all__ = ["LAYOUT"]

_SUFFIXES = (".hdf5", ".h5")
_NOTHING_M = 1e9  # where there is no surface, Blender's depth is 1e10
_NORMAL_STEP = 0.002
_PICTURES = ("colors", "depth", "distance", "normals", "instance_segmaps", "category_id_segmaps", "segmap")


def _files(path: Path) -> list[Path]:
    found = [each for pattern in ("*", "*/*", "*/*/*") for each in path.glob(pattern)]
    return sorted((each for each in found if each.suffix in _SUFFIXES), key=_in_order)


def _in_order(path: Path) -> tuple[str, int, str]:
    return str(path.parent), int(path.stem) if path.stem.isdecimal() else -1, path.name


class _Reading:
    def __init__(self, path: Path, report: Report) -> None:
        try:
            import h5py
        except ModuleNotFoundError as error:
            raise DatasetError(
                f"{path}: reading HDF5 needs the package {error.name}; {brought_by('dataset')}"
            ) from error
        self._h5py = h5py
        self._path, self._report = path, report
        self._files = _files(path)
        self._names: frozenset[str] | None = None

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[SeenScene]:
        for folder in sorted({path.parent for path in self._files}):
            self._check_gaps([path for path in self._files if path.parent == folder])
        for path in self._files:
            where = path.relative_to(self._path).as_posix()
            arrays = self._read(path, where)
            if arrays is not None:
                eyes = 2 if arrays["colors"].ndim == 4 else 1
                views = [
                    self._view(f"{where}, eye {eye}" if eyes > 1 else where, _of_eye(arrays, eye, eyes))
                    for eye in range(eyes)
                ]
                yield SeenScene(where, views)

    def _check_gaps(self, paths: list[Path]) -> None:
        numbers = sorted(int(path.stem) for path in paths if path.stem.isdecimal())
        for one, other in pairwise(numbers):
            where = paths[0].parent.relative_to(self._path).as_posix()
            detail = f"there are no files between the numbers {one} and {other}"
            self._report.check("items.gaps", f"{where}, after {one}", other != one + 1, detail)

    def _read(self, path: Path, where: str) -> dict[str, Any] | None:
        try:
            with self._h5py.File(path, "r") as file:
                arrays = {
                    str(name): np.asarray(each[()]) for name, each in file.items() if hasattr(each, "dtype")
                }
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            self._report.check("files.decode", where, True, str(error))
            return None
        self._report.check("files.decode", where, False)
        names = frozenset(arrays)
        if self._names is None:
            self._names = names
        missing = sorted({"colors", *self._names} - names)
        if not self._report.check(
            "files.readable", where, bool(missing), f"the file lacks {', '.join(missing)}"
        ):
            return None if "colors" in missing else arrays
        return arrays

    def _view(self, where: str, arrays: Mapping[str, Any]) -> SeenView:
        colors = arrays["colors"]
        height, width = colors.shape[:2]
        right = {}
        for name in _PICTURES:
            array = arrays.get(name)
            if array is None:
                continue
            if array.ndim == 3 and array.shape[2] == 1:
                array = array[..., 0]
            is_other = array.shape[:2] != (height, width)
            detail = f"{name} has the shape {array.shape}, colors has {colors.shape}"
            if self._report.check("files.shape", f"{where}, {name}", is_other, detail):
                right[name] = array
        instance = right.get("instance_segmaps")
        depth = right.get("depth")
        if depth is not None:
            depth = np.where(depth >= _NOTHING_M, np.inf, depth)
        objects = self._objects(where, arrays, instance)
        normal = self._normal(where, right.get("normals"), instance)
        self._check_categories(where, arrays, right.get("category_id_segmaps"), instance)
        return SeenView(
            where,
            (width, height),
            objects,
            depth=depth,
            instance=instance,
            normal=normal,
            normal_step=_NORMAL_STEP,
            colour=hashlib.blake2b(np.ascontiguousarray(colors), digest_size=16).digest(),
        )

    def _normal(
        self, where: str, normals: NDArray[Any] | None, instance: NDArray[Any] | None
    ) -> NDArray[Any] | None:
        if normals is None:
            return None
        lowest, highest = float(np.min(normals)), float(np.max(normals))
        beyond = max(0.0, -lowest, highest - 1) if np.isfinite([lowest, highest]).all() else np.nan
        is_wrong = not beyond <= 1e-3
        detail = f"values are {lowest:g} to {highest:g}; they must be stored as (n + 1) / 2, so 0 to 1"
        self._report.check("annotations.fields", f"{where}, normals", is_wrong, detail)
        found = 2 * normals.astype(np.float32) - 1 if not is_wrong else normals.astype(np.float32)
        is_empty = np.abs(found).max(-1) < 0.01  # where there is no surface, Blender's normal is (0, 0, 0)
        return np.where(is_empty[..., None], np.nan, found) if instance is None else found

    def _objects(
        self, where: str, arrays: Mapping[str, Any], instance: NDArray[Any] | None
    ) -> list[SeenObject]:
        rows = self._rows(where, arrays)
        if rows is None or instance is None:
            return []
        numbers = [row.get("idx") for row in rows]
        is_twice = len(set(map(repr, numbers))) < len(numbers)
        self._report.check("ids.unique", f"{where}, instance_attribute_maps", is_twice, f"idx are {numbers}")
        for number in np.unique(instance[instance != 0]).tolist():  # 0 is the background
            detail = f"instance_attribute_maps lacks it; it has {numbers}"
            self._report.check("ids.references", f"{where}, instance {number}", number not in numbers, detail)
        return [
            SeenObject(int(row["idx"]), f"instance {row['idx']}", has_boxes=False)
            for row in rows
            if isinstance(row.get("idx"), int) and row["idx"]
        ]

    def _rows(self, where: str, arrays: Mapping[str, Any]) -> list[dict[str, Any]] | None:
        stored = arrays.get("instance_attribute_maps")
        if stored is None:
            return None
        place = f"{where}, instance_attribute_maps"
        try:
            rows = json.loads(stored.item() if stored.ndim == 0 else stored.tobytes())
        except (ValueError, TypeError, RecursionError) as error:
            self._report.check("files.readable", place, True, json_fault(error))
            return None
        is_list = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
        is_right = self._report.check("files.readable", place, not is_list, "it must be a list of objects")
        return rows if is_right else None

    def _check_categories(
        self, where: str, arrays: Mapping[str, Any], kinds: NDArray[Any] | None, instance: NDArray[Any] | None
    ) -> None:
        """Report whether the category of each pixel is that of its object."""
        rows = self._rows(where, arrays) if kinds is not None and instance is not None else None
        if rows is None or kinds is None or instance is None or kinds.shape != instance.shape:
            return
        for row in rows:
            number, kind = row.get("idx"), row.get("category_id")
            if isinstance(number, int) and isinstance(kind, int):
                off = int(np.count_nonzero(kinds[instance == number] != kind))
                detail = (
                    f"category_id_segmaps has another category than {kind} at {off} of the object's pixels"
                )
                self._report.check("ids.objects", f"{where}, instance {number}", off > 0, detail)


def _of_eye(arrays: Mapping[str, Any], eye: int, eyes: int) -> dict[str, Any]:
    """Return the arrays of one eye; a file without stereo images has one eye."""
    if eyes == 1:
        return dict(arrays)
    return {name: array[eye] if name in _PICTURES else array for name, array in arrays.items()}


LAYOUT = Layout("HDF5 of BlenderProc", lambda path: bool(_files(path)), _Reading)
