"""Makes the pictures of docs/passes.md: each pass of the table, of the still life, all from one camera.

Passes of motion compare the view with another moment: the teapot turns, the lemon rolls, the camera moves.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

import still_life
from contact_sheet import captioned
from gltf_render_server.client import FrameAnswer, RenderClient
from gltf_render_server.dataset.report.objects import ShownObject
from gltf_render_server.dataset.report.overlay import draw_objects
from gltf_render_server.false_colours import false_colours, legend, value_range
from gltf_render_server.passes import PASSES
from own_server import own_server
from reporting import progress, run

__all__ = ["main", "pictures", "render"]

_FILE = Path(__file__).resolve().parent.parent / "examples" / "still_life" / "still_life.glb"
_VIEW = {"name": "eye", "camera": 0, "width": 480, "height": 360}
_LARGE = ("table", "apron", "wall", "cloth")
"""The background objects, which are left out where objects are overlaid."""
_CLEARLY_SEEN_PX = 1500
_BAR_PX, _GAP_PX, _WHEEL_PX = 14, 6, 72
_PAPER = 250

Arrays = Mapping[str, Any]
Bytes = NDArray[np.uint8]


def main() -> int:
    """Render and save the images, and return the exit status."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "folder", type=Path, help="where the pictures are written, such as docs/images/passes"
    )
    folder = options.parse_args().folder
    return run("passes_page", lambda console: _save(folder, console))


def _save(folder: Path, console: Console) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    with own_server() as server, progress(console) as bars:
        arrays = render(server.client, [*PASSES])
        for name, picture in bars.track(pictures(arrays).items(), description="Saving"):
            Image.fromarray(picture).save(folder / f"{name}.jpg", quality=84, subsampling=0, optimize=True)
    return 0


def render(client: RenderClient, passes: list[str]) -> dict[str, Any]:
    """Return the arrays of some passes of the still life, by name."""
    still = [name for name in passes if name != "label" and not _is_of_motion(name)]
    first = client.render(_FILE, _VIEW, still, look={"up_axis": "y"})
    arrays = {**first["eye"]}
    if "label" in passes:  # the materials of the file are not labels
        arrays |= client.render(still_life.scene("label"), _VIEW, ["label"])["eye"]
    if "emission" in passes:  # nothing in the file emits light
        arrays |= client.render(_with_glowing_candle(), _VIEW, ["emission"])["eye"]
    for ending, when, way in (("_forward", "after", 1.0), ("_backward", "before", -1.0)):
        if of_motion := [name for name in passes if name.endswith(ending)]:
            moment: dict[str, Any] = {when: _moved(first, way)}
            arrays |= client.render(_FILE, _VIEW, of_motion, **moment)["eye"]
    return arrays


def pictures(arrays: Arrays) -> dict[str, Bytes]:
    """Return an image of each pass, with its legend below. Some also need `color` or `instance`."""
    return {name: _picture(name, arrays) for name in arrays}


def _is_of_motion(name: str) -> bool:
    return name.endswith(("_forward", "_backward"))


def _with_glowing_candle() -> bytes:
    document = still_life.document()
    for material in document["materials"]:
        if material["name"] == "candlestick" and not material["pbrMetallicRoughness"]["metallicFactor"]:
            material["emissiveFactor"] = (1.0, 0.45, 0.1)
    return json.dumps(document).encode()


def _moved(answer: FrameAnswer, way: float) -> dict[str, Any]:
    """Return another moment: the next one, or with -1 the previous one."""
    matrices = {row["node"]: np.reshape(row["matrix"], (4, 4)) for row in answer.frame["instances"]}
    [eye] = answer.frame["views"]
    camera = np.reshape(eye["camera_to_world"], (4, 4)) @ _shift(0.02 * way, 0, 0)
    teapot = matrices["teapot"] @ _turn(0.3 * way)
    lemon = _shift(-0.03 * way, 0, 0) @ matrices["lemon"] @ _turn(-way)
    return {"poses": {"teapot": teapot, "lemon": lemon}, "cameras": {"eye": camera}}


def _shift(*offset: float) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, 3] = offset
    return matrix


def _turn(angle_rad: float) -> NDArray[np.float64]:
    """Return a rotation about z."""
    matrix, (cosine, sine) = np.eye(4), (np.cos(angle_rad), np.sin(angle_rad))
    matrix[:2, :2] = (cosine, -sine), (sine, cosine)
    return matrix


def _picture(name: str, arrays: Arrays) -> Bytes:
    array = arrays[name]
    if name == "instances":
        return _captioned(_boxed(arrays["color"], array), "boxes of what is seen (bold), and 3D boxes")
    if name == "mask_amodal":
        array = array & _is_small()[:, None, None]
        return _captioned(false_colours(array, name), "whole objects; where some overlap, their colours mix")
    if name == "object_coordinates":  # from the sizes of typical objects
        array = np.where(np.append(False, _is_small())[arrays["instance"]][..., None], array, np.nan)
    scale = _scale(name, array)
    painted = false_colours(array, name, scale)
    if scale is not None and array.ndim == 2:
        painted = np.concatenate([painted, _bar(name, scale, painted.shape[1])])
    elif scale is not None and PASSES[name].unit == "px":
        painted[-_WHEEL_PX:, :_WHEEL_PX] = _wheel(name, float(scale[0, 1]))
    text, unit = legend(array, name, scale), PASSES[name].unit
    return _captioned(painted, text.removesuffix(f" {unit}") if " " in unit else text)


def _scale(name: str, array: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return the scale of a pass. It contains all flow vectors."""
    percentiles = (0.0, 100.0) if PASSES[name].unit == "px" else (1.0, 99.0)
    return value_range(name, array, percentiles=percentiles)


def _captioned(picture: Bytes, caption: str) -> Bytes:
    return captioned({caption: picture}) if caption else picture


def _bar(name: str, scale: NDArray[np.float64], width: int) -> Bytes:
    """Return a colour bar for a scale, to be put below an image."""
    low, high = scale[0]
    values = np.linspace(low, high, width, dtype=np.float32)
    bar = false_colours(np.tile(values, (_BAR_PX, 1)), name, scale)
    return np.concatenate([np.full((_GAP_PX, width, 3), _PAPER, np.uint8), bar])


def _wheel(name: str, largest: float) -> Bytes:
    """Return the colours of all flow vectors up to a length.

    To the right of the centre, the motion is to the right.
    """
    steps = np.linspace(-1, 1, _WHEEL_PX, dtype=np.float32)
    flow = np.stack(np.meshgrid(steps, steps), -1)
    flow[np.hypot(*np.moveaxis(flow, -1, 0)) > 1] = np.nan
    return false_colours(flow * np.float32(largest), name, (0, largest))


def _is_small() -> NDArray[np.bool_]:
    """Return for each object, by number, whether it is not in the background."""
    return np.array([name not in _LARGE for name in still_life.labels()])


def _boxed(colour: Bytes, rows: list[dict[str, Any]]) -> Bytes:
    """Draw the bounding boxes of objects over an image."""
    numbers = np.array([[row["number"] for row in rows]], np.uint16)
    inks = false_colours(numbers, "instance")[0].tolist()
    colours = {row["name"]: tuple(ink) for row, ink in zip(rows, inks, strict=True)}
    shown = [
        ShownObject(
            number=row["number"],
            name=row["name"],
            category=row["name"],
            box=tuple(row["box"]),
            pixels=row["pixels"],
            corners=tuple(row["box_3d"]["corners"]),
        )
        for row in rows
        if row["name"] not in _LARGE and row["pixels"] >= _CLEARLY_SEEN_PX
    ]
    return draw_objects(colour[..., :3] // 2, shown, colours, ("boxes", "boxes_3d"))


if __name__ == "__main__":
    sys.exit(main())
