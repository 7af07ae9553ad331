"""Requests recorded from Drake's own client, with its own renderer's answers; kept outside the project."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

FOLDER = Path(
    os.environ.get(
        "GLTF_RENDER_SERVER_RECORDED",
        Path(__file__).resolve().parents[2].parent / "shared" / "scenes",
    )
)
NAMES = ("primitives_centred", "primitives_offcentre", "primitives_portrait", "tea_table")

needs_recorded = pytest.mark.skipif(
    not FOLDER.is_dir(),
    reason=f"no recorded scenes in {FOLDER}; the same is tested on scenes that the project makes itself",
)


def scene_bytes(name: str, image_type: str) -> bytes:
    return (FOLDER / name / f"{image_type}.gltf").read_bytes()


def fields(name: str, image_type: str) -> dict[str, str]:
    return json.loads((FOLDER / name / f"{image_type}.json").read_text())


def oracle(name: str, image_type: str) -> NDArray[Any]:
    file = {"depth": "vtk_depth.tiff", "label": "vtk_label.png"}[image_type]
    with Image.open(FOLDER / name / file) as image:
        return np.asarray(image)
