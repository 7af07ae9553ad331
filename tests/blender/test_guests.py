"""The client's objects in somebody's session, and what that somebody does with them between requests."""

import numpy as np
import pytest
from defaults import CAMERA, FAST, ask
from drake_like import DrakeScene, box, look_at, sphere, translation

bpy = pytest.importorskip("bpy", reason="the bpy package is not for this Python")

KINDS = ("color", "depth", "label")


def client_scene(height, balls=1):
    bodies = [box((4, 4, 0.1), translation(0, 0, -0.05), 1)]
    bodies += [sphere(0.3, translation(0.7 * index, 0, height), 2 + index) for index in range(balls)]
    return DrakeScene(bodies, look_at((1.6, -1.9, 1.5 + height), (0, 0, 0.2)))


@pytest.fixture
def session(studio):
    """Make a session with an object of the user's; return what sends requests to it."""
    from gltf_render_server.blender import BlenderRenderer
    from gltf_render_server.blender.guests import remove_guests
    from gltf_render_server.blender.sources import SessionSource

    studio.close()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    own = bpy.data.objects.new("Own", bpy.data.meshes.new("Own"))
    scene.collection.objects.link(own)
    renderer = BlenderRenderer(FAST, SessionSource(lambda: scene))

    def request(kind="depth", **of_scene):
        return ask(renderer, client_scene(**{"height": 0.3, **of_scene}).to_bytes(kind), kind, CAMERA)

    yield request
    remove_guests()
    renderer.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_linked_scene_is_rendered(studio, tmp_path, kind):
    """Nothing can be shown in it, as nothing can be added to it."""
    from gltf_render_server.blender import BlenderRenderer
    from gltf_render_server.blender.sources import SessionSource

    studio.close()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.name = "Linked"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, linked):
        linked.scenes = ["Linked"]
    before = names()
    [scene] = linked.scenes
    renderer = BlenderRenderer(FAST, SessionSource(lambda: scene))
    first, second = (ask(renderer, client_scene(0.3).to_bytes(kind), kind, CAMERA) for _ in range(2))
    renderer.close()
    np.testing.assert_array_equal(first, second)
    assert names() == before


def own():
    return bpy.data.objects["Own"]


def scene():
    return bpy.context.scene


def group():
    return next(item for item in scene().collection.children if item.name.startswith("glTF Client"))


def camera():
    return next(item for item in group().objects if item.type == "CAMERA")


def meshes():
    return list(group().children[0].objects)


def names():
    return {item.name for kind in (bpy.data.objects, bpy.data.meshes, bpy.data.materials) for item in kind}


def remove_guests():
    from gltf_render_server.blender.guests import remove_guests

    remove_guests()


@pytest.mark.parametrize("kind", KINDS)
def test_leave_nothing(session, kind):
    before = names()
    session(kind)
    assert names() > before
    remove_guests()
    assert names() == before
    assert not scene().collection.children
    assert not bpy.data.collections
    assert len(bpy.data.scenes) == 1


def test_do_not_gather(session):
    session()
    counts = len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.collections)
    for kind in KINDS * 2:
        session(kind)
    session()
    assert (len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.collections)) == counts


@pytest.mark.parametrize("kind", KINDS)
def test_are_not_in_the_users_render(session, kind):
    session(kind)
    assert group().hide_render
    assert not group().hide_viewport


def copied(item, *, with_data):
    """Copy as Shift+D does, or Alt+D."""
    twin = item.copy()
    if with_data:
        twin.data = item.data.copy()
    for home in item.users_collection:
        home.objects.link(twin)
    return twin


@pytest.mark.parametrize("with_data", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_is_the_users(session, kind, with_data):
    session(kind)
    twin = copied(meshes()[1], with_data=with_data)
    twin.name = "Twin"
    twin.location.x = 3.0
    bpy.context.view_layer.update()
    place = np.array(twin.matrix_world)
    for then in (session, remove_guests):
        then()
        twin = bpy.data.objects["Twin"]
        assert twin.name in scene().collection.objects
        assert len(twin.data.vertices) > 10
        assert twin.data.users == 1
        bpy.context.view_layer.update()
        np.testing.assert_array_equal(np.array(twin.matrix_world), place)


def test_what_the_user_adds_to_their_collection_is_the_users(session):
    session()
    group().objects.link(added := bpy.data.objects.new("Added", None))
    group().children.link(shelf := bpy.data.collections.new("Shelf"))
    session()
    assert added.name in scene().collection.objects
    assert shelf.name in scene().collection.children


def refer(target):
    """Refer to a guest in each way."""
    scene().camera = camera()
    own().parent = target
    own().constraints.new("TRACK_TO").target = target
    own().modifiers.new("Shrinkwrap", "SHRINKWRAP").target = target
    own()["target"] = target
    driver = own().driver_add("location", 0).driver
    driver.variables.new().targets[0].id = target
    marker = scene().timeline_markers.new("Marker", frame=1)
    marker.camera = camera()
    lens = bpy.data.cameras.new("Lens")
    lens.dof.focus_object = target
    own()["lens"] = lens


def referred():
    return [
        own().parent,
        own().constraints[0].target,
        own().modifiers[0].target,
        own()["target"],
        own().animation_data.drivers[0].driver.variables[0].targets[0].id,
        own()["lens"].dof.focus_object,
    ]


def test_references_go_to_the_next_guests(session):
    session()
    refer(meshes()[1])
    for kind in KINDS:
        session(kind, height=0.5)
        assert referred() == [meshes()[1]] * 6
        assert scene().camera == scene().timeline_markers[0].camera == camera()
        bpy.context.view_layer.update()
        assert own().matrix_world.translation.z == pytest.approx(0.5)
    assert len([item for item in bpy.data.objects if item.type == "CAMERA"]) == 1


def test_references_hold_while_there_is_nothing_to_give_them_to(session):
    session(balls=2)
    assert len(meshes()) == 3
    refer(meshes()[2])
    last = meshes()[2]
    session(balls=1)
    assert referred() == [last] * 6
    assert last not in list(scene().objects), "it is shown and rendered no more"
    session(balls=2)
    assert referred() == [meshes()[2]] * 6
    assert len([item for item in bpy.data.objects if item.type == "MESH"]) == 4


def test_references_hold_when_the_guests_go(session):
    session()
    refer(meshes()[0])
    remove_guests()
    assert None not in referred()
    assert scene().camera is not None
    assert scene().camera.name in scene().objects
    assert len([item for item in bpy.data.objects if item.type == "MESH"]) == 2, "only what is referred to"
    assert group().hide_render
    bpy.ops.wm.save_as_mainfile(filepath=bpy.app.tempdir + "saved.blend", copy=True)
    with bpy.data.libraries.load(bpy.app.tempdir + "saved.blend") as (held, _):
        assert scene().camera.name in held.objects
    session()
    assert referred() == [meshes()[0]] * 6


def test_references_hold_when_a_request_fails(session):
    from gltf_render_server.errors import SceneError

    session()
    refer(meshes()[0])
    with pytest.raises(SceneError):
        ask_for_broken_geometry(session)
    assert None not in [*referred(), scene().camera]
    session()
    assert referred() == [meshes()[0]] * 6


def ask_for_broken_geometry(session):
    """Have the importer fail, as it does for geometry that it cannot decode."""
    from gltf_render_server.blender import parts
    from gltf_render_server.errors import SceneError

    def fail(*_):
        raise SceneError("broken", "$")

    kept, parts._built = parts._built, fail
    try:
        session()
    finally:
        parts._built = kept


def test_what_is_referred_to_is_not_in_the_picture(session):
    expected = session("label")
    own().parent = meshes()[1]
    for _ in range(2):
        np.testing.assert_array_equal(session("label"), expected)
    session("label", balls=0)
    np.testing.assert_array_equal(
        session("label", balls=0), session("label", balls=0), "with a guest that is kept"
    )


def test_an_object_that_is_edited_is_the_users(session):
    session()
    item = meshes()[1]
    bpy.context.view_layer.objects.active = item
    bpy.ops.object.mode_set(mode="EDIT")
    item.name = "Edited"
    session()
    edited = bpy.data.objects["Edited"]
    assert edited.mode == "EDIT"
    assert edited.name in scene().collection.objects
    bpy.ops.object.mode_set(mode="OBJECT")
    session()
    assert "Edited" in bpy.data.objects


def test_a_material_that_is_used_is_the_users(session):
    session("color")
    material = meshes()[1].data.materials[0]
    own().data.materials.append(material)
    name = material.name
    session("depth")
    assert own().data.materials[0].name == name
    own().data.materials.clear()
    session("depth")
    assert name in bpy.data.materials


def test_a_name_of_the_users_is_no_guest(session):
    for name in ("glTF Client", "Render Camera"):
        scene().collection.objects.link(bpy.data.objects.new(name, None))
    scene().collection.children.link(bpy.data.collections.new("glTF Client"))
    bpy.data.collections["glTF Client"].objects.link(bpy.data.objects.new("Inside", None))
    session()
    session()
    remove_guests()
    assert {item.name for item in bpy.data.objects} == {"Own", "glTF Client", "Render Camera", "Inside"}
    assert [item.name for item in bpy.data.collections] == ["glTF Client"]


def test_another_sessions_marks_mean_nothing(session):
    session()
    mark = next(key for key in dict(meshes()[0].items()) if key.startswith("gltf_render_server"))
    own()[mark] = f"0123456789abcdef {own().session_uid} 0.1"
    remove_guests()
    assert "Own" in bpy.data.objects


def test_are_adopted_as_they_are(session):
    from gltf_render_server.blender.guests import adopt_guests

    session("color")
    held = {item.name for item in group().all_objects}
    adopted = adopt_guests("Mine")
    session("depth")
    remove_guests()
    assert {item.name for item in adopted.all_objects} == held
    assert not adopted.hide_render


@pytest.mark.parametrize("kind", KINDS)
def test_no_scene_is_left_by_a_request(session, kind):
    for _ in range(2):
        session(kind)
        assert list(bpy.data.scenes) == [scene()]
