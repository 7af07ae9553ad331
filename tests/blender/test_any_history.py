"""Whatever was asked before, the answer is that of a process that has never been asked anything."""

import dataclasses
import json
import os
from collections.abc import Callable

import numpy as np
import pytest
from defaults import Warm
from drake_like import DrakeScene, add_accessor, box, column_major, look_at, png_uri, sphere, translation
from frames import PLAIN
from fresh import FreshRenderers
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from gltf_render_server.frame import Lens
from gltf_render_server.settings import ServerSettings

bpy = pytest.importorskip("bpy")

EXAMPLES = int(os.environ.get("GLTF_RENDER_SERVER_HISTORIES", "3"))
STEPS = 12
KINDS = ("color", "depth", "label", "mask_amodal")

CAMERAS = (
    Lens(48, 36, 45.0, 45.0, 23.5, 17.5, 0.05, 20.0),
    Lens(40, 52, 45.0, 50.0, 12.0, 30.0, 0.5, 20.0),
)
EYES = ((1.6, -1.9, 1.5), (-1.2, -2.1, 0.9), (40.0, 2.0, 3.0))
# coincident faces: which of two is hit must not depend on which came first
SHAPES = (
    box((0.5, 0.4, 0.6), np.eye(4), 1),
    sphere(0.35, np.eye(4), 1, rings=6),
    box((0.5, 0.4, 0.2), np.eye(4), 1),
)
PLACES = st.builds(translation, *(st.sampled_from((-0.5, 0.0, 0.25)) for _ in range(2)), st.just(0.3))
COLOURS = ((0.8, 0.3, 0.2, 1.0), (0.1, 0.5, 0.9, 1.0), (0.2, 0.7, 0.3, 0.5))
LIGHT = {"type": "point", "intensity": 900.0, "color": [1.0, 0.8, 0.6]}


def noise(seed):
    return np.random.default_rng(seed).integers(0, 255, (16, 16, 4), np.uint8)


@dataclasses.dataclass
class Thing:
    """A body that may be textured, and stand in several places."""

    shape: int
    places: list
    label: int
    rgba: tuple
    texture: int | None = None
    mode: str = "OPAQUE"


class History(RuleBasedStateMachine):
    """Changes a scene step by step as clients do, and looks at it in between."""

    server: ServerSettings
    ask: Callable  # of (scene bytes, image type, camera)
    fresh: FreshRenderers

    @initialize()
    def begin(self):
        self.things = [Thing(0, [translation(0, 0, 0.3)], 1, COLOURS[0])]
        self.lights = []
        self.threshold = None
        self.eye, self.camera = EYES[0], CAMERAS[0]

    @rule(
        shape=st.integers(0, len(SHAPES) - 1),
        place=PLACES,
        rgba=st.sampled_from(COLOURS),
        at=st.integers(0, 5),
    )
    def add(self, shape, place, rgba, at):
        label = 1 + max((thing.label for thing in self.things), default=0)
        self.things.insert(at, Thing(shape, [place], label, rgba))

    @rule(at=st.integers(0, 5))
    def remove(self, at):
        if len(self.things) > 1:
            del self.things[at % len(self.things)]

    @rule(at=st.integers(0, 5), place=PLACES)
    def move(self, at, place):
        self.things[at % len(self.things)].places[0] = place

    @rule(at=st.integers(0, 5), place=PLACES)
    def repeat(self, at, place):
        self.things[at % len(self.things)].places.append(place)

    @rule(at=st.integers(0, 5), rgba=st.sampled_from(COLOURS), texture=st.sampled_from((None, 1, 2)))
    def paint(self, at, rgba, texture):
        thing = self.things[at % len(self.things)]
        thing.rgba, thing.texture = rgba, texture

    @rule(at=st.integers(0, 5), mode=st.sampled_from(("OPAQUE", "MASK", "BLEND")))
    def cut(self, at, mode):
        self.things[at % len(self.things)].mode = mode

    @rule(threshold=st.sampled_from((None, 0.3, 0.6)))
    def count_as_solid(self, threshold):
        self.threshold = threshold

    @rule(order=st.randoms(use_true_random=False))
    def shuffle(self, order):
        order.shuffle(self.things)

    @rule(places=st.lists(PLACES, max_size=2))
    def light(self, places):
        self.lights = [place @ translation(0.3, -0.4, 1.5) for place in places]

    @rule(eye=st.sampled_from(EYES), camera=st.sampled_from(CAMERAS))
    def look_from(self, eye, camera):
        self.eye, self.camera = eye, camera

    @rule(kind=st.sampled_from(KINDS))
    def look_again(self, kind):
        self.look(kind)

    @invariant()
    def look_at_one(self):
        self.seen = getattr(self, "seen", 0) + 1
        self.look(KINDS[self.seen % len(KINDS)])

    def look(self, kind):
        data = self.document(kind)
        more = (self.camera, PLAIN, self.threshold)
        seen = self.ask(data, kind, *more)
        truth = self.fresh.image(self.server, data, kind, *more)
        assert seen.dtype == truth.dtype
        np.testing.assert_array_equal(seen, truth, err_msg=kind)

    def document(self, kind):
        floor = box((4, 4, 0.1), translation(0, 0, -0.05), 999, rgba=(0.6, 0.6, 0.6, 1))
        bodies = [
            dataclasses.replace(SHAPES[t.shape], matrix=t.places[0], label=t.label, rgba=t.rgba)
            for t in self.things
        ]
        pose = translation(*self.eye) @ look_at((0, 0, 0), tuple(-x for x in self.eye))
        document = DrakeScene([floor, *bodies], pose).document(kind)
        for index, thing in enumerate(self.things, start=1):
            if thing.texture is not None and kind != "label":
                add_texture(document, index, thing.texture)
            if thing.mode != "OPAQUE":
                document["materials"][index]["alphaMode"] = thing.mode
            for place in thing.places[1:]:
                add_root(document, {"mesh": index, "matrix": column_major(place)})
        if self.lights:
            document["extensions"] = {"KHR_lights_punctual": {"lights": [LIGHT]}}
            document["extensionsUsed"] = ["KHR_lights_punctual"]
        for place in self.lights:
            shines = {"KHR_lights_punctual": {"light": 0}}
            add_root(document, {"extensions": shines, "matrix": column_major(place)})
        return json.dumps(document).encode()


def add_root(document, node):
    document["nodes"].append(node)
    document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)


def add_texture(document, mesh, seed):
    images = document.setdefault("images", [])
    images.append({"uri": png_uri(noise(seed))})
    document.setdefault("textures", []).append({"source": len(images) - 1})
    pbr = document["materials"][mesh]["pbrMetallicRoughness"]
    pbr["baseColorTexture"] = {"index": len(images) - 1}
    [primitive] = document["meshes"][mesh]["primitives"]
    count = document["accessors"][primitive["attributes"]["POSITION"]]["count"]
    uv = np.linspace(0, 1, 2 * count, dtype="<f4").reshape(-1, 2)
    primitive["attributes"]["TEXCOORD_0"] = add_accessor(document, uv, "VEC2")


def room(path):
    """A .blend with a lamp, a coloured wall with a modifier, and instances of a collection."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 4
    lamp = bpy.data.objects.new("Lamp", bpy.data.lights.new("Lamp", "AREA"))
    lamp.data.energy = 80
    lamp.location = (0.4, 0.2, 2.5)
    bpy.ops.mesh.primitive_cube_add(size=1, location=(0, 1.2, 0.5))
    wall = bpy.context.object
    wall.modifiers.new("Bevel", "BEVEL").width = 0.05
    hidden = bpy.data.collections.new("Stones")
    bpy.ops.mesh.primitive_ico_sphere_add(radius=0.15, location=(0, 0, 0))
    stone = bpy.context.object
    for collection in stone.users_collection:
        collection.objects.unlink(stone)
    hidden.objects.link(stone)
    for x in (-1.0, 1.0):
        stones = bpy.data.objects.new("Stones", None)
        stones.instance_type, stones.instance_collection = "COLLECTION", hidden
        stones.location = (x, 0.6, 0.15)
        scene.collection.objects.link(stones)
    scene.collection.objects.link(lamp)
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


@pytest.fixture(scope="module")
def fresh():
    renderers = FreshRenderers()
    yield renderers
    renderers.close()


@pytest.fixture(params=["plain", "denoised", "room"])
def server(request, tmp_path, studio):
    if request.param == "room":
        studio.close()
        return ServerSettings(blend_file=room(tmp_path / "room.blend"))
    return ServerSettings(samples=4, denoise=request.param == "denoised")


def test_any_history(server, studio, fresh):
    asked = staticmethod(Warm(studio.renderer(server)).ask)
    machine = type("AnyHistory", (History,), {"server": server, "ask": asked, "fresh": fresh})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize="GLTF_RENDER_SERVER_HISTORIES" not in os.environ,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
