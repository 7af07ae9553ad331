"""Reads selected passes of a render directly from Blender's memory, without a file."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

__all__ = ["RenderedPasses", "reading_passes"]

RenderedPasses = Mapping[str, NDArray[np.float32]]
"""The passes by Blender's names: (height, width, channels), row by row from the top of the rendered window.
"""


@contextmanager
def reading_passes(scene: bpy.types.Scene, names: Collection[str]) -> Iterator[RenderedPasses]:
    """Read passes of the first view layer of a scene that Cycles renders in the ``with`` block.

    Blender makes the pixels of a render available only while an engine is running. Therefore, Cycles' engine
    class is patched to read them at the end of each view layer. The layer must be rendered as a single tile;
    see `engines.make_exact`.

    Parameters
    ----------
    scene : bpy.types.Scene
        The scene. Renders of other scenes in the meantime, such as a viewport preview, are not read.
    names : collection of str
        Blender's names of the passes. Passes that the render does not have are left out.

    Yields
    ------
    RenderedPasses
        The passes, filled once the scene was rendered. The mapping stays empty if that fails.
    """
    # an add-on, which exists only once Blender has started
    engine = importlib.import_module("cycles").CyclesRender
    render = engine.render
    passes: dict[str, NDArray[np.float32]] = {}
    failures: list[Exception] = []

    def render_and_read(self: Any, depsgraph: bpy.types.Depsgraph) -> None:
        render(self, depsgraph)
        if depsgraph.scene != scene or self.test_break():
            return
        try:
            passes.update(_read(self.get_result(), names))
        except Exception as error:  # noqa: BLE001  raised again below; Blender would only print it
            failures.append(error.with_traceback(None))  # the traceback would keep the engine alive

    engine.render = render_and_read
    try:
        yield passes
    finally:
        engine.render = render
    if failures:
        raise failures[0]


def _read(result: Any, names: Collection[str]) -> dict[str, NDArray[np.float32]]:
    shape = (result.resolution_y, result.resolution_x)
    passes = {}
    for item in result.layers[0].passes:
        if item.name in names:
            numbers = np.empty((*shape, item.channels), np.float32)
            item.rect.foreach_get(numbers.reshape(-1))
            passes[item.name] = numbers[::-1]  # Blender counts rows from the bottom
    return passes
