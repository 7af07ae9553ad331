"""A source of objects: each file is shown alone, scaled to one size."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct

from ...errors import SceneError
from ...gltf.placing import ONE_OBJECT
from ...scene import Scene
from ..cameras import bounds
from ..choices import Patterns
from ..composition import Composition
from ..item import CATEGORY
from ..shot import Document
from .context import Context, ViewsPerItem, digest_of_names
from .subject import Read, Stance, Subject

__all__ = ["Objects", "ObjectsSource"]

_SMALLEST = 1e-9


class ObjectsSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="objects"):
    """Each GLB or glTF file alone, brought to one size, with its middle at the origin."""

    files: Annotated[
        Patterns,
        Meta(
            description="Glob patterns of the files, relative to the specification, such as models/**/*.glb."
        ),
    ]
    size: Annotated[
        Annotated[float, Meta(gt=0, lt=1e6)] | Literal[False],
        Meta(
            description="Longest side of each object's bounding box in metres; false = the object keeps its "
            "size and its place."
        ),
    ] = 1.0
    category: Annotated[
        Literal["file", "folder", "nodes"],
        Meta(
            description="What names an object's category: its file, the folder that holds the file, or "
            "the nodes in "
            "the file, each of which is an object of its own then."
        ),
    ] = "file"
    views_per_item: ViewsPerItem = 64


class Objects:
    """See `subject.Source`."""

    def __init__(self, source: ObjectsSource, context: Context) -> None:
        self._source = source
        self._context = context
        self._paths = context.files(source.files, "source.files")
        self._parts = context.parts(source.views_per_item)

    def __len__(self) -> int:
        return len(self._paths) * len(self._parts)

    def name(self, index: int) -> str:
        """See `subject.Source`."""
        return self._context.shown(self._paths[index // len(self._parts)])

    def digest(self) -> str:
        """See `subject.Source`."""
        return digest_of_names(map(self._context.name_and_size, self._paths))

    def subject(self, index: int, read: Read) -> Subject:
        """See `subject.Source`."""
        number, part = divmod(index, len(self._parts))
        path, stance = self._paths[number], Stance(self._parts[part])
        whole = self._context.document(path)
        is_whole = self._source.category != "nodes"
        name = path.parent.name if self._source.category == "folder" else path.stem
        document = self._prepared(whole, read(whole).scene(), name, is_whole=is_whole)
        return Subject(
            name=self.name(index),
            sequence=self.name(index),
            document=document,
            stance=stance,
            first=stance,
            assets=self._context.assets(whole),
            asset_of={name: whole.sha256} if is_whole else {},
        )

    def _prepared(self, document: Document, scene: Scene, name: str, *, is_whole: bool) -> Document:
        """Return the document of an object, scaled and moved to the origin."""
        if not len(scene.placements):
            raise SceneError("the file shows nothing: it has no triangles")
        matrix = np.eye(4)
        if self._source.size is not False:
            box = bounds(scene)
            longest = float((box.high - box.low).max())
            if longest < _SMALLEST:
                raise SceneError("all that the file shows is in one point, so it cannot be scaled to a size")
            scale = self._source.size / longest
            matrix[:3, :3] *= scale
            matrix[:3, 3] = -scale * (box.low + box.high) / 2
        composition = Composition()
        composition.add(document, name, matrix, {ONE_OBJECT: True, CATEGORY: name} if is_whole else None)
        return composition.document()
