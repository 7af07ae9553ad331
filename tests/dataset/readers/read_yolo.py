"""Reads a YOLO dataset as Ultralytics does when it trains, and tells what it has found.

usage: read_yolo.py data.yaml detect|segment|pose|depth
"""

import hashlib
import json
import sys
from pathlib import Path

from ultralytics.cfg import get_cfg
from ultralytics.data.dataset import DepthDataset, YOLODataset
from ultralytics.data.utils import check_det_dataset

PARTS = {"cls": "classes", "bboxes": "boxes", "segments": "segments", "keypoints": "keypoints"}


def read(dataset, index):
    label = dataset.labels[index]
    found = {
        name: [part.tolist() for part in label[key]]
        for key, name in PARTS.items()
        if label.get(key) is not None
    }
    if isinstance(dataset, DepthDataset):
        depth = dataset.get_image_and_label(index)["depth"]
        found["depth"] = [str(depth.dtype), depth.shape, hashlib.sha256(depth.tobytes()).hexdigest()]
    return {"shape": label["shape"], **found}


def read_split(data, split, task):
    kind = DepthDataset if task == "depth" else YOLODataset
    dataset = kind(img_path=data[split], data=data, task=task, augment=False, imgsz=160, hyp=get_cfg())
    return {Path(file).name: read(dataset, index) for index, file in enumerate(dataset.im_files)}


description, task = sys.argv[1:]
data = check_det_dataset(description, autodownload=False)
told = {name: data.get(name) for name in ("names", "kpt_shape", "kpt_names")}
print(json.dumps({**told, **{split: read_split(data, split, task) for split in ("train", "val")}}))
