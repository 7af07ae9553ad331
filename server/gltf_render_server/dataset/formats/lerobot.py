"""LeRobot datasets, version 3.0, which `LeRobotDataset` loads.

::

    meta/info.json, meta/stats.json, meta/tasks.parquet, meta/episodes/chunk-000/file-000.parquet
    data/chunk-000/file-000.parquet                    numbers; a row for a frame, a row group for an episode
    videos/<feature>/chunk-000/file-000.mp4            images; several episodes one after another

An episode is a sequence of the store. No robot acts in it, so there is no feature "action".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow.parquet import ParquetWriter, write_table
from trimesh.transformations import quaternion_from_matrix

from ..store import Store, StoredItem, StoredView
from .format import Format
from .lerobot_plan import Camera, Episode, Plan, make_plan, named_objects
from .lerobot_statistics import Histogram, Statistics, as_lists, merged, statistics_of
from .lerobot_video import COLOUR, DEPTH, DepthScale, LeRobotCodec
from .video import Video, even, even_size

__all__ = ["FORMAT"]

Feature = dict[str, Any]
"""The entry of a feature in `meta/info.json`."""

_VERSION = "v3.0"
_FILES_A_CHUNK = 1000
_EPISODES_A_GROUP = 100
_FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
_EPISODES, _DATA, _TASKS = f"meta/episodes/{_FILE}.parquet", f"data/{_FILE}.parquet", "meta/tasks.parquet"
_VIDEO = f"videos/{{video_key}}/{_FILE}.mp4"
_POSE = ("x", "y", "z", "qx", "qy", "qz", "qw")
_LENS = ("focal_x", "focal_y", "center_x", "center_y")
_COLOUR_PASS, _DEPTH_PASS = "color", "depth"
_STATE, _TIME = "observation.state", "time_s"
_COUNTED = ("frame_index", "episode_index", "index", "task_index")


def _export(store: Store, out: Path) -> None:
    plan = make_plan(store)
    pictures = {f"observation.images.{camera.name}": _Colour(camera) for camera in plan.cameras}
    if _DEPTH_PASS in {row.name for row in store.manifest.passes}:
        scale = DepthScale.up_to(_farthest_m(store))
        pictures |= {f"observation.images.{each.name}_depth": _Depth(each, scale) for each in plan.cameras}
    numbers = _features_of_numbers(store, plan)
    seen = {key: _write_videos(store, plan, out, key, each) for key, each in pictures.items()}
    stats = _write_tables(store, plan, out, numbers, seen)
    features = {key: each.feature(plan.fps) for key, each in pictures.items()} | numbers
    _write_json(out / "meta/info.json", _info(plan, features))
    _write_json(out / "meta/stats.json", {key: as_lists(stats[key]) for key in features})


class _Colour:
    """The colour of a camera as a video feature."""

    codec: LeRobotCodec = COLOUR
    values: NDArray[np.float64] = np.arange(256) / 255

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.size = even_size(*camera.size)

    def read(self, view: StoredView) -> NDArray[Any]:
        """Return the frame to encode, (height, width, 3) uint8."""
        return view.array(_COLOUR_PASS)[:, :, :3]

    def feature(self, fps: int) -> Feature:
        width, height = self.size
        video_info = {
            "video.height": height,
            "video.width": width,
            "video.codec": self.codec.name,
            "video.pix_fmt": self.codec.pixels,
            "video.fps": fps,
            "video.channels": self.codec.channels,
            "video.g": int(self.codec.options["g"]),
            "video.video_backend": "pyav",
            "has_audio": False,
            "is_depth_map": False,
        }
        return {
            "dtype": "video",
            "shape": [height, width, self.codec.channels],
            "names": ["height", "width", "channels"],
            "info": video_info | dict(self.codec.info),
        }


class _Depth(_Colour):
    """The planar depth of a camera as a video feature."""

    codec = DEPTH

    def __init__(self, camera: Camera, scale: DepthScale) -> None:
        super().__init__(camera)
        self.scale = scale
        self.values = scale.metres()

    def read(self, view: StoredView) -> NDArray[Any]:
        """Return the frame to encode, (height, width) uint16."""
        return self.scale.codes(view.array(_DEPTH_PASS))

    def feature(self, fps: int) -> Feature:
        feature = super().feature(fps)
        return feature | {"info": feature["info"] | self.scale.info}


def _farthest_m(store: Store) -> float:
    """Return the largest depth in the store, metres; 0 if no surface is visible."""
    depths = (view.array(_DEPTH_PASS) for item in store for view in item.views)
    return max(float(depth.max(initial=0.0, where=np.isfinite(depth))) for depth in depths)


def _features_of_numbers(store: Store, plan: Plan) -> dict[str, Feature]:
    world = {"frame": "world", "up_axis": store.manifest.up_axis, "unit": "m"}
    poses = [f"{name}.{part}" for name in plan.objects for part in _POSE]
    features = {_STATE: _numbers("float32", poses) | {"info": world}} if poses else {}
    for camera in plan.cameras:
        features[f"camera.{camera.name}"] = _numbers("float32", [*_POSE, *_LENS]) | {"info": world}
    features |= {_TIME: _numbers("float64"), "timestamp": _numbers("float32")}
    return features | {name: _numbers("int64") for name in _COUNTED}


def _numbers(dtype: str, names: list[str] | None = None) -> Feature:
    return {"dtype": dtype, "shape": [len(names or "1")], "names": names}


def _write_videos(store: Store, plan: Plan, out: Path, key: str, pictures: _Colour) -> list[Statistics]:
    """Write the videos of a feature, one at a time; return its statistics for each episode."""
    statistics = []
    for file, episodes in groupby(plan.episodes, lambda episode: episode.file):
        path = _made(out / _VIDEO.format(video_key=key, **_place(file)))
        with Video(path, pictures.codec, pictures.size, Fraction(plan.fps)) as video:
            for episode in episodes:
                histogram = Histogram(pictures.values, pictures.codec.channels)
                for index in episode.items:
                    picture = even(pictures.read(store[index].views[pictures.camera.number]))
                    video.add(picture)
                    histogram.add(picture)
                statistics.append(histogram.statistics())
    return statistics


def _write_tables(
    store: Store, plan: Plan, out: Path, numbers: dict[str, Feature], seen: dict[str, list[Statistics]]
) -> dict[str, Statistics]:
    """Write the tables of frames, episodes and tasks; return the statistics of the whole dataset."""
    tasks = {task: n for n, task in enumerate(dict.fromkeys(episode.task for episode in plan.episodes))}
    totals: dict[str, Statistics] = {}
    schema = pa.schema([(key, _arrow_type(feature)) for key, feature in numbers.items()])
    with ParquetWriter(_made(out / _DATA.format(**_place(0))), schema) as frames, _Rows(out) as rows:
        for number, episode in enumerate(plan.episodes):
            columns = _columns(store, plan, episode) | _counts(plan, episode, number, tasks[episode.task])
            arrays = [_arrow(columns[field.name], field.type) for field in schema]
            frames.write_table(pa.Table.from_arrays(arrays, schema=schema))
            found = {key: statistics[number] for key, statistics in seen.items()}
            found |= {key: statistics_of(columns[key]) for key in numbers}
            rows.add(_row(plan, episode, number, found, seen))
            totals = {key: merged(totals[key], each) if totals else each for key, each in found.items()}
    _write_tasks(_made(out / _TASKS), list(tasks))
    return totals


def _columns(store: Store, plan: Plan, episode: Episode) -> dict[str, NDArray[Any]]:
    """Return the poses, intrinsics and times of an episode's frames, (frames, dimensions) each."""
    frames = [_frame(store[index], plan) for index in episode.items]
    columns = {key: np.stack([frame[key] for frame in frames]) for key in frames[0]}
    for key, values in columns.items():
        if key != _TIME:
            _make_continuous(values, len(plan.objects) if key == _STATE else 1)
    return columns


def _frame(item: StoredItem, plan: Plan) -> dict[str, NDArray[np.float64]]:
    objects = named_objects(item.record)
    poses = [_pose(np.reshape(objects[name].matrix, (4, 4))) for name in plan.objects]
    frame = {_STATE: np.concatenate(poses)} if poses else {}
    for camera in plan.cameras:
        view = item.views[camera.number]
        lens = [getattr(view.lens, name) for name in _LENS]
        frame[f"camera.{camera.name}"] = np.array([*_pose(view.camera_to_world), *lens])
    return frame | {_TIME: np.array([item.record.time_s])}


def _pose(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the position and quaternion, x y z w, of a matrix, without scale, shear and mirroring."""
    first, second = matrix[:3, 0], matrix[:3, 1]
    across = np.cross(first, second)
    axes = np.stack([first, np.cross(across, first), across], 1)
    rotation = np.eye(4)
    rotation[:3, :3] = axes / np.linalg.norm(axes, axis=0)
    w, x, y, z = quaternion_from_matrix(rotation, isprecise=True)
    return np.array([*matrix[:3, 3], x, y, z, w])


def _make_continuous(values: NDArray[np.float64], poses: int) -> None:
    """Choose signs of the quaternions in place so that they do not jump; each row begins with the poses."""
    for number in range(poses):
        quaternions = values[:, len(_POSE) * number + 3 : len(_POSE) * (number + 1)]
        turns = (quaternions[1:] * quaternions[:-1]).sum(1)
        quaternions[1:] *= np.cumprod(np.where(turns < 0, -1, 1))[:, None]


def _counts(plan: Plan, episode: Episode, number: int, task: int) -> dict[str, NDArray[Any]]:
    """Return the columns that LeRobot requires in every dataset, (frames, 1) each."""
    frame = np.arange(len(episode.items))[:, None]
    return {
        "timestamp": frame / plan.fps,
        "frame_index": frame,
        "episode_index": np.full_like(frame, number),
        "index": frame + episode.first,
        "task_index": np.full_like(frame, task),
    }


def _row(
    plan: Plan, episode: Episode, number: int, found: dict[str, Statistics], videos: Iterable[str]
) -> dict[str, Any]:
    """Return an episode's row in the table of episodes."""
    first, count = episode.first, len(episode.items)
    row: dict[str, Any] = {"episode_index": number, "tasks": [episode.task], "length": count}
    row |= {f"data/{key}": value for key, value in _place(0).items()}
    row |= {"dataset_from_index": first, "dataset_to_index": first + count}
    for key in videos:
        row |= {f"videos/{key}/{name}": value for name, value in _place(episode.file).items()}
        row[f"videos/{key}/from_timestamp"] = episode.start / plan.fps
        row[f"videos/{key}/to_timestamp"] = (episode.start + count) / plan.fps
    for key, statistics in found.items():
        row |= {f"stats/{key}/{name}": value for name, value in as_lists(statistics).items()}
    return row | {f"meta/episodes/{key}": value for key, value in _place(0).items()}


class _Rows:
    """Writes the table of episodes; its first rows determine its columns."""

    def __init__(self, out: Path) -> None:
        self._path = _made(out / _EPISODES.format(**_place(0)))
        self._rows: list[dict[str, Any]] = []
        self._writer: ParquetWriter | None = None

    def __enter__(self) -> _Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        if self._writer:
            self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == _EPISODES_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            table = pa.Table.from_pylist(self._rows)
            self._writer = self._writer or ParquetWriter(self._path, table.schema)
            self._writer.write_table(table)
            self._rows = []


def _write_tasks(path: Path, tasks: list[str]) -> None:
    """Write the table of tasks as pandas does, with the tasks as its index, which LeRobot requires."""
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks)})
    columns = [
        {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64"},
        {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object"},
    ]
    pandas_metadata = {"index_columns": ["task"], "column_indexes": [], "columns": columns}
    write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas_metadata)}), path)


def _info(plan: Plan, features: dict[str, Feature]) -> dict[str, Any]:
    return {
        "codebase_version": _VERSION,
        "robot_type": None,
        "total_episodes": len(plan.episodes),
        "total_frames": sum(len(episode.items) for episode in plan.episodes),
        "total_tasks": len({episode.task for episode in plan.episodes}),
        "chunks_size": _FILES_A_CHUNK,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": plan.fps,
        "splits": plan.splits(),
        "data_path": _DATA,
        "video_path": _VIDEO,
        "features": features,
    }


def _arrow_type(feature: Feature) -> pa.DataType:
    (length,), number = feature["shape"], pa.type_for_alias(feature["dtype"])
    return number if length == 1 else pa.list_(number, length)


def _arrow(values: NDArray[Any], wanted: pa.DataType) -> pa.Array:
    """Convert (frames, dimensions) to a column of numbers, or of lists if there are several dimensions."""
    if not pa.types.is_fixed_size_list(wanted):
        return pa.array(values[:, 0]).cast(wanted, safe=False)
    numbers = pa.array(values.ravel()).cast(wanted.value_type, safe=False)
    return pa.FixedSizeListArray.from_arrays(numbers, wanted.list_size)


def _place(file: int) -> dict[str, int]:
    """Return the chunk and the index of a file, in LeRobot's terms."""
    return {"chunk_index": file // _FILES_A_CHUNK, "file_index": file % _FILES_A_CHUNK}


def _made(path: Path) -> Path:
    """Create the folder of a file, and return the file's path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _write_json(path: Path, value: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=4))


FORMAT = Format(
    name="lerobot",
    summary="For LeRobot 3.0: colour and depth as videos, moving objects, poses and lenses of cameras.",
    passes=(_COLOUR_PASS,),
    export=_export,
)
