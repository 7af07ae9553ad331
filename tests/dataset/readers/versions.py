"""Imports what the other scripts here read datasets with, and tells its versions."""

import json
from importlib import import_module
from importlib.metadata import version

MODULES = {
    "lerobot": "lerobot.datasets.lerobot_dataset",
    "nerfstudio": "nerfstudio.data.dataparsers.nerfstudio_dataparser",
    "pycocotools": "pycocotools.coco",
    "ultralytics": "ultralytics.data.dataset",
}

for module in MODULES.values():
    import_module(module)
print(json.dumps({name: version(name) for name in MODULES}))
