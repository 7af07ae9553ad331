"""A document whose objects have keypoints."""

import json

import numpy as np
from drake_like import DrakeScene, box, translation

from gltf_render_server.dataset.shot import Document


def keypoint_document():
    """Two boxes of one category with three keypoints each, one of another with one, and one with none."""
    bodies = [
        box((0.6, 0.6, 0.6), translation(-0.7, 0, 0), 1),
        box((0.6, 0.6, 0.6), translation(0.7, 0, 0), 2),
        box((0.4, 0.9, 0.4), translation(0, 0, 0.8), 3),
        box((3.0, 0.1, 3.0), translation(0, -0.5, 0), 4),
    ]
    document = DrakeScene(bodies, np.eye(4)).document("label")
    nodes = document["nodes"]
    points = {"front": (0, 0, 0.3), "right": (0.3, 0, 0), "far": (9, 0, 0)}
    for index, (name, own) in enumerate(
        [("crate1", points), ("crate2", points), ("post", {"tip": (0, 0.45, 0)}), ("floor", {})]
    ):
        nodes[index]["name"] = name
        nodes[index]["children"] = list(range(len(nodes), len(nodes) + len(own)))
        if not own:
            del nodes[index]["children"]
        nodes.extend({"name": f"keypoint:{each}", "translation": place} for each, place in own.items())
    return Document(json.dumps(document).encode())
