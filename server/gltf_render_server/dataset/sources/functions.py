"""A source that calls a Python function of the user for each item."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from blake3 import blake3
from msgspec import Meta, Struct

from ...errors import DatasetError
from ...frame import Frame
from ...gltf import Asset
from ..randomness import generator
from ..shot import Document, Shot
from .context import Context
from .subject import Read, Stance, Subject

__all__ = ["FunctionSource", "Functions"]


class FunctionSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="python"):
    """A function of your own, ``frame(index, rng)``, that returns a `Shot` or a `Frame`."""

    function: Annotated[
        str,
        Meta(
            pattern=r"^.+\.py:[A-Za-z_]\w*$",
            description="A Python file and a function in it, such as shots.py:frame.",
        ),
    ]
    items: Annotated[
        int, Meta(ge=1, le=10**9, description="Number of items, for each of which the function is called.")
    ]


@dataclass(frozen=True, eq=False)
class _FrameShot(Shot):
    """A shot whose frame exists already; it cannot be sent to a server."""

    made: Frame = field(kw_only=True)

    def frame(self, asset: Asset) -> Frame:
        """Return the frame."""
        del asset
        return self.made


class Functions:
    """See `subject.Source`."""

    def __init__(self, source: FunctionSource, context: Context) -> None:
        self._source = source
        self._context = context
        file, _, self._name = source.function.rpartition(":")
        self._path = context.file(file, "source.function")
        _ = self._function  # raises now if the function cannot be loaded

    def __len__(self) -> int:
        return self._source.items

    def name(self, index: int) -> str:
        """See `subject.Source`."""
        return f"{self._source.function}#{index}"

    def digest(self) -> str:
        """See `subject.Source`."""
        return blake3(self._path.read_bytes()).hexdigest()

    def subject(self, index: int, read: Read) -> Subject:
        """See `subject.Source`."""
        del read
        shot = self._function(index, generator(self._context.seed, "python", index))
        if isinstance(shot, Frame):
            document = Document(shot.scene.asset.key)
            shot = _FrameShot(document, shot.views, shot.passes, shot.look, made=shot)
        if not isinstance(shot, Shot):
            raise DatasetError(
                f"{self._source.function}({index}, rng) returned {type(shot).__name__}; it must return a "
                "Shot or a Frame"
            )
        return Subject(
            name=self.name(index),
            sequence=self.name(index),
            document=shot.document,
            stance=(stance := Stance(range(1))),
            first=stance,
            assets=self._context.assets(shot.document),
            shot=shot,
            cameras=tuple(view.name for view in shot.views),
        )

    @cached_property
    def _function(self) -> Callable[[int, np.random.Generator], Any]:
        """The loaded function; its module has a unique name, and can import the files beside it."""
        name = f"_dataset_{blake3(str(self._path).encode()).hexdigest()[:16]}"
        specification = importlib.util.spec_from_file_location(name, self._path)
        if specification is None or specification.loader is None:
            raise DatasetError(f"source.function: {self._path} is not a Python file")
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module
        beside = str(self._path.parent)
        sys.path.insert(0, beside)
        try:
            specification.loader.exec_module(module)
        except Exception as error:
            said = f"source.function: {self._path}: {type(error).__name__}: {error}"
            raise DatasetError(said) from error
        finally:
            sys.path.remove(beside)
        function = getattr(module, self._name, None)
        if not callable(function):
            raise DatasetError(f"source.function: {self._path.name} has no function {self._name}")
        return function
