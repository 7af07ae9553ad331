"""The layout of our own store."""

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
from .files import check_unnamed, convert_value, read_file, read_json
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
                self._report.check(
                    "files.unnamed",
                    where,
                    True,
                    "this folder is no finished item; run the dataset again, or delete the folder",
                )
                continue
            indices.add(int(folder.name))
            record = read_json(self._report, folder / _ITEM, f"{where}/{_ITEM}", ItemRecord)
            if record is None:
                continue
            right = Store.folder(_At(self._path), record.index)  # type: ignore[arg-type]
            is_elsewhere = right != folder
            self._report.check(
                "items.gaps",
                where,
                is_elsewhere,
                f"the item's record has the index {record.index}, which belongs to another folder",
            )
            named = [_ITEM, *(each.file for view in record.views for each in view.files.values())]
            check_unnamed(self._report, folder, self._path, named)
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
                self._report.check(
                    "items.gaps",
                    where,
                    is_both,
                    "the item is in quarantine, and exists in items/, too",
                )
        if self._manifest is None:
            return
        for index in range(self._manifest.items):
            is_missing = index not in indices | quarantined
            self._report.check(
                "items.gaps",
                f"item {index}",
                is_missing,
                "the item does not exist, and is not in quarantine",
            )
        for index in sorted((indices | quarantined) - set(range(self._manifest.items))):
            detail = f"the dataset has {self._manifest.items} items, numbered from 0"
            self._report.check("items.gaps", f"item {index}", True, detail)

    def _scene(self, folder: Path, where: str, record: ItemRecord) -> SeenScene:
        numbers = [each.number for each in record.objects]
        in_order = numbers == list(range(1, len(numbers) + 1))
        self._report.check(
            "ids.objects",
            where,
            not in_order,
            f"the object numbers are {numbers}; they must be 1, 2, 3 and so on",
        )
        names = [view.name for view in record.views]
        self._report.check(
            "ids.unique",
            f"{where}, views",
            len(set(names)) < len(names),
            f"the names of the views are {names}",
        )
        for when, moment in record.moments.items():
            is_whole = len(moment.objects) == len(numbers) and set(moment.cameras) >= set(names)
            detail = (
                f"this moment has {len(moment.objects)} objects and the cameras {', '.join(moment.cameras)}; "
                f"the item has {len(numbers)} objects and the views {', '.join(names)}"
            )
            self._report.check("ids.references", f"{where}, {when}", not is_whole, detail)
        models, bent = self._documents.of(record)
        views = [_View(self._report, folder, f"{where}, {view.name}", record, view) for view in record.views]
        self._check_names(where, record)
        same = [each.matrix for each in record.objects], record.document, record.time_s
        scene = digest_of(msgspec.json.encode(same)) if numbers else ""
        seen = [view.seen(models, bent, self._is_all_numbered) for view in views]
        return SeenScene(where, seen, record.sequence, record.split, scene)

    def _check_names(self, where: str, record: ItemRecord) -> None:
        """Check that the split and the cameras of an item are those of the specification, if it names any."""
        given = self._specification
        splits = ["train", *given["split"]] if "split" in given else [record.split]
        cameras = {each.get("name") for each in given.get("cameras") or ()}
        unknown = [view.camera for view in record.views if cameras and view.camera not in cameras]
        for is_wrong, detail in (
            (record.split not in splits, f"the split {record.split!r} is none of {', '.join(splits)}"),
            (unknown, f"the specification has no camera {', '.join(unknown)}"),
        ):
            self._report.check("ids.references", where, bool(is_wrong), detail)

    @property
    def _is_all_numbered(self) -> bool:
        """Whether no .blend file has surfaces without a number."""
        renderer = self._specification.get("renderer")
        return isinstance(renderer, dict) and renderer.get("blend_file") is None

    @property
    def _specification(self) -> dict[str, Any]:
        return self._manifest.specification if self._manifest else {}


class _At:
    """The path of a store, which is all that `Store.folder` asks for."""

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

    def seen(self, models: Models | None, bent: Mapping[int, bool], is_all_numbered: bool) -> SeenView:
        lens, arrays = self._view.lens, self._arrays
        return SeenView(
            self._where,
            (lens.width, lens.height),
            self._objects(bent),
            lens=lens,
            camera_to_world=_matrix(self._view.camera_to_world),
            depth=arrays.get("depth"),
            is_all_numbered=is_all_numbered,
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
        self._report.check(
            "files.digest",
            where,
            digest != file.blake3,
            f"the digest is {digest}, not {file.blake3}",
        )
        try:
            array = decode(data, file.dtype, file.count)
        except _UNREADABLE as error:
            self._report.check("files.decode", where, True, str(error))
            return
        self._report.check("files.decode", where, False)
        wrong = "" if file.dtype == "json" else _wrong_shape(name, array, file, self._record, self._view)
        if self._report.check("files.shape", where, bool(wrong), wrong):
            self._arrays[name] = array
            self._digests[name] = bytes.fromhex(digest)

    def _objects(self, bent: Mapping[int, bool]) -> list[SeenObject]:
        rows = self._rows()
        if rows is None:
            return [
                SeenObject(each.number, _named(each.number, each.name), has_boxes=False)
                for each in self._record.objects
            ]
        where, known = f"{self._where}, instances", {each.number: each for each in self._record.objects}
        numbers = [row.number for row in rows]
        is_other = numbers != list(known)
        self._report.check(
            "ids.objects",
            where,
            is_other,
            f"the table has the objects {numbers}, the item has {list(known)}",
        )
        masks = self._arrays.get("mask_amodal")
        found = []
        for row in rows:
            own = known.get(row.number)
            if own is not None:
                is_same = own.name == row.name and np.allclose(own.matrix, row.matrix, rtol=1e-9, atol=1e-12)
                place = f"{where}, {_named(row.number, row.name)}"
                self._report.check(
                    "ids.objects",
                    place,
                    not is_same,
                    "the name or the matrix differs from that in item.json",
                )
            index = row.number - 1
            amodal = masks[index] if masks is not None and 0 <= index < len(masks) else None
            found.append(_object(row, amodal, bent.get(row.number)))
        return found

    def _rows(self) -> list[InstanceRow] | None:
        table = self._arrays.get("instances")
        if table is None:
            return None
        where = f"{self._where}, instances"
        rows = convert_value(self._report, table, where, list[InstanceRow], is_strict=True)
        if rows is None:
            return None
        is_cut = any(len(row.matrix) != 16 or len(row.object_to_camera) != 16 for row in rows)
        self._report.check("files.readable", where, is_cut, "a matrix does not have 16 numbers")
        return None if is_cut else rows


def _wrong_shape(name: str, array: Any, file: FileRecord, record: ItemRecord, view: ViewRecord) -> str:
    """Return what is wrong with an array's shape or dtype, or '' if nothing is."""
    found = f"the array is {array.dtype} with the shape {array.shape}"
    if str(array.dtype) != file.dtype:
        return f"{found}; the item's record says {file.dtype}"
    lens = view.lens
    if file.count is not None:
        is_canvas = array.ndim == 3 and array.shape[1] >= lens.height and array.shape[2] >= lens.width
        is_right = is_canvas and array.shape[0] == file.count == len(record.objects)
        return "" if is_right else f"{found}; the item has {len(record.objects)} objects, with a mask each"
    if array.shape[:2] != (lens.height, lens.width):
        return f"{found}; the view has {lens.width} x {lens.height} pixels"
    channels = array.shape[2] if array.ndim == 3 else 1
    if name in PASSES and channels not in PASSES[name].channels:
        channels_allowed = " or ".join(map(str, PASSES[name].channels))
        return f"{found}; the pass {name} has {channels_allowed} channels"
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
    """Read a matrix; one that does not have 16 numbers becomes NaN, so that all its checks fail."""
    return np.array(numbers, float).reshape(4, 4) if len(numbers) == 16 else np.full((4, 4), np.nan)


LAYOUT = Layout("store", lambda path: (path / MANIFEST).is_file(), _Reading)
