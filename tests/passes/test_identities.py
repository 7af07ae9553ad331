"""On random scenes, what must hold of the passes holds at every pixel, with each back end.

``pytest -s`` on this file prints the figures that docs/exactness.md tells.
"""

import os
import sys

import pytest
from agreement import Agreement
from any_scene import odd_scenes, recipes
from hypothesis import HealthCheck, Phase, given, settings
from identities import PASSES, Figures, Seen, truths
from raycaster import File

from gltf_render_server.frame import Frame
from gltf_render_server.gltf import parse_scene
from gltf_render_server.settings import ServerSettings

SCENES = int(os.environ.get("GLTF_RENDER_SERVER_SCENES", "40"))
# a scene is small, and all of it comes of its seeds: there is nothing to make smaller
MANY = settings(
    max_examples=SCENES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
BACK_ENDS = ("vtk", "blender")


@pytest.fixture(scope="module")
def vtk():
    pytest.importorskip("vtkmodules", reason="the vtk package is not installed")
    from gltf_render_server.vtk import VtkRenderer

    renderer = VtkRenderer(ServerSettings())
    yield renderer
    renderer.close()


@pytest.fixture(scope="module")
def blender():
    pytest.importorskip("bpy", reason="the bpy package is not for this Python")
    from gltf_render_server.blender import BlenderRenderer

    renderer = BlenderRenderer(ServerSettings())
    yield renderer
    renderer.close()


def rendered(renderer, made):
    scene = parse_scene(made.data, extensions=renderer.extensions)
    frame = Frame(scene, made.views, PASSES, alpha_threshold=made.alpha_threshold)
    return scene, renderer.render(frame).views


def broken(renderer, made, figures):
    """Return which identities do not hold."""
    file = File(made.data)
    scene, views = rendered(renderer, made)
    found = []
    for view, arrays in zip(made.views, views, strict=True):
        truth, label_truth = truths(file, view, alpha_threshold=made.alpha_threshold)
        found += figures.check(renderer.info.name, Seen(arrays, view, scene, file, truth, label_truth))
    return "\n".join(found)


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_random_scenes(back_end, request):
    renderer, figures = request.getfixturevalue(back_end), Figures()

    @MANY
    @given(recipes)
    def check(recipe):
        assert not (found := broken(renderer, recipe.scene(), figures)), found

    check()
    sys.stdout.write(
        f"\n{renderer.info.name} {renderer.info.version}, {SCENES} scenes\n\n{figures.table()}\n"
    )


@pytest.mark.parametrize("name", odd_scenes())
@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_odd_scenes(back_end, name, request):
    renderer, figures = request.getfixturevalue(back_end), Figures()
    found = broken(renderer, odd_scenes()[name], figures)
    sys.stdout.write(f"\n{renderer.info.name}, {name}\n\n{figures.table()}\n")
    assert not found, found


def test_back_ends_agree(vtk, blender):
    agreement = Agreement()

    @MANY
    @given(recipes)
    def compare(recipe):
        made = recipe.scene()
        pairs = zip(rendered(vtk, made)[1], rendered(blender, made)[1], strict=True)
        for one, other in pairs:
            agreement.add(one, other)

    compare()
    sys.stdout.write(f"\n{agreement.table()}\n")
    agreement.check()
