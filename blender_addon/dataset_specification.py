"""Creates the specification of a scene's dataset from the chosen options; independent of Blender."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "LIGHT",
    "MOST_CAMERAS",
    "PREVIEW",
    "RESULT",
    "SCENE",
    "SPECIFICATION",
    "command",
    "make_specification",
    "to_toml",
]

SCENE, SPECIFICATION, LIGHT = "scene.glb", "dataset.toml", "light.blend"
"""The file names of a dataset."""
RESULT, PREVIEW = "result.json", "preview.png"
"""The file names of a child Blender's report, and of the preview that it renders."""

MOST_CAMERAS = 64
"""The largest number of cameras in a specification."""

_LONGEST_NAME = 50
_LOWEST_DEG = 5.0  # of a hemisphere; a camera at ground level would not see the ground


def make_specification(
    job: Mapping[str, Any], cameras: Mapping[str, str], animation: Mapping[str, float] | None
) -> dict[str, Any]:
    """Return a specification, as its file contains it.

    Parameters
    ----------
    job : mapping
        The job; see `dataset_choices.job_of`.
    cameras : mapping of str to str
        The node that contains each camera, by the camera's name in Blender.
    animation : mapping of {"fps", "duration_s"} to float, or None
        How to sample the animation; None if the scene is static.
    """
    size = {"width": job["width"], "height": job["height"]}
    source = {"kind": "scene", "file": SCENE}
    if animation is not None:
        source = {"kind": "animation", "file": SCENE, **animation}
    look: dict[str, Any] = {"quality": job["quality"]}
    made = {
        "passes": list(job["passes"]),
        "formats": list(job["formats"]),
        "source": source,
        "look": look,
    }
    if job["light"] == "FILE":
        made["renderer"] = {"blend_file": LIGHT}
    else:
        look["environment"] = job["light"]
    if job["around"] is not None:
        return {**made, "cameras": [{"name": "camera", **size, **_around(job["around"], size)}]}
    names = _unique(list(cameras))
    return {
        **made,
        "cameras": [
            {"name": name, **size, **_center(job["shifts"][camera], size), "poses": _of_document(node)}
            for name, (camera, node) in zip(names, cameras.items(), strict=True)
        ],
    }


def to_toml(made: Mapping[str, Any], remark: str) -> str:
    """Write a specification as TOML: first the values, then the tables, whose contents are written inline."""
    lines = [*(f"# {line}" for line in remark.splitlines()), ""]
    lines += [f"{name} = {_value(value)}" for name, value in made.items() if not _is_table(value)]
    for name, value in made.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *_entries(value)]
        elif _is_table(value):
            for table in value:
                lines += ["", f"[[{name}]]", *_entries(table)]
    return "\n".join(lines) + "\n"


def command(folder: Path, verb: str = "make") -> str:
    """Return the command line that makes the dataset whose specification is in a folder."""
    words = ["gltf-render-dataset", verb, str(folder / SPECIFICATION), "-o", str(folder / "dataset")]
    words += ["--workers", "2"]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _of_document(node: str) -> dict[str, Any]:
    return {"kind": "document", "camera": node}


def _center(shift: Mapping[str, Any], size: Mapping[str, int]) -> dict[str, float]:
    """Return the principal point of a camera of Blender; empty if it is in the middle.

    glTF has none. The unit of Blender's shift is the side of the image that the sensor is fitted to.
    """
    if not shift["x"] and not shift["y"]:
        return {}
    width, height = size["width"], size["height"]
    unit = {"HORIZONTAL": width, "VERTICAL": height}.get(shift["fit"], max(width, height))
    return {"center_x": width / 2 - shift["x"] * unit, "center_y": height / 2 + shift["y"] * unit}


def _around(around: Mapping[str, Any], size: Mapping[str, int]) -> dict[str, Any]:
    poses: dict[str, Any] = {"kind": around["kind"]}
    if around["kind"] == "hemisphere":
        poses |= {"spread": "even", "min_elevation_deg": _LOWEST_DEG}
    if around["box"] is not None:
        low, high = around["box"]
        x, y, z = ((one + other) / 2 for one, other in zip(low, high, strict=True))
        half = math.radians(around["fov_deg"]) / 2
        half = min(half, math.atan(math.tan(half) * size["width"] / size["height"]))
        distance = math.dist(low, high) / 2 / math.sin(math.atan(0.8 * math.tan(half)))
        poses |= {"target": [x, z, 0.0 - y], "distance": distance}  # y is up in glTF
    return {"count": around["count"], "fov_y_deg": around["fov_deg"], "poses": poses}


def _unique(names: Sequence[str]) -> list[str]:
    """Return names that are valid in a specification, in the same order, and unique regardless of case."""
    found: dict[str, str] = {}
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:_LONGEST_NAME].strip("_") or "camera"
        # a number with so many digits would look like that of a pose
        stem = re.sub(r"_(?=[0-9]{4,}$)", "-", stem)
        unique, number = stem, 2
        while unique.casefold() in found:
            unique, number = f"{stem}-{number}", number + 1
        found[unique.casefold()] = unique
    return list(found.values())


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    )


def _entries(table: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {_value(value)}" for name, value in table.items()]


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(_entries(value))} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)  # numbers and booleans have the same form in TOML and JSON
