"""BOP's folders: scenes of pictures, poses, masks, and the models of the objects, in millimetres."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....extras import brought_by
from ....frame import Lens
from ..models import Models, Part, placed
from ..report import Report
from ..seen import SeenObject, SeenScene, SeenView
from .files import decode_image, read_file, read_json, tell
from .layout import Layout

__all__ = ["LAYOUT"]

_PLACES = ("*", "*/*", "*/*/*", "*/*/*/*")
_PICTURES = ("rgb", "gray")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif")
_M = 1e-3
_NEAR_M, _FAR_M = 1e-3, 1e3  # BOP has no clipping planes
_TO_GL = np.diag([1.0, -1.0, -1.0, 1.0])  # x right, y down, z forward -> y up, z back
_NONE = [-1, -1, -1, -1]
_FLATTEST = 1e12
_MOST = np.iinfo(np.uint16).max  # how deep it is that tools write where nothing is, or more than fits

Json = dict[str, Any]
Floats = NDArray[np.float64]


def _scenes(path: Path) -> list[Path]:
    """Find the folders of scenes."""
    found = {each.parent for place in _PLACES for each in path.glob(f"{place}/scene_gt.json")}
    return sorted(found | ({path} if (path / "scene_gt.json").is_file() else set()))


class _Reading:
    def __init__(self, path: Path, report: Report) -> None:
        self._path, self._report = path, report
        self._folders = _scenes(path)
        self._count = len(self._folders)
        self._models = _ModelFiles(path, report)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[SeenScene]:
        for folder in self._folders:
            yield from self._scene(folder, folder.relative_to(self._path).as_posix())

    def _scene(self, folder: Path, where: str) -> Iterator[SeenScene]:
        cameras = self._table(folder / "scene_camera.json", where)
        poses = self._table(folder / "scene_gt.json", where)
        has_infos = (folder / "scene_gt_info.json").is_file()
        infos = self._table(folder / "scene_gt_info.json", where) if has_infos else None
        if cameras is None or poses is None:
            return
        self._count += len(poses) - 1
        tables = {"scene_camera": cameras, "scene_gt": poses}
        if infos is not None:
            tables["scene_gt_info"] = infos
        images = sorted({key for table in tables.values() for key in table}, key=_in_order)
        for image in images:
            missing = [name for name, table in tables.items() if image not in table]
            detail = f"not in {', '.join(missing)}"
            if tell(self._report, "ids.references", f"{where}, image {image}", bool(missing), detail):
                told = None if infos is None else infos[image]
                place = f"{where}, image {image}"
                view = self._view(folder, place, image, cameras[image], poses[image], told)
                if view is not None:
                    yield SeenScene(f"{where}, image {image}", [view], sequence=where, scene=where)
        self._check_files(folder, where, images)

    def _table(self, path: Path, where: str) -> dict[str, Any] | None:
        table = read_json(self._report, path, f"{where}/{path.name}", dict[str, Any])
        if table is None:
            return None
        is_good = all(key.isdecimal() for key in table)
        detail = "is no table by the numbers of images"
        tell(self._report, "files.readable", f"{where}/{path.name}", not is_good, detail)
        return table if is_good else None

    def _check_files(self, folder: Path, where: str, images: list[str]) -> None:
        """Tell of pictures that are of no image."""
        known = {int(image) for image in images}
        for kind in (*_PICTURES, "depth", "mask", "mask_visib"):
            for path in sorted((folder / kind).glob("*")):
                first = path.stem.partition("_")[0]
                is_known = first.isdecimal() and int(first) in known
                tell(
                    self._report, "files.unnamed", f"{where}/{kind}/{path.name}", not is_known, "of no image"
                )

    def _view(
        self, folder: Path, where: str, image: str, camera: Json, poses: list[Json], infos: list[Json] | None
    ) -> SeenView | None:
        try:
            matrix, scale = (
                np.array(camera["cam_K"], float).reshape(3, 3),
                float(camera.get("depth_scale", 1)),
            )
            to_camera = [_matrix(pose["cam_R_m2c"], pose["cam_t_m2c"]) for pose in poses]
            kinds = [int(pose["obj_id"]) for pose in poses]
            has_pose = "cam_R_w2c" in camera and "cam_t_w2c" in camera
            from_world = _matrix(camera["cam_R_w2c"], camera["cam_t_w2c"]) if has_pose else None
        except (KeyError, TypeError, ValueError) as error:
            tell(self._report, "files.readable", where, True, repr(error))
            return None
        if infos is not None and len(infos) != len(poses):
            detail = f"scene_gt_info has {len(infos)} objects, scene_gt {len(poses)}"
            tell(self._report, "ids.references", where, True, detail)
            infos = None
        colour, pixels = self._picture(folder, _PICTURES, image, where)
        _, raw = self._picture(folder, ("depth",), image, where)
        shapes = [array.shape[:2] for array in (pixels, raw) if array is not None]
        if not shapes:
            return None
        if not tell(self._report, "files.shape", where, len(set(shapes)) > 1, f"pictures of {shapes}"):
            raw = raw if raw is not None and raw.shape[:2] == shapes[0] else None
        height, width = shapes[0]
        depth = None
        if raw is not None:
            depth = np.where((raw > 0) & (raw < _MOST), raw.astype(float) * scale * _M, np.inf)
        # cam_K counts from the first pixel's centre, and here pixels count from the edge
        lens = Lens(
            width, height, matrix[0, 0], matrix[1, 1], matrix[0, 2] + 0.5, matrix[1, 2] + 0.5, _NEAR_M, _FAR_M
        )
        objects = [
            self._object(folder, where, image, index, kind, pose, info, shapes[0])
            for index, (kind, pose, info) in enumerate(
                zip(kinds, to_camera, infos or [None] * len(kinds), strict=True)
            )
        ]
        return SeenView(
            where,
            (width, height),
            objects,
            lens=lens,
            camera_to_world=_inverse(from_world),
            depth=depth,
            depth_step=0.5 * scale * _M * 1.01,
            colour=colour,
            models=self._models.placed(kinds, to_camera),
        )

    def _picture(
        self, folder: Path, kinds: tuple[str, ...], image: str, where: str
    ) -> tuple[bytes, NDArray[Any] | None]:
        for kind in kinds:
            if not (folder / kind).is_dir():
                continue
            for suffix in _SUFFIXES:
                path = folder / kind / f"{int(image):06d}{suffix}"
                if path.is_file():
                    return self._decoded(path, f"{where}, {kind}")
            tell(self._report, "files.there", f"{where}, {kind}", True, f"no {kind}/{int(image):06d}.*")
        return b"", None

    def _decoded(self, path: Path, where: str) -> tuple[bytes, NDArray[Any] | None]:
        data = read_file(self._report, path, where)
        pixels = decode_image(self._report, data, where) if data is not None else None
        return (b"", None) if data is None else (hashlib.blake2b(data, digest_size=16).digest(), pixels)

    def _object(
        self,
        folder: Path,
        where: str,
        image: str,
        index: int,
        kind: int,
        pose: Floats,
        info: Json | None,
        shape: tuple[int, ...],
    ) -> SeenObject:
        name = f"object {index} (obj_id {kind})"
        self._models.check(kind, f"{where}, {name}")
        masks = [
            self._mask(folder, f"{where}, {name}", folder_name, image, index, shape)
            for folder_name in ("mask_visib", "mask")
        ]
        low, high = self._models.ends(kind)
        told: Json = info or {}
        return SeenObject(
            index + 1,
            name,
            mask=masks[0],
            amodal=masks[1],
            boxes_told=info is not None,
            whole_told=told.get("px_count_visib") != 0,  # else BOP gives no box of what is hidden
            box=_box(told.get("bbox_visib")),
            box_amodal=_box(told.get("bbox_obj")),
            pixels=told.get("px_count_visib"),
            pixels_all=told.get("px_count_all"),
            visible_fraction=told.get("visib_fract"),
            to_camera=pose,
            is_rigid=True,
            low=low,
            high=high,
        )

    def _mask(
        self, folder: Path, where: str, kind: str, image: str, index: int, shape: tuple[int, ...]
    ) -> NDArray[np.bool_] | None:
        if not (folder / kind).is_dir():
            return None
        path = folder / kind / f"{int(image):06d}_{index:06d}.png"
        _, pixels = self._decoded(path, f"{where}, {kind}")
        if pixels is None:
            return None
        detail, is_other = f"it is {pixels.shape}, the picture {shape}", pixels.shape[:2] != shape
        is_right = tell(self._report, "files.shape", f"{where}, {kind}", is_other, detail)
        return pixels.reshape(*shape, -1).any(-1) if is_right else None


class _ModelFiles:
    """The models of a dataset, read when they are asked for."""

    def __init__(self, path: Path, report: Report) -> None:
        self._report = report
        folders = [each for base in (path, path.parent, path.parent.parent) for each in _model_folders(base)]
        self._folder = folders[0] if folders else None
        if self._folder is None:
            report.note("models: there is no folder of models")
        info = self._folder / "models_info.json" if self._folder else None
        self._infos: Json = {}
        if info is not None and info.is_file():
            self._infos = read_json(report, info, "models/models_info.json", dict[str, Any]) or {}
        self._triangles = lru_cache(maxsize=64)(self._read)

    def check(self, kind: int, where: str) -> None:
        """Tell whether an object's model is there, where there are any."""
        if self._folder is not None:
            is_missing = not self._file(kind).is_file() and str(kind) not in self._infos
            tell(self._report, "ids.references", where, is_missing, f"there is no model {kind}")

    def ends(self, kind: int) -> tuple[Floats | None, Floats | None]:
        """Return the ends of a model's box, m."""
        info = self._infos.get(str(kind))
        try:
            if info is not None:
                low = np.array([info[f"min_{axis}"] for axis in "xyz"], float) * _M
                return low, low + np.array([info[f"size_{axis}"] for axis in "xyz"], float) * _M
        except (KeyError, TypeError, ValueError) as error:
            tell(self._report, "files.readable", f"models_info.json, {kind}", True, repr(error))
        triangles = self._triangles(kind)
        if triangles is None:
            return None, None
        return triangles.min((0, 1)), triangles.max((0, 1))

    def placed(self, kinds: list[int], poses: list[Floats]) -> Models | None:
        """Put the models of an image where they are, in the camera's axes."""
        triangles = [self._triangles(kind) for kind in kinds]
        if not kinds or any(each is None for each in triangles) or not np.isfinite(poses).all():
            return None
        parts = [
            Part(number, placed(each, pose))
            for number, (each, pose) in enumerate(zip(triangles, poses, strict=True), start=1)
            if each is not None
        ]
        try:
            return Models(parts, in_camera=True)
        except ModuleNotFoundError as error:
            self._report.note(f"models: needs the package {error.name}")
            return None

    def _file(self, kind: int) -> Path:
        return (self._folder or Path()) / f"obj_{kind:06d}.ply"

    def _read(self, kind: int) -> NDArray[np.float64] | None:
        """Return the triangles of a model, m."""
        if self._folder is None or not self._file(kind).is_file():
            return None
        try:
            import trimesh

            mesh = trimesh.load_mesh(self._file(kind), process=False)
            return np.asarray(mesh.vertices, float)[np.asarray(mesh.faces)] * _M
        except ModuleNotFoundError as error:
            self._report.note(f"models: reading them needs the package {error.name}; {brought_by('dataset')}")
        except Exception as error:  # noqa: BLE001  whatever a reader of foreign files raises
            tell(self._report, "files.decode", f"models/{self._file(kind).name}", True, str(error))
        return None


def _model_folders(base: Path) -> list[Path]:
    names = ("models_eval", "models", "models_cad")
    return [base / name for name in names if any((base / name).glob("obj_*.ply"))]


def _matrix(turn: list[float], place: list[float]) -> Floats:
    """Read a pose, mm and OpenCV's axes of the camera -> m and glTF's."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(turn, float).reshape(3, 3)
    matrix[:3, 3] = np.array(place, float).reshape(3) * _M
    return _TO_GL @ matrix


def _inverse(matrix: Floats | None) -> Floats | None:
    if matrix is None or not np.isfinite(matrix).all() or not np.linalg.cond(matrix) < _FLATTEST:
        return None
    return np.linalg.inv(matrix)


def _box(told: Any) -> tuple[float, float, float, float] | None:
    """Read a box, whose width is the last column minus the first."""
    if not isinstance(told, list) or len(told) != 4 or told == _NONE:
        return None
    x, y, width, height = map(float, told)
    return x, y, width + 1, height + 1


def _in_order(image: str) -> int:
    return int(image)


LAYOUT = Layout("BOP", lambda path: bool(_scenes(path)), _Reading)
