"""Frames of one view, as Drake's form makes them, without the form."""

from gltf_render_server.frame import Frame, Lens, Look, View
from gltf_render_server.gltf import find_camera
from gltf_render_server.labels import paint_labels
from gltf_render_server.scene import Scene

PLAIN = Look()


def pose_of(scene: Scene):
    """Where the camera is that Drake's form looks through."""
    return find_camera(scene).camera_to_world


def frame_of(scene: Scene, lens: Lens, *passes: str, look: Look = PLAIN) -> Frame:
    return Frame(scene, (View(lens, pose_of(scene)),), tuple(map(str, passes)) or ("color",), look)


def picture_of(renderer, frame: Frame):
    """The same as Drake's form answers it."""
    array = array_of(renderer, frame)
    return paint_labels(array) if frame.passes == ("label",) else array


def array_of(renderer, frame: Frame):
    """The only array of a frame of one view and one pass."""
    [view] = renderer.render(frame).views
    [array] = view.values()
    return array
