"""A frame of the JSON API: the JSON that requests it, and the arrays that the server answers.

This module sends nothing.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..decode import decode
from ..frame import Look, View
from .connection import RenderAnswer

__all__ = ["FrameAnswer", "frame_json", "read_frame"]


@dataclass(frozen=True)
class FrameAnswer:
    """The decoded arrays of a frame.

    Attributes
    ----------
    views : dict of str to dict of str to ndarray
        The arrays by view name and pass name. ``frame["passes"]`` describes the content of each pass. A
        table, such as ``instances``, is a list of dictionaries.
    frame : dict
        The server's description of what it rendered: versions, views, passes, instances.
    stages_ms : dict of str to float
        The milliseconds that the server spent in each stage.
    """

    views: dict[str, dict[str, Any]]
    frame: dict[str, Any]
    stages_ms: dict[str, float]

    def __getitem__(self, view: str) -> dict[str, Any]:
        return self.views[view]

    @property
    def instances(self) -> dict[int, str]:
        """The node names by the numbers that the pass ``instance`` contains."""
        return {instance["number"]: instance["node"] for instance in self.frame["instances"]}


def frame_json(
    scene: str,
    views: View | Mapping[str, Any] | Sequence[View | Mapping[str, Any]],
    passes: Sequence[str],
    *,
    look: Look | Mapping[str, Any] | None,
    poses: Mapping[str, ArrayLike] | None,
    time_s: float | None,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    alpha_threshold: float | None,
) -> str:
    """Write a frame as the JSON of a request; see docs/api.md.

    Parameters
    ----------
    scene : str
        The SHA-256 digest of the scene's bytes.
    views, passes, look, poses, time_s, before, after, alpha_threshold
        As `RenderClient.render` takes them.

    Raises
    ------
    ValueError
        A number is not finite.
    """
    frame = {
        "scene": scene,
        "views": _views(views),
        "passes": [passes] if isinstance(passes, str) else [*passes],
        "alpha_threshold": alpha_threshold,
    }
    if look is not None:
        look = asdict(look) if isinstance(look, Look) else look
        frame["look"] = {name: value for name, value in look.items() if value is not None}
    if poses:
        frame["poses"] = {name: _rows(matrix) for name, matrix in poses.items()}
    if time_s is not None:
        frame["time_s"] = time_s
    if before is not None:
        frame["before"] = _moment(before)
    if after is not None:
        frame["after"] = _moment(after)
    return json.dumps(frame, allow_nan=False, default=_plain)


def read_frame(answer: RenderAnswer) -> FrameAnswer:
    """Decode the archive that answers a frame."""
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        frame = json.loads(archive.read("frame.json"))
        views = {
            view["name"]: {
                row["name"]: decode(
                    archive.read(f"{view['name']}/{row['file']}"), row["dtype"], row.get("count")
                )
                for row in frame["passes"]
            }
            for view in frame["views"]
        }
    return FrameAnswer(views, frame, answer.stages_ms)


def _views(views: View | Mapping[str, Any] | Sequence[View | Mapping[str, Any]]) -> list[dict[str, Any]]:
    several = [views] if isinstance(views, View | Mapping) else [*views]
    written = [_view(view) for view in several]
    if len(written) > 1 and {view.get("name", View.name) for view in written} == {View.name}:
        for view in written:  # unnamed views, which the server numbers
            view.pop("name", None)
    return written


def _view(view: View | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(view, View):
        return {
            "name": view.name,
            **asdict(view.lens),
            "camera_to_world": _rows(view.camera_to_world),
            "amodal_margin": view.amodal_margin,
        }
    pose = view.get("camera_to_world")
    return dict(view) if pose is None else {**view, "camera_to_world": _rows(pose)}


def _moment(moment: Mapping[str, Any]) -> dict[str, Any]:
    matrices = {
        name: {key: _rows(matrix) for key, matrix in moment[name].items()}
        for name in ("poses", "cameras")
        if name in moment
    }
    return {**moment, **matrices}


def _rows(matrix: ArrayLike) -> list[float]:
    return np.asarray(matrix, float).ravel().tolist()


def _plain(value: Any) -> Any:
    """Convert a numpy scalar or array to plain Python values."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be sent: {value!r}")
