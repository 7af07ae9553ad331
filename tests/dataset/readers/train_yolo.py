"""Trains a small detector of Ultralytics for one epoch, from scratch, and tells its classes and its loss.

usage: train_yolo.py data.yaml FOLDER
"""

import json
import sys

from ultralytics import YOLO

data, folder = sys.argv[1:]
model = YOLO("yolo11n.yaml")
model.train(
    data=data,
    epochs=1,
    imgsz=64,
    batch=4,
    workers=0,
    project=folder,
    device="cpu",
    plots=False,
    amp=False,
    val=False,
    save=False,
)
loss = float(model.trainer.loss.sum())
print(json.dumps({"names": [*model.trainer.data["names"].values()], "loss": loss}))
