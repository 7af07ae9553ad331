"""A request in Drake's form, and the depth that its image contains.

The fields of the form are in `gltf_render_server.http.form`, and the colours of labels in
`gltf_render_server.labels`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray

from .connection import Connection

__all__ = ["decode_depth", "prepare_form"]


def prepare_form(connection: Connection, scene: bytes, fields: Mapping[str, str]) -> requests.PreparedRequest:
    """Prepare the request of an image, with the scene's digest; see `RenderClient.prepare`."""
    files = {"scene": ("scene.gltf", scene, "model/gltf+json")}
    fields = {"scene_sha256": hashlib.sha256(scene).hexdigest(), **fields}
    return connection.prepare("POST", "/render", data=fields, files=files)


def decode_depth(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Convert the pixels of a depth image to metres.

    Parameters
    ----------
    pixels : (height, width) float32 or uint16
        A TIFF contains metres, a PNG contains millimetres and 65535 = too far.

    Returns
    -------
    (height, width) float32
        Metres along the optical axis; 0 = too close, inf = too far.
    """
    if pixels.dtype == np.float32:
        return pixels
    metres = pixels.astype(np.float32) / np.float32(1000)
    return np.where(pixels == np.iinfo(np.uint16).max, np.float32(np.inf), metres)
