"""A file and what is wanted of it -> pictures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..dataset.shot import Document
from ..errors import RequestError
from ..frame import ALPHA_THRESHOLD, Frame, Look, View
from ..passes import Render, find_pass
from ..scene import Scene
from ..settings import UpAxis
from .cameras import AUTO, find_views
from .ground import Ground, on_ground
from .looks import BACKDROP, ENVIRONMENT, Lighting, find_look, laid_over
from .reading import read_file
from .renderers import FileRenderer, Rendered, make_file_renderer, own_settings

__all__ = ["Picture", "Wanted", "check_passes", "pictures", "render_file"]

COLOUR, _INSTANCE = "color", "instance"
_SIZE = 800, 600
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
    ground : bool or None
        Whether it stands on a ground in colour, on which its shadow falls; None = where Blender renders it
        before the usual backdrop.
    lighting : Lighting
    """

    passes: tuple[str, ...] = (COLOUR,)
    size: tuple[int, int] = _SIZE
    cameras: tuple[str, ...] = (AUTO,)
    orbit: int | None = None
    time_s: float = 0.0
    up_axis: UpAxis = "y"
    ground: bool | None = None
    lighting: Lighting = field(default_factory=Lighting)


@dataclass(frozen=True, eq=False)
class Picture:
    """One view of a file.

    Attributes
    ----------
    view : View
    scene : Scene
        What it shows.
    arrays : mapping of str to array
        By the names of the passes, each as the table of passes describes it.
    stages_ms : mapping of str to float
        Where the renderer's time went, milliseconds.
    """

    view: View
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
    shown = _shown(document, scene, wanted, renderer)
    for view in views:
        arrays: dict[str, Any] = {}
        stages_ms: Counter[str] = Counter()
        for each in shown:
            rendered = each.render(view, look, renderer, wanted.time_s)
            arrays |= rendered.arrays
            stages_ms.update({name: round(time_ms) for name, time_ms in rendered.stages_ms.items()})
        if COLOUR in arrays:
            arrays[COLOUR] = laid_over(arrays[COLOUR], wanted.lighting.background)
        arrays = {name: arrays[name] for name in wanted.passes}
        yield Picture(view, scene, arrays, stages_ms)


@dataclass(frozen=True, eq=False)
class _Shown:
    """What some of the passes show, perhaps on a ground."""

    document: Document
    scene: Scene
    passes: tuple[str, ...]
    ground: Ground | None = None

    def render(self, view: View, look: Look, renderer: FileRenderer, time_s: float) -> Rendered:
        """Render these passes of a view."""
        if self.ground is None or COLOUR not in self.passes:
            frame = Frame(self.scene, (view,), self.passes, look, alpha_threshold=ALPHA_THRESHOLD)
            return renderer.render(self.document, frame, time_s)
        passes = (*self.passes, _INSTANCE)
        # all surfaces are solid, so that nothing of the model is taken for the ground; colour stays the same
        frame = Frame(self.scene, (view,), passes, look, alpha_threshold=None)
        rendered = renderer.render(self.document, frame, time_s)
        arrays = dict(rendered.arrays)
        numbers = arrays.pop(_INSTANCE)
        is_model = (numbers != 0) & (numbers != len(self.scene.instances))  # the ground is the last
        arrays[COLOUR] = self.ground.cleaned(arrays[COLOUR], is_model, view)
        return Rendered(arrays, rendered.stages_ms)


def _shown(document: Document, scene: Scene, wanted: Wanted, renderer: FileRenderer) -> list[_Shown]:
    """Let colour show a ground where that is wanted: the exact passes tell of the file alone."""
    lit = tuple(name for name in wanted.passes if find_pass(name).render in (Render.COLOUR, Render.LINEAR))
    if not (lit and _wants_ground(wanted, scene, is_blender=renderer.is_blender)):
        return [_Shown(document, scene, wanted.passes)]
    ground = on_ground(document, scene, wanted.up_axis)
    stood = renderer.asset(ground.document).scene({}, wanted.time_s)
    is_clear = wanted.lighting.background != ENVIRONMENT
    found = [_Shown(ground.document, stood, lit, ground if is_clear else None)]
    exact = tuple(name for name in wanted.passes if name not in lit)
    return [*found, _Shown(document, scene, exact)] if exact else found


def _wants_ground(wanted: Wanted, scene: Scene, *, is_blender: bool) -> bool:
    if wanted.ground and not is_blender:
        raise RequestError("--ground: only Blender casts shadows; leave it out with this back end")
    if wanted.ground is None:
        return is_blender and wanted.lighting.background == BACKDROP and len(scene.placements) > 0
    return wanted.ground


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
