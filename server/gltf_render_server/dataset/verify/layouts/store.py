"""Our own store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ....decode import decode
from ....frame import When
from ....passes import PASSES, InstanceRow, PointRow
from ...records import FileRecord, ItemRecord, Manifest, QuarantineRecord, ViewRecord
from ...store import MANIFEST, Store, digest_of
from ..models import Models
from ..report import Report
from ..seen import SeenMoment, SeenObject, SeenPoint, SeenScene, SeenView
from .documents import Documents
from .files import read_file, read_json, tell, tell_unnamed
from .layout import Layout

__all__ = ["LAYOUT"]

_ITEM = "item.json"
_UNREADABLE = (OSError, ValueError, SyntaxError, RuntimeError, EOFError, KeyError)
_WHENS: dict[str, When] = {"forward": "after", "backward": "before"}

Floats = NDArray[np.float64]


class _Reading:
    def __init__(self, path: Path, report: Report) -> None:
        self._path, self._report = path, report
        self._manifest: Manifest | None = read_json(report, path / MANIFEST, MANIFEST, Manifest)
        self._folders = sorted((path / "items").glob("*/*"))
        self._documents = Documents(path, report)

    def __len__(self) -> int:
        return len(self._folders)

    def __iter__(self) -> Iterator[SeenScene]:
        indices = set[int]()
        for folder in self._folders:
            where = folder.relative_to(self._path).as_posix()
            if not folder.name.isdecimal():
                tell(self._report, "files.unnamed", where, True, "an item that was not finished")
                continue
            indices.add(int(folder.name))
            record = read_json(self._report, folder / _ITEM, f"{where}/{_ITEM}", ItemRecord)
            if record is None:
                continue
            right = Store.folder(_At(self._path), record.index)  # type: ignore[arg-type]
            is_elsewhere = right != folder
            tell(self._report, "items.gaps", where, is_elsewhere, f"it says that it is item {record.index}")
            named = [_ITEM, *(each.file for view in record.views for each in view.files.values())]
            tell_unnamed(self._report, folder, self._path, named)
            yield self._scene(folder, where, record)
        self._check_gaps(indices)

    def _check_gaps(self, indices: set[int]) -> None:
        quarantined = set[int]()
        for path in sorted((self._path / "quarantine").glob("*.json")):
            where = f"quarantine/{path.name}"
            record = read_json(self._report, path, where, QuarantineRecord)
            if record is not None:
                quarantined.add(record.index)
                is_both = record.index in indices
                tell(self._report, "items.gaps", where, is_both, "the item is there, too")
        if self._manifest is None:
            return
        for index in range(self._manifest.items):
            is_missing = index not in indices | quarantined
            tell(self._report, "items.gaps", f"item {index}", is_missing, "is missing, and not in quarantine")
        for index in sorted((indices | quarantined) - set(range(self._manifest.items))):
            told = f"the dataset has {self._manifest.items} items"
            tell(self._report, "items.gaps", f"item {index}", True, told)

    def _scene(self, folder: Path, where: str, record: ItemRecord) -> SeenScene:
        numbers = [each.number for each in record.objects]
        in_order = numbers == list(range(1, len(numbers) + 1))
        tell(self._report, "ids.objects", where, not in_order, f"numbers of objects: {numbers}")
        names = [view.name for view in record.views]
        tell(self._report, "ids.unique", f"{where}, views", len(set(names)) < len(names), f"{names}")
        for when, moment in record.moments.items():
            is_whole = len(moment.objects) == len(numbers) and set(moment.cameras) >= set(names)
            detail = f"{len(moment.objects)} objects, cameras {', '.join(moment.cameras)}"
            tell(self._report, "ids.references", f"{where}, {when}", not is_whole, detail)
        models, bent = self._documents.of(record)
        views = [_View(self._report, folder, f"{where}, {view.name}", record, view) for view in record.views]
        same = [each.matrix for each in record.objects], record.document, record.time_s
        scene = digest_of(msgspec.json.encode(same)) if numbers else ""
        seen = [view.seen(models, bent) for view in views]
        return SeenScene(where, seen, record.sequence, record.split, scene)


class _At:
    """Where a store is, for what asks nothing else of it."""

    def __init__(self, path: Path) -> None:
        self.path = path


class _View:
    def __init__(
        self, report: Report, folder: Path, where: str, record: ItemRecord, view: ViewRecord
    ) -> None:
        self._report, self._folder, self._where = report, folder, where
        self._record, self._view = record, view
        self._arrays: dict[str, Any] = {}
        self._digests: dict[str, bytes] = {}
        for name, file in view.files.items():
            self._read(name, file)

    def seen(self, models: Models | None, bent: Mapping[int, bool]) -> SeenView:
        lens, arrays = self._view.lens, self._arrays
        return SeenView(
            self._where,
            (lens.width, lens.height),
            self._objects(bent),
            lens=lens,
            camera_to_world=_matrix(self._view.camera_to_world),
            depth=arrays.get("depth"),
            instance=arrays.get("instance"),
            normal=arrays.get("normal"),
            colour=self._digests.get("color", b""),
            flow=self._of_moments("flow"),
            visible=self._of_moments("visible"),
            moments=self._moments(),
            models=models,
        )

    def _of_moments(self, name: str) -> dict[When, Any]:
        return {
            when: self._arrays[f"{name}_{word}"]
            for word, when in _WHENS.items()
            if f"{name}_{word}" in self._arrays
        }

    def _moments(self) -> dict[When, SeenMoment]:
        found: dict[When, SeenMoment] = {}
        for when, moment in self._record.moments.items():
            camera = moment.cameras.get(self._view.name)
            if camera is not None:
                matrices = {number: _matrix(matrix) for number, matrix in enumerate(moment.objects, start=1)}
                found[when] = SeenMoment(_matrix(camera), matrices)
        return found

    def _read(self, name: str, file: FileRecord) -> None:
        where = f"{self._where}, {file.file}"
        data = read_file(self._report, self._folder / file.file, where)
        if data is None:
            return
        digest = digest_of(data)
        tell(self._report, "files.digest", where, digest != file.blake3, f"it is {digest}, not {file.blake3}")
        try:
            array = decode(data, file.dtype, file.count)
        except _UNREADABLE as error:
            tell(self._report, "files.decode", where, True, str(error))
            return
        tell(self._report, "files.decode", where, False)
        wrong = "" if file.dtype == "json" else _wrong_shape(name, array, file, self._record, self._view)
        if tell(self._report, "files.shape", where, bool(wrong), wrong):
            self._arrays[name] = array
            self._digests[name] = bytes.fromhex(digest)

    def _objects(self, bent: Mapping[int, bool]) -> list[SeenObject]:
        rows = self._rows()
        if rows is None:
            return [
                SeenObject(each.number, _named(each.number, each.name), boxes_told=False)
                for each in self._record.objects
            ]
        where, known = f"{self._where}, instances", {each.number: each for each in self._record.objects}
        numbers = [row.number for row in rows]
        is_other = numbers != list(known)
        tell(self._report, "ids.objects", where, is_other, f"{numbers}; the item has {list(known)}")
        masks = self._arrays.get("mask_amodal")
        found = []
        for row in rows:
            own = known.get(row.number)
            if own is not None:
                is_same = own.name == row.name and np.allclose(own.matrix, row.matrix, rtol=1e-9, atol=1e-12)
                place = f"{where}, {_named(row.number, row.name)}"
                tell(self._report, "ids.objects", place, not is_same, f"the item has {own}")
            index = row.number - 1
            amodal = masks[index] if masks is not None and 0 <= index < len(masks) else None
            found.append(_object(row, amodal, bent.get(row.number)))
        return found

    def _rows(self) -> list[InstanceRow] | None:
        table = self._arrays.get("instances")
        if table is None:
            return None
        where = f"{self._where}, instances"
        try:
            rows = msgspec.convert(table, list[InstanceRow])
        except msgspec.ValidationError as error:
            tell(self._report, "files.readable", where, True, str(error))
            return None
        is_cut = any(len(row.matrix) != 16 or len(row.object_to_camera) != 16 for row in rows)
        tell(self._report, "files.readable", where, is_cut, "matrices have 16 numbers")
        return None if is_cut else rows


def _wrong_shape(name: str, array: Any, file: FileRecord, record: ItemRecord, view: ViewRecord) -> str:
    """Say what is wrong with an array; empty = nothing."""
    told = f"{array.shape} {array.dtype}"
    if str(array.dtype) != file.dtype:
        return f"it is {told}; {file.dtype} is told"
    lens = view.lens
    if file.count is not None:
        is_canvas = array.ndim == 3 and array.shape[1] >= lens.height and array.shape[2] >= lens.width
        is_right = is_canvas and array.shape[0] == file.count == len(record.objects)
        return "" if is_right else f"it is {told}; {len(record.objects)} masks are to be there"
    if array.shape[:2] != (lens.height, lens.width):
        return f"it is {told}; the view has {lens.width} x {lens.height} pixels"
    channels = array.shape[2] if array.ndim == 3 else 1
    if name in PASSES and channels not in PASSES[name].channels:
        return f"it is {told}; {name} has {PASSES[name].channels} channels"
    return ""


def _object(row: InstanceRow, amodal: NDArray[np.bool_] | None, is_bent: bool | None) -> SeenObject:
    return SeenObject(
        row.number,
        _named(row.number, row.name),
        amodal=amodal,
        box=row.box,
        box_amodal=row.box_amodal,
        pixels=row.pixels,
        pixels_amodal=row.pixels_amodal,
        pixels_all=row.pixels_all,
        visible_fraction=row.visible_fraction,
        edge_distance=row.edge_distance,
        truncated=row.truncated,
        matrix=_matrix(row.matrix),
        to_camera=_matrix(row.object_to_camera),
        low=np.array(row.box_3d.low),
        high=np.array(row.box_3d.high),
        corners=row.box_3d.corners,
        center=_point(row.center),
        keypoints=[_point(point) for point in row.keypoints],
        is_bent=is_bent,
    )


def _point(row: PointRow) -> SeenPoint:
    return SeenPoint(row.name, row.position, row.depth, row.visibility)


def _named(number: int, name: str) -> str:
    return f"object {number} ({name})" if name else f"object {number}"


def _matrix(numbers: list[float]) -> Floats:
    """Read a matrix; one that has not 16 numbers is none, and nothing holds of it."""
    return np.array(numbers, float).reshape(4, 4) if len(numbers) == 16 else np.full((4, 4), np.nan)


LAYOUT = Layout("store", lambda path: (path / MANIFEST).is_file(), _Reading)
