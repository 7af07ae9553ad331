"""BOP: folders of scenes with images, poses and masks, and the models of the objects, in millimetres."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from ....extras import brought_by
from ....frame import Lens
from ..models import Models, Part, placed
from ..report import Report
from ..seen import SeenObject, SeenScene, SeenView
from .files import convert_value, decode_image, read_file, read_json
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
_MOST = np.iinfo(np.uint16).max  # some tools write this where nothing is, or where depth is larger

Json = dict[str, Any]
Floats = NDArray[np.float64]
_Number = Annotated[float, Meta(gt=-1e12, lt=1e12)]
_Count = Annotated[int, Meta(gt=-(2**53), lt=2**53)]
_Matrix = Annotated[list[_Number], Meta(min_length=9, max_length=9)]
_Vector = Annotated[list[_Number], Meta(min_length=3, max_length=3)]
_Box = Annotated[list[_Number], Meta(min_length=4, max_length=4)]


class _Camera(Struct):
    cam_K: _Matrix  # noqa: N815  as BOP calls it, like all below
    depth_scale: _Number = 1.0
    cam_R_w2c: _Matrix | None = None  # noqa: N815
    cam_t_w2c: _Vector | None = None


class _Pose(Struct):
    cam_R_m2c: _Matrix  # noqa: N815
    cam_t_m2c: _Vector
    obj_id: Annotated[int, Meta(ge=0, lt=10**9)]


class _Info(Struct):
    bbox_visib: _Box | None = None
    bbox_obj: _Box | None = None
    px_count_visib: _Count | None = None
    px_count_all: _Count | None = None
    visib_fract: _Number | None = None


def _scenes(path: Path) -> list[Path]:
    """Find the folders of the scenes."""
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
            detail = f"the image has no entry in {', '.join(f'{name}.json' for name in missing)}"
            if self._report.check("ids.references", f"{where}, image {image}", bool(missing), detail):
                annotated = None if infos is None else infos[image]
                place = f"{where}, image {image}"
                view = self._view(folder, place, image, cameras[image], poses[image], annotated)
                if view is not None:
                    yield SeenScene(f"{where}, image {image}", [view], sequence=where, scene=where)
        self._check_files(folder, where, images)

    def _table(self, path: Path, where: str) -> dict[str, Any] | None:
        table = read_json(self._report, path, f"{where}/{path.name}", dict[str, Any])
        if table is None:
            return None
        is_good = all(key.isdecimal() for key in table)
        detail = "the keys of this file must be image numbers"
        self._report.check("files.readable", f"{where}/{path.name}", not is_good, detail)
        return table if is_good else None

    def _check_files(self, folder: Path, where: str, images: list[str]) -> None:
        """Report image files whose number is not in the scene's tables."""
        known = {int(image) for image in images}
        for kind in (*_PICTURES, "depth", "mask", "mask_visib"):
            for path in sorted((folder / kind).glob("*")):
                first = path.stem.partition("_")[0]
                is_known = first.isdecimal() and int(first) in known
                self._report.check(
                    "files.unnamed",
                    f"{where}/{kind}/{path.name}",
                    not is_known,
                    "the scene's tables have no image with this number",
                )

    def _view(
        self, folder: Path, where: str, image: str, raw_camera: Any, raw_poses: Any, raw_infos: Any
    ) -> SeenView | None:
        camera = convert_value(self._report, raw_camera, where, _Camera, "the camera is not valid: ")
        poses = convert_value(self._report, raw_poses, where, list[_Pose], "a pose is not valid: ")
        if camera is None or poses is None:
            return None
        matrix, scale = np.reshape(camera.cam_K, (3, 3)), camera.depth_scale
        detail = "cam_K is no camera, as a focal length is not above 0"
        if not self._report.check("files.readable", where, min(matrix[0, 0], matrix[1, 1]) <= 0, detail):
            return None
        to_camera = [_matrix(pose.cam_R_m2c, pose.cam_t_m2c) for pose in poses]
        kinds = [pose.obj_id for pose in poses]
        from_world = None
        if camera.cam_R_w2c is not None and camera.cam_t_w2c is not None:
            from_world = _matrix(camera.cam_R_w2c, camera.cam_t_w2c)
        detail = "the entry in scene_gt_info.json is not valid: "
        infos = convert_value(self._report, raw_infos, where, list[_Info] | None, detail)
        if infos is not None and len(infos) != len(poses):
            detail = f"scene_gt_info.json has {len(infos)} objects, scene_gt.json has {len(poses)}"
            self._report.check("ids.references", where, True, detail)
            infos = None
        colour, pixels = self._picture(folder, _PICTURES, image, where)
        _, raw = self._picture(folder, ("depth",), image, where)
        shapes = [array.shape[:2] for array in (pixels, raw) if array is not None]
        if not shapes:
            return None
        detail = f"the colour and the depth image have different sizes (height, width): {shapes}"
        if not self._report.check("files.shape", where, len(set(shapes)) > 1, detail):
            raw = raw if raw is not None and raw.shape[:2] == shapes[0] else None
        height, width = shapes[0]
        depth = None
        if raw is not None:
            depth = np.where((raw > 0) & (raw < _MOST), raw.astype(float) * scale * _M, np.inf)
        # cam_K is relative to the first pixel's centre, and Lens to the image's corner
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
            self._report.check(
                "files.there",
                f"{where}, {kind}",
                True,
                f"there is no image file {kind}/{int(image):06d}.*",
            )
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
        info: _Info | None,
        shape: tuple[int, ...],
    ) -> SeenObject:
        name = f"object {index} (obj_id {kind})"
        self._models.check(kind, f"{where}, {name}")
        masks = [
            self._mask(folder, f"{where}, {name}", folder_name, image, index, shape)
            for folder_name in ("mask_visib", "mask")
        ]
        low, high = self._models.ends(kind)
        annotated = info or _Info()
        return SeenObject(
            index + 1,
            name,
            mask=masks[0],
            amodal=masks[1],
            has_boxes=info is not None,
            has_box_amodal=annotated.px_count_visib != 0,  # BOP has no amodal box of invisible objects
            box=_box(annotated.bbox_visib),
            box_amodal=_box(annotated.bbox_obj),
            pixels=annotated.px_count_visib,
            pixels_all=annotated.px_count_all,
            visible_fraction=annotated.visib_fract,
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
        detail, is_other = (
            f"the mask has the shape {pixels.shape}, the image {shape}",
            pixels.shape[:2] != shape,
        )
        is_right = self._report.check("files.shape", f"{where}, {kind}", is_other, detail)
        return pixels.reshape(*shape, -1).any(-1) if is_right else None


class _ModelInfo(Struct):
    min_x: _Number
    min_y: _Number
    min_z: _Number
    size_x: _Number
    size_y: _Number
    size_z: _Number


class _ModelFiles:
    """The object models of a dataset, which are read on demand."""

    def __init__(self, path: Path, report: Report) -> None:
        self._report = report
        folders = [each for base in (path, path.parent, path.parent.parent) for each in _model_folders(base)]
        self._folder = folders[0] if folders else None
        if self._folder is None:
            report.note("models: there is no folder models, models_eval or models_cad with files obj_*.ply")
        info = self._folder / "models_info.json" if self._folder else None
        self._infos: Json = {}
        if info is not None and info.is_file():
            self._infos = read_json(report, info, "models/models_info.json", dict[str, Any]) or {}
        self._triangles = lru_cache(maxsize=64)(self._read)

    def check(self, kind: int, where: str) -> None:
        """Report whether an object's model exists, if the dataset has models."""
        if self._folder is not None:
            is_missing = not self._file(kind).is_file() and str(kind) not in self._infos
            self._report.check(
                "ids.references",
                where,
                is_missing,
                f"the dataset has no model with the number {kind}",
            )

    def ends(self, kind: int) -> tuple[Floats | None, Floats | None]:
        """Return opposite corners of a model's 3D box, metres."""
        raw, place = self._infos.get(str(kind)), f"models_info.json, model {kind}"
        detail = "the 3D box of the model is not valid: "
        info = convert_value(self._report, raw, place, _ModelInfo | None, detail)
        if info is not None:
            low = np.array([info.min_x, info.min_y, info.min_z]) * _M
            return low, low + np.array([info.size_x, info.size_y, info.size_z]) * _M
        triangles = self._triangles(kind)
        if triangles is None:
            return None, None
        return triangles.min((0, 1)), triangles.max((0, 1))

    def placed(self, kinds: list[int], poses: list[Floats]) -> Models | None:
        """Return the models of an image's objects in their poses, in the camera's axes."""
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
            self._report.note(f"models: these checks need the package {error.name}; {brought_by('dataset')}")
            return None

    def _file(self, kind: int) -> Path:
        return (self._folder or Path()) / f"obj_{kind:06d}.ply"

    def _read(self, kind: int) -> NDArray[np.float64] | None:
        """Return the triangles of a model, (m, 3, 3), metres."""
        if self._folder is None or not self._file(kind).is_file():
            return None
        try:
            import trimesh

            mesh = trimesh.load_mesh(self._file(kind), process=False)
            return np.asarray(mesh.vertices, float)[np.asarray(mesh.faces)] * _M
        except ModuleNotFoundError as error:
            self._report.note(f"models: reading them needs the package {error.name}; {brought_by('dataset')}")
        except Exception as error:  # noqa: BLE001  trimesh raises errors of many types
            self._report.check("files.decode", f"models/{self._file(kind).name}", True, str(error))
        return None


def _model_folders(base: Path) -> list[Path]:
    names = ("models_eval", "models", "models_cad")
    return [base / name for name in names if any((base / name).glob("obj_*.ply"))]


def _matrix(turn: list[float], place: list[float]) -> Floats:
    """Convert a pose: millimetres to metres, and OpenCV's camera axes to glTF's."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(turn, float).reshape(3, 3)
    matrix[:3, 3] = np.array(place, float).reshape(3) * _M
    return _TO_GL @ matrix


def _inverse(matrix: Floats | None) -> Floats | None:
    if matrix is None or not np.isfinite(matrix).all() or not np.linalg.cond(matrix) < _FLATTEST:
        return None
    return np.linalg.inv(matrix)


def _box(box: list[float] | None) -> tuple[float, float, float, float] | None:
    """Convert a box; in BOP, its width is the last column minus the first."""
    if box is None or box == _NONE:
        return None
    x, y, width, height = box
    return x, y, width + 1, height + 1


def _in_order(image: str) -> int:
    return int(image)


LAYOUT = Layout("BOP", lambda path: bool(_scenes(path)), _Reading)
