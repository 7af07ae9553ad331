"""Buttons that send requests to the server and show the responses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .address import with_token
from .control import controller
from .events import Answered
from .kept_requests import read_kept
from .sending import Reply, send
from .session import lists, scene_properties

__all__ = ["SendTest", "ShowAnswer", "ShowKept"]

_Result = set[Any]

_PICTURE = "glTF Render Server"
_TEST_SIZE_PX = (480, 360)
_TEST_RANGE = {"min_depth": 0.05, "max_depth": 20.0}


class SendTest(bpy.types.Operator):
    """Send a ball, a box and a board to the server as a client would, and show the picture that comes"""  # noqa: D400

    bl_idname = "gltf_render_server.send_test"
    bl_label = "Send Test Request"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether a server is running."""
        return bool(controller.state.url)

    def execute(self, context: bpy.types.Context) -> _Result:
        """Send the request. The response is shown when it arrives."""
        image_type = lists().test_type.lower()
        scene = _test_scene(image_type)
        url = with_token(controller.state.url, controller.token)
        send(url, scene, _test_form(image_type), lambda reply: _show_test(reply, image_type))
        controller.show_message("", note="Test request: sent")
        return {"FINISHED"}


class ShowAnswer(bpy.types.Operator):
    """Show the picture of this answer, or why there is none"""  # noqa: D400

    bl_idname = "gltf_render_server.show_answer"
    bl_label = "Show Picture"

    index: bpy.props.IntProperty(options={"HIDDEN"})

    @classmethod
    def description(cls, context: bpy.types.Context, properties: Any) -> str:
        """Return the tooltip, which describes the response."""
        answered = controller.state.answered
        return _summary(answered[properties.index]) if properties.index < len(answered) else ""

    def execute(self, context: bpy.types.Context) -> _Result:
        """Show the image, or the error."""
        if self.index >= len(controller.state.answered):
            return {"CANCELLED"}
        answer = controller.state.answered[self.index]
        try:
            picture = Path(answer.picture).read_bytes() if answer.picture else None
        except OSError as error:
            self.report({"ERROR"}, f"The picture is gone: {error.strerror}")
            return {"CANCELLED"}
        return _show(self, picture, answer.image_type, _summary(answer))


class ShowKept(bpy.types.Operator):
    """Show the stored picture of the selected request, or why there is none"""  # noqa: D400

    bl_idname = "gltf_render_server.show_kept"
    bl_label = "Show Picture"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether a request is selected."""
        return 0 <= lists().kept_index < len(lists().kept)

    def execute(self, context: bpy.types.Context) -> _Result:
        """Show the image, or the error."""
        entry = lists().kept[lists().kept_index]
        try:
            kept = read_kept(Path(entry.path))
            return _show(self, kept.answer, kept.answered.image_type, _summary(kept.answered))
        except Exception as error:  # noqa: BLE001  whatever is wrong with the file, it cannot be shown
            self.report({"ERROR"}, f"The request {entry.label} cannot be shown: {error}")
            return {"CANCELLED"}


def _test_scene(image_type: str) -> bytes:
    """Make the scene that Drake would send: except for colour images, its materials contain labels."""
    from .gltf_render_server.passes import Render, find_pass
    from .sample_scene import sample_scene

    is_picture = find_pass(image_type).render is Render.COLOUR
    return sample_scene(scene_properties().up_axis.lower(), in_labels=not is_picture)


def _test_form(image_type: str) -> dict[str, str]:
    from .gltf_render_server.client import form_fields
    from .gltf_render_server.frame import Lens
    from .gltf_render_server.http.form import DepthRange, ImageType
    from .sample_scene import sample_camera

    lens = Lens(**sample_camera(*_TEST_SIZE_PX))
    # only depth requests use the range
    return form_fields(ImageType(image_type), lens, DepthRange(**_TEST_RANGE))


def _show_test(reply: Reply, image_type: str) -> None:
    if reply.error:
        controller.show_message(f"Test request: {reply.error}")
        return
    try:
        text = _show_picture(reply.picture, image_type, f"Test request, {reply.seconds:.2f} s")
    except (OSError, ValueError, RuntimeError) as error:
        controller.show_message(f"Test request: the picture that came cannot be shown: {error}")
        return
    controller.show_message("", note=f"Test request: {text}, {reply.seconds:.2f} s")


def _show(operator: bpy.types.Operator, picture: bytes | None, image_type: str, summary: str) -> _Result:
    if picture is None:
        operator.report({"ERROR"}, f"There is no picture: {summary}")
        return {"CANCELLED"}
    _show_picture(picture, image_type, summary)
    operator.report({"INFO"}, summary)
    return {"FINISHED"}


def _show_picture(data: bytes, image_type: str, summary: str = "") -> str:
    """Show an image with a caption, and return the caption."""
    from .image_view import show_image
    from .picture import decoded, describe, displayed

    array = decoded(image_type, data)
    text = describe(image_type, array)
    [shown] = displayed(image_type, array)
    show_image(_PICTURE, shown, ": ".join(filter(None, (summary, text))))
    return text


def _summary(answer: Answered) -> str:
    """Return status, time, client and error message."""
    text = f"{answer.status} in {answer.seconds:.2f} s to {answer.client or 'an unknown client'}"
    return f"{text}: {answer.message}" if answer.message else text
