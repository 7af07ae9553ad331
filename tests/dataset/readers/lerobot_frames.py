"""Loads a LeRobot dataset with LeRobot itself, and tells what it finds.

usage: lerobot_frames.py FOLDER PICTURES: the frames' pictures go into the file PICTURES (.npz)
"""

import json
import sys

import numpy as np
from lerobot.datasets.compute_stats import aggregate_stats, get_feature_stats
from lerobot.datasets.lerobot_dataset import LeRobotDataset


def load(**options):
    return LeRobotDataset("a/dataset", root=root, video_backend="pyav", depth_output_unit="m", **options)


def stacked(key, frames):
    return np.stack([np.atleast_1d(np.asarray(frame[key])) for frame in frames])


def statistics(key):
    """Return what LeRobot computes of all frames, episode by episode, and merges."""
    parts = []
    for number in range(dataset.num_episodes):
        values = stacked(key, [frame for frame in frames if frame["episode_index"] == number])
        is_picture = key in meta.video_keys
        found = get_feature_stats(values, axis=(0, 2, 3) if is_picture else 0, keepdims=is_picture)
        parts.append({key: {name: each[0] if each.ndim == 4 else each for name, each in found.items()}})
    return listed(aggregate_stats(parts)[key])


def listed(found):
    return {name: np.ravel(value).tolist() for name, value in found.items()}


root, pictures = sys.argv[1:]
dataset = load()
meta = dataset.meta
frames = [dataset[number] for number in range(len(dataset))]
np.savez(pictures, **{key: stacked(key, frames) for key in meta.video_keys})

around = {key: [-1 / meta.fps, 0.0] for key in ("observation.images.camera_0", "observation.state")}
windows = load(delta_timestamps=around)
numbers = [key for key in meta.features if key not in meta.video_keys]
told = {
    "episodes": dataset.num_episodes,
    "fps": meta.fps,
    "depth_keys": meta.depth_keys,
    "splits": meta.info.splits,
    "tasks": [frame["task"] for frame in frames],
    "names": meta.names,
    "numbers": {key: stacked(key, frames).tolist() for key in numbers},
    "statistics": {key: statistics(key) for key in meta.features},
    "kept_statistics": {key: listed(meta.stats[key]) for key in meta.features},
    "windows": [
        {key: [list(window[key].shape), window[f"{key}_is_pad"].tolist()] for key in around}
        for window in map(windows.__getitem__, range(len(windows)))
    ],
}
print(json.dumps(told))
