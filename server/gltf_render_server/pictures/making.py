"""Renders the images of a file."""

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
from .looks import BACKDROP, ENVIRONMENT, Lighting, check_support, find_look, laid_over
from .reading import read_file
from .renderers import FileRenderer, Rendered, make_file_renderer, own_settings

__all__ = ["Picture", "Wanted", "check_passes", "pictures", "render_file"]

COLOUR, _INSTANCE = "color", "instance"
_SIZE = 800, 600
_WAIT_S = 60.0


@dataclass(frozen=True)
class Wanted:
    """What to render of a file.

    Attributes
    ----------
    passes : tuple of str
        The names of the passes in the table of passes.
    size : (int, int)
        The width and height of each image, in pixels.
    cameras : tuple of str
        See `cameras.find_views`.
    orbit : int or None
        The number of images from a ring around the model; None = a single image from the best direction.
    time_s : float
        The time in the file's animation.
    up_axis : {"y", "z"}
        The up axis of the file.
    ground : bool or None
        Whether colour shows a ground plane, on which the shadow falls. None = yes, with the
        default backdrop and a back end that supports it.
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
    """One rendered view of a file.

    Attributes
    ----------
    view : View
    scene : Scene
        The scene that it shows.
    arrays : mapping of str to array
        The arrays by pass name, as the table of passes describes them.
    stages_ms : mapping of str to float
        The milliseconds that the renderer spent in each stage.
    """

    view: View
    scene: Scene
    arrays: Mapping[str, Any]
    stages_ms: Mapping[str, float]


def _nothing(*_: object) -> None:
    """Ignore a notification."""


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
        The renderer, which is ready. It is not closed.
    on_scene : callable
        Called with the scene and the number of views, before the first view is rendered.

    Raises
    ------
    RequestError, SceneError
        The file cannot be rendered, or not with these options. The message says what to do.
    RenderError, UnavailableError
        Rendering failed, but might succeed at another time.
    """
    check_passes(wanted.passes)
    scene = renderer.asset(document).scene({}, wanted.time_s)
    views = find_views(scene, wanted.cameras, wanted.orbit, wanted.size, wanted.up_axis)
    look = find_look(wanted.lighting, scene, wanted.up_axis, renderer.looks)
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
    """The scene that some of the passes show, possibly with a ground plane."""

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
        # All surfaces are solid, so that no part of the model is mistaken for the ground. Colour does not
        # change.
        frame = Frame(self.scene, (view,), passes, look, alpha_threshold=None)
        rendered = renderer.render(self.document, frame, time_s)
        arrays = dict(rendered.arrays)
        numbers = arrays.pop(_INSTANCE)
        is_model = (numbers != 0) & (numbers != len(self.scene.instances))  # the ground is the last instance
        arrays[COLOUR] = self.ground.cleaned(arrays[COLOUR], is_model, view)
        return Rendered(arrays, rendered.stages_ms)


def _shown(document: Document, scene: Scene, wanted: Wanted, renderer: FileRenderer) -> list[_Shown]:
    """Group the passes by scene: colour may show a ground plane, but exact passes show the file alone."""
    lit = tuple(name for name in wanted.passes if find_pass(name).render in (Render.COLOUR, Render.LINEAR))
    if not (lit and _wants_ground(wanted, scene, renderer.looks)):
        return [_Shown(document, scene, wanted.passes)]
    ground = on_ground(document, scene, wanted.up_axis)
    stood = renderer.asset(ground.document).scene({}, wanted.time_s)
    is_clear = wanted.lighting.background != ENVIRONMENT
    found = [_Shown(ground.document, stood, lit, ground if is_clear else None)]
    exact = tuple(name for name in wanted.passes if name not in lit)
    return [*found, _Shown(document, scene, exact)] if exact else found


def _wants_ground(wanted: Wanted, scene: Scene, looks: frozenset[str]) -> bool:
    """Return whether colour shows a ground, which needs the light of an environment, and fades."""
    is_supported = {"environment", "transparent"} <= looks
    if wanted.ground:
        check_support("ground", is_supported)
    if wanted.ground is None:
        return is_supported and wanted.lighting.background == BACKDROP and len(scene.placements) > 0
    return wanted.ground


def check_passes(names: Sequence[str]) -> None:
    """Check that passes can be rendered for a file at a single moment.

    Raises
    ------
    RequestError
        A pass does not exist, or describes the motion to another moment.
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
    """Render a glTF file, and return the arrays by view name and pass name.

    Without `wanted`, the result is one well-framed colour image:
    ``render_file("robot.glb")["auto"]["color"]``. Each call starts a renderer, which takes some seconds. A
    program that renders often should use a server.

    Parameters
    ----------
    path : path
        A .glb, or a .gltf with its files beside it.
    wanted : Wanted, optional
    backend : str
        The back end that renders here.
    device : str
        The device on which Cycles renders.
    server : str, optional
        The address of a server that renders instead.

    Raises
    ------
    RenderServerError
        See `pictures`. The message says what to do.
    """
    settings = own_settings(backend=backend, device=device)
    with closing(make_file_renderer(settings, server, _WAIT_S)) as renderer:
        document = read_file(Path(path))
        renderer.wait(_nothing)
        made = pictures(document, wanted or Wanted(), renderer)
        return {picture.view.name: dict(picture.arrays) for picture in made}
