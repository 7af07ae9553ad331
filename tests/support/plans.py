"""A plan that needs no specification: cameras around the still life, and items that cannot be made."""

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

from stores import STILL_LIFE, looking_at

from gltf_render_server.dataset.item import Item
from gltf_render_server.dataset.records import Manifest, PassRecord
from gltf_render_server.dataset.shot import Document, Shot, ShotMoment
from gltf_render_server.errors import DatasetError
from gltf_render_server.frame import Lens, Look, View
from gltf_render_server.passes import PASSES

EXACT = ("depth", "label", "instance", "instances", "normal")
MIDDLE = (0.0, 0.1, 0.0)


def broken_documents():
    """Documents that cannot be shown, by what is wrong with them."""
    good = STILL_LIFE.read_bytes()
    return {
        "empty": b"",
        "cut short": good[: len(good) // 2],
        "no glTF": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "no JSON": b'{"asset": {"version": "2.0"',
        "glTF 1": json.dumps({"asset": {"version": "1.0"}}).encode(),
        "dangling": json.dumps(
            {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [7]}], "nodes": [{}]}
        ).encode(),
        "unknown": json.dumps(
            {
                "asset": {"version": "2.0"},
                "extensionsRequired": ["X_unknown"],
                "extensionsUsed": ["X_unknown"],
            }
        ).encode(),
    }


@dataclass(frozen=True)
class RingPlan:
    """Items that show the still life from cameras on a ring.

    Attributes
    ----------
    items : int
    broken : dict of int to str
        Items whose document is one of `broken_documents`, or that have no source at all: "missing".
    passes : tuple of str
    width : int
        Of the pictures, px; they are three quarters as high.
    motion : bool
        Whether the cameras move on along the ring, for passes that tell of motion.
    """

    items: int = 6
    broken: dict[int, str] = field(default_factory=dict)
    passes: tuple[str, ...] = ("color", *EXACT)
    width: int = 80
    views: int = 1
    document: Path = STILL_LIFE
    look: Look = field(default_factory=lambda: Look(up_axis="y"))
    motion: bool = False

    def __len__(self):
        return self.items

    def name(self, index):
        return self.broken.get(index, self.document.name)

    def item(self, index, read):
        shot = Shot(self._document(index), self._views(index), self.passes, self.look)
        if self.motion:
            cameras = tuple(view.camera_to_world for view in self._views(index, 0.1))
            shot = replace(shot, moments={"after": ShotMoment({}, 0.0, cameras)})
        return Item(index, self.name(index), shot, ("ring",) * self.views, sequence=self.name(index))

    def manifest(self, versions):
        return Manifest(
            specification={"source": {"kind": "ring"}},
            seed=1,
            items=self.items,
            categories=[],
            up_axis="y",
            passes=[PassRecord.of(PASSES[name]) for name in self.passes],
            versions=versions,
            source="",
        )

    def _document(self, index):
        kind = self.broken.get(index)
        if kind == "missing":
            raise DatasetError(f"item {index}: there is no such file")
        return Document(self.document.read_bytes() if kind is None else broken_documents()[kind])

    def _views(self, index, later=0.0):
        width, height = self.width, self.width * 3 // 4
        lens = Lens(width, height, 1.1 * width, 1.1 * width, width / 2, height / 2, 0.01, 100.0)
        angles = [2 * math.pi * (index * self.views + view + later) / 50 for view in range(self.views)]
        places = [(0.9 * math.sin(angle), 0.6, 0.9 * math.cos(angle)) for angle in angles]
        return tuple(
            View(lens, looking_at(place, MIDDLE, (0, 1, 0)), f"view_{number}")
            for number, place in enumerate(places)
        )
