"""Reads a folder with nerfstudio's own parser, all of its splits."""

import json
import sys
from pathlib import Path

from nerfstudio.data.dataparsers.nerfstudio_dataparser import NerfstudioDataParserConfig
from nerfstudio.data.utils.data_utils import get_depth_image_from_path

EVERY = 97


def told_by(folder, split):
    config = NerfstudioDataParserConfig(
        data=folder, orientation_method="none", center_method="none", auto_scale_poses=False
    )
    outputs = config.setup().get_dataparser_outputs(split)
    cameras, metadata = outputs.cameras, outputs.metadata
    depths = []
    for number, path in enumerate(metadata["depth_filenames"]):
        height, width = int(cameras.height[number]), int(cameras.width[number])
        depth = get_depth_image_from_path(path, height, width, metadata["depth_unit_scale_factor"])
        pixels = list(range(0, height * width, EVERY))
        depths.append({"pixels": pixels, "values": depth.reshape(-1)[pixels].tolist()})
    lenses = [cameras.fx, cameras.fy, cameras.cx, cameras.cy, cameras.width, cameras.height]
    return {
        "files": [path.name for path in outputs.image_filenames],
        "poses": cameras.camera_to_worlds.tolist(),
        "lenses": [[float(each[number]) for each in lenses] for number in range(len(cameras))],
        "depths": depths,
    }


print(json.dumps({split: told_by(Path(sys.argv[1]), split) for split in ("train", "val", "test")}))
