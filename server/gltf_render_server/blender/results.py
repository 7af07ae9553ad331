"""The passes of a render, read where Blender keeps them: without a file, and those that are asked for."""

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
"""By Blender's name of each pass: (height, width, channels), row by row from the top of what was rendered."""


@contextmanager
def reading_passes(scene: bpy.types.Scene, names: Collection[str]) -> Iterator[RenderedPasses]:
    """Read passes of the first view layer of a scene that Cycles renders in the ``with`` block.

    Blender lets a render's numbers be read only while an engine is at work. So Cycles' engine is made to read
    them as the last of its own work on a view layer, which must be one tile then: see `engines.make_exact`.

    Parameters
    ----------
    scene : bpy.types.Scene
        What is rendered of other scenes meanwhile, such as a preview in Blender's window, is not read.
    names : collection of str
        Blender's names of the passes; those that the render does not have are left out.

    Yields
    ------
    RenderedPasses
        Filled when the scene has been rendered; still empty if that failed.
    """
    engine = importlib.import_module("cycles").CyclesRender  # an add-on: there only once Blender has started
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
            failures.append(error.with_traceback(None))  # which would keep the engine

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
            passes[item.name] = numbers[::-1]  # Blender counts rows from below
    return passes
