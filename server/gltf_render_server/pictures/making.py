"""A file and what is wanted of it -> pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..dataset.shot import Document
from ..errors import RequestError
from ..frame import ALPHA_THRESHOLD, Frame, View
from ..passes import find_pass
from ..scene import Scene
from ..settings import UpAxis
from .cameras import AUTO, find_views
from .looks import Lighting, find_look, laid_over
from .reading import read_file
from .renderers import FileRenderer, make_file_renderer, own_settings

__all__ = ["Picture", "Wanted", "check_passes", "pictures", "render_file"]

COLOUR = "color"
_SIZE = 1024, 768
_WAIT_S = 60.0


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a file.

    Attributes
    ----------
    passes : tuple of str
        Names of rows of the table of passes.
    size : (int, int)
        Width and height of each picture, in pixels.
    cameras : tuple of str
        See `cameras.find_views`.
    orbit : int or None
        How many pictures there are from a ring around the model; None = one from where it is seen best.
    time_s : float
        When its animation is shown.
    up_axis : {"y", "z"}
        Which axis of the file points up.
    lighting : Lighting
    """

    passes: tuple[str, ...] = (COLOUR,)
    size: tuple[int, int] = _SIZE
    cameras: tuple[str, ...] = (AUTO,)
    orbit: int | None = None
    time_s: float = 0.0
    up_axis: UpAxis = "y"
    lighting: Lighting = field(default_factory=Lighting)


@dataclass(frozen=True, eq=False)
class Picture:
    """One view of a file.

    Attributes
    ----------
    view : View
    number, count : int
        Which view it is, from 1 on, and of how many.
    scene : Scene
        What it shows.
    arrays : mapping of str to array
        By the names of the passes, each as the table of passes describes it.
    stages_ms : mapping of str to float
        Where the renderer's time went, milliseconds.
    """

    view: View
    number: int
    count: int
    scene: Scene
    arrays: Mapping[str, Any]
    stages_ms: Mapping[str, float]


def _nothing(*_: object) -> None:
    """Tell nobody."""


def pictures(
    document: Document,
    wanted: Wanted,
    renderer: FileRenderer,
    on_scene: Callable[[Scene, int], None] = _nothing,
) -> Iterator[Picture]:
    """Render a file, one view after another.

    Parameters
    ----------
    document : Document
        The file; see `reading.read_file`.
    wanted : Wanted
    renderer : FileRenderer
        Is ready, and stays open.
    on_scene : callable
        Is told what is shown, and in how many views, before the first is rendered.

    Raises
    ------
    RequestError, SceneError
        The file cannot be shown, or not as wanted; the message says what to do.
    RenderError, UnavailableError
        It was not rendered, though it might be at another time.
    """
    check_passes(wanted.passes)
    scene = renderer.asset(document).scene({}, wanted.time_s)
    views = find_views(scene, wanted.cameras, wanted.orbit, wanted.size, wanted.up_axis)
    look = find_look(wanted.lighting, scene, wanted.up_axis, is_blender=renderer.is_blender)
    on_scene(scene, len(views))
    frame = Frame(scene, tuple(views), wanted.passes, look, alpha_threshold=ALPHA_THRESHOLD)
    for number, single in enumerate(frame.alone(), 1):
        rendered = renderer.render(document, single, wanted.time_s)
        arrays = dict(rendered.arrays)
        if COLOUR in arrays:
            arrays[COLOUR] = laid_over(arrays[COLOUR], wanted.lighting.background)
        [view] = single.views
        yield Picture(view, number, len(views), scene, arrays, rendered.stages_ms)


def check_passes(names: Sequence[str]) -> None:
    """Check that passes can be made of a file at one moment.

    Raises
    ------
    RequestError
        There is no such pass, or it tells of the motion to another moment.
    """
    for name in names:
        if find_pass(name).moment is not None:
            raise RequestError(
                f"--passes: {name} tells of the motion between two moments, and here is one; the JSON API "
                "and gltf-render-dataset make it"
            )


def render_file(
    path: str | os.PathLike[str],
    wanted: Wanted | None = None,
    *,
    backend: str = "blender",
    device: str = "auto",
    server: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Return pictures of a glTF file, by the names of views and passes.

    Without `wanted`, it is one well framed colour picture: ``render_file("robot.glb")["auto"]["color"]``.
    Each call starts what renders, which takes some seconds; a program that renders often asks a server.

    Parameters
    ----------
    path : path
        A .glb, or a .gltf with its files beside it.
    wanted : Wanted, optional
    backend : str
        What renders here.
    device : str
        What Cycles renders on.
    server : str, optional
        The address of a server that is to render instead.

    Raises
    ------
    RenderServerError
        See `pictures`; the message says what to do.
    """
    settings = own_settings(backend=backend, device=device)
    with closing(make_file_renderer(settings, server, _WAIT_S)) as renderer:
        document = read_file(Path(path))
        renderer.wait(_nothing)
        made = pictures(document, wanted or Wanted(), renderer)
        return {picture.view.name: dict(picture.arrays) for picture in made}
