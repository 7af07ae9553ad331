"""On random scenes, what must hold of the passes holds at every pixel, with each back end.

``pytest -s`` on this file prints the figures that docs/exactness.md tells.
"""

import os
import sys

import pytest
from agreement import Agreement
from any_scene import odd_scenes, recipes
from hypothesis import HealthCheck, Phase, given, settings
from identities import MORE_PASSES, PASSES, Figures, Seen, Then, truths
from raycaster import File

from gltf_render_server.frame import Frame, Moment
from gltf_render_server.gltf import read_asset
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
    scene = read_asset(made.data, extensions=renderer.extensions).scene()
    frame = Frame(scene, made.views, PASSES, alpha_threshold=made.alpha_threshold)
    return renderer.render(frame).views


def seen_twice(renderer, made):
    """Render the views of a scene, and what flow leads to by itself."""
    asset, later = read_asset(made.data, extensions=renderer.extensions), made.later()
    scene, scene_then = asset.scene(), asset.scene(later.named_poses)
    after = Moment(scene_then, tuple(view.camera_to_world for view in later.views))
    threshold = made.alpha_threshold
    frame = Frame(scene, made.views, PASSES + MORE_PASSES, after=after, alpha_threshold=threshold)
    frame_then = Frame(scene_then, later.views, ("instance",), alpha_threshold=threshold)
    file, file_then = File(made.data), File(made.data, poses=later.poses)
    both = zip(renderer.render(frame).views, renderer.render(frame_then).views, strict=True)
    for view, view_then, (arrays, arrays_then) in zip(made.views, later.views, both, strict=True):
        then = Then(view_then, scene_then, file_then, arrays_then["instance"])
        truth, label_truth = truths(file, view, alpha_threshold=threshold)
        yield Seen(arrays, view, scene, file, truth, label_truth, threshold, then)


def broken(renderer, made, figures):
    """Return which identities do not hold."""
    found = [figures.check(renderer.info.name, seen) for seen in seen_twice(renderer, made)]
    return "\n".join(message for messages in found for message in messages)


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
    assert not (found := figures.check_all()), found


@pytest.mark.parametrize("name", odd_scenes())
@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_odd_scenes(back_end, name, request):
    renderer, figures = request.getfixturevalue(back_end), Figures()
    found = broken(renderer, odd_scenes()[name], figures)
    sys.stdout.write(f"\n{renderer.info.name}, {name}\n\n{figures.table()}\n")
    assert not found, found
    assert not (found := figures.check_all()), found


def test_back_ends_agree(vtk, blender):
    agreement = Agreement()

    @MANY
    @given(recipes)
    def compare(recipe):
        made = recipe.scene()
        pairs = zip(rendered(vtk, made), rendered(blender, made), strict=True)
        for one, other in pairs:
            agreement.add(one, other)

    compare()
    sys.stdout.write(f"\n{agreement.table()}\n")
    agreement.check()
