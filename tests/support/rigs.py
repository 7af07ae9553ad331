"""Frames of several views and passes, and what they must give, for every back end alike."""

import json
from dataclasses import replace

import numpy as np
from drake_like import DrakeScene, add_accessor, box, column_major, look_at, sphere, translation
from frames import array_of

from gltf_render_server.frame import Frame, Lens, View
from gltf_render_server.gltf import parse_scene
from gltf_render_server.passes import PASSES, Pass, Render, register

EXACT = tuple(
    name for name, row in PASSES.items() if row.render is Render.EXACT and row.moment is None and row.is_image
)
LENSES = (
    Lens(48, 36, 45.0, 45.0, 24.0, 18.0, 0.05, 20.0),
    Lens(40, 52, 45.0, 50.0, 12.0, 30.0, 0.5, 20.0),
    Lens(64, 48, 30.0, 30.0, 32.0, 24.0, 0.05, 30.0),
    Lens(3, 2, 4.0, 4.0, 1.5, 1.0, 0.05, 20.0),
)
EYES = ((1.6, -1.9, 1.5), (-1.2, -2.1, 0.9), (0.3, 2.2, 1.9), (2.5, 0.4, 0.6))
HIDDEN_RGBA = [253 / 255, 127 / 255, 0, 1]
"""Of what Drake's label render does not show."""


def views_from(eyes=EYES, shift=(0.0, 0.0, 0.0)):
    """A view from each eye, looking at `shift`."""
    return tuple(
        View(lens, look_at(np.add(eye, shift), np.add((0, 0, 0.3), shift)), f"view {index}")
        for index, (lens, eye) in enumerate(zip(LENSES, eyes, strict=False))
    )


def read(renderer, document):
    return parse_scene(json.dumps(document).encode(), extensions=renderer.extensions)


def hiding(document, *materials):
    """Let Drake not render the label of some materials."""
    for index in materials:
        document["materials"][index]["pbrMetallicRoughness"]["baseColorFactor"] = HIDDEN_RGBA
    return document


def assert_each_as_alone(renderer, frame):
    """Compare a frame's arrays with those of as many frames of one view and one pass."""
    rendered = renderer.render(frame).views
    assert len(rendered) == len(frame.views)
    for view, arrays in zip(frame.views, rendered, strict=True):
        assert tuple(arrays) == frame.passes
        for name, array in arrays.items():
            row = PASSES[name]
            assert array.dtype == row.dtype_in(frame.scene)
            assert array.shape[:2] == (view.lens.height, view.lens.width)
            alone = array_of(renderer, replace(frame, views=(view,), passes=(name,)))
            np.testing.assert_array_equal(array, alone, err_msg=f"{view.name}: {name}")


def add_node(document, **node):
    document["nodes"].append(node)
    document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)


def objects():
    """A document with five objects in a row along x: a mesh twice, instances of it, and two primitives.

    Their numbers are 1 to 5, from left to right.
    """
    bodies = [box((0.4, 0.4, 0.4), translation(-2, 0, 0), 7), sphere(0.2, translation(2, 0, 0), 8)]
    document = DrakeScene(bodies, look_at((0, -6, 0), (0, 0, 0))).document("label")
    add_node(document, mesh=0, matrix=column_major(translation(-1, 0, 0)))
    moves = add_accessor(document, np.array([[0, 0, 0], [1, 0, 0]], "<f4"), "VEC3")
    instanced = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": moves}}}
    add_node(document, mesh=0, extensions=instanced)
    document["extensionsUsed"] = document["extensionsRequired"] = ["EXT_mesh_gpu_instancing"]
    top = dict(document["meshes"][0]["primitives"][0])
    raised = bodies[0].vertices + np.float32([0, 0, 0.4])
    top["attributes"] = {"POSITION": add_accessor(document, raised.astype("<f4"), "VEC3")}
    document["meshes"][1]["primitives"].append(top)
    return document


OBJECTS_VIEW = View(Lens(120, 40, 120.0, 120.0, 60.0, 20.0, 0.1, 20.0), look_at((0, -6, 0), (0, 0, 0)))
OBJECT_COLUMNS = [20, 40, 60, 80, 100]
"""Where the middles of the five objects are seen."""


def assert_objects_are_told_apart(renderer):
    scene = read(renderer, objects())
    [arrays] = renderer.render(Frame(scene, (OBJECTS_VIEW,), ("instance", "label"))).views
    seen = arrays["instance"][20, OBJECT_COLUMNS].tolist()
    assert sorted(seen) == [1, 2, 3, 4, 5]
    assert len(scene.instances) == 5
    where = scene.instances.matrix[np.array(seen) - 1, 0, 3]
    np.testing.assert_allclose(where, [-2, -1, 0, 1, 2], atol=1e-9)
    assert arrays["label"][20, OBJECT_COLUMNS].tolist() == [7, 7, 7, 7, 8]
    assert arrays["instance"][13, 100] == seen[4], "two primitives of one node are one object"
    assert arrays["label"][13, 100] in (7, 8)
    assert arrays["instance"][0, 0] == 0


def along_the_ray(render):
    lens = render.view.lens
    y, x = np.mgrid[: lens.height, : lens.width] + 0.5
    slope = np.hypot((x - lens.center_x) / lens.focal_x, (y - lens.center_y) / lens.focal_y)
    return render.exact.depth * np.hypot(1, slope).astype(np.float32)


def assert_a_new_pass_works(renderer, table):
    """Distance along the ray: a pass of three lines, and a row."""
    row = ("along_the_ray", "Metres along the ray.", "float32", (1,), "m", Render.EXACT, along_the_ray)
    register(Pass(*row))
    try:
        scene = read(renderer, table.document())
        views = views_from()
        frame = Frame(scene, views, ("along_the_ray", "depth"))
        for view, arrays in zip(views, renderer.render(frame).views, strict=True):
            expected = distance_of(arrays["depth"], view.lens)
            np.testing.assert_allclose(arrays["along_the_ray"], expected, rtol=1e-6)
            assert arrays["along_the_ray"].dtype == np.float32
    finally:
        del PASSES["along_the_ray"]


def distance_of(depth, lens):
    """The length of each point, by another way."""
    v, u = np.indices(depth.shape)
    rays = np.stack([(u + 0.5 - lens.center_x) / lens.focal_x, (v + 0.5 - lens.center_y) / lens.focal_y], -1)
    with np.errstate(invalid="ignore"):
        points = np.concatenate([rays, np.ones((*depth.shape, 1))], -1) * depth[..., None]
        return np.where(np.isinf(depth), np.inf, np.linalg.norm(points, axis=-1))
