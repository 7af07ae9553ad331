"""Buttons that write the specification of a scene's dataset, preview the dataset, and cancel either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .control import controller
from .dataset_choices import DatasetError, folder_of, job_of
from .dataset_job import DatasetJob, current, files_in, place
from .dataset_specification import PREVIEW, SPECIFICATION, command
from .session import redraw_panels
from .wheels import advice

__all__ = ["CancelDataset", "CopyDatasetCommand", "PreviewDataset", "WriteDataset"]

_Result = set[Any]
_PICTURE = "Dataset Preview"


class _Job:
    """An operator that runs a child Blender. Esc cancels it, and all other events pass through."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether no job is running."""
        return not current

    def begin(self, operator: Any, context: Any, done: Any, beside: Path | None, *, preview: bool) -> _Result:
        """Start the child, or report the error that prevents it."""
        try:
            job = job_of(context.scene, context.selected_objects, context.evaluated_depsgraph_get())
            job |= {"preview": preview, "remark": _remark(beside)}
            self._job = DatasetJob(job, done, beside)
        except ImportError as error:
            operator.report({"ERROR"}, advice(error))
            return {"CANCELLED"}
        except DatasetError as error:
            operator.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        current.append(self._job)
        what = "rendering a preview" if preview else "exporting the scene"
        controller.show_message("", note=f"Dataset: {what}; Esc cancels")
        redraw_panels()
        if bpy.app.background:
            return {"FINISHED"}
        context.window_manager.modal_handler_add(operator)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> _Result:
        """Wait for Esc while the child is running."""
        if self._job not in current:
            return {"FINISHED"}
        if event.type == "ESC" and event.value == "PRESS":
            self._job.cancel()
            return {"CANCELLED"}
        return {"PASS_THROUGH"}


class WriteDataset(_Job, bpy.types.Operator):
    """Export the scene, write dataset.toml beside it, and copy the command that makes the dataset"""  # noqa: D400

    bl_idname = "gltf_render_server.write_dataset"
    bl_label = "Write Specification"

    replace: bpy.props.BoolProperty(
        name="Replace", description="Replace files that are there", options={"HIDDEN", "SKIP_SAVE"}
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> _Result:
        """Ask for confirmation if files would be replaced."""
        try:
            there = files_in(folder_of(_choices(context)))
        except DatasetError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not there:
            return self.execute(context)
        self.replace = True
        return context.window_manager.invoke_confirm(
            self,
            event,
            title="Replace?",
            message=f"{', '.join(there)} will be replaced",
            confirm_text="Replace",
        )

    def execute(self, context: bpy.types.Context) -> _Result:
        """Start the job. The results are reported when they are there."""
        try:
            folder = folder_of(_choices(context))
        except DatasetError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if not self.replace and (there := files_in(folder)):
            self.report({"ERROR"}, f"{there[0]} is in {folder} already: replace it, or choose another folder")
            return {"CANCELLED"}
        may_replace = self.replace

        def done(made: Path, result: dict[str, Any]) -> None:
            if not may_replace and (there := files_in(folder)):  # the files were created in the meantime
                controller.show_message(
                    f"Dataset: {there[0]} has come into {folder} meanwhile: choose another folder"
                )
                return
            place(made, folder)
            bpy.context.window_manager.clipboard = command(folder)
            text = f"Dataset: wrote {folder / SPECIFICATION} of {_counted(result)}"
            controller.show_message("", note=f"{text}; the command that makes it is on the clipboard")

        return self.begin(self, context, done, folder, preview=False)


class PreviewDataset(_Job, bpy.types.Operator):
    """Render a few items small, in a Blender of their own, and show them; nothing is written"""  # noqa: D400

    bl_idname = "gltf_render_server.preview_dataset"
    bl_label = "Preview"

    def execute(self, context: bpy.types.Context) -> _Result:
        """Start the job. The preview is shown when it is rendered."""
        return self.begin(self, context, _show, None, preview=True)


class CancelDataset(bpy.types.Operator):
    """Stop what is under way for the dataset; nothing is written"""  # noqa: D400

    bl_idname = "gltf_render_server.cancel_dataset"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Return whether a job is running."""
        return bool(current)

    def execute(self, context: bpy.types.Context) -> _Result:
        """Cancel the job."""
        for job in current:
            job.cancel()
        return {"FINISHED"}


class CopyDatasetCommand(bpy.types.Operator):
    """Copy the command that makes the dataset, for a terminal"""  # noqa: D400

    bl_idname = "gltf_render_server.copy_dataset_command"
    bl_label = "Copy Command"

    def execute(self, context: bpy.types.Context) -> _Result:
        """Copy the command to the clipboard."""
        try:
            folder = folder_of(_choices(context))
        except DatasetError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if SPECIFICATION not in files_in(folder):
            self.report(
                {"ERROR"}, f"There is no {SPECIFICATION} in {folder} yet: press Write Specification first"
            )
            return {"CANCELLED"}
        context.window_manager.clipboard = command(folder)
        self.report({"INFO"}, "Copied the command that makes the dataset")
        return {"FINISHED"}


def _choices(context: Any) -> Any:
    return context.scene.gltf_render_server.dataset


def _remark(folder: Path | None) -> str:
    name = Path(bpy.data.filepath).name or "a file that was not saved"
    made_by = f"A dataset of the scene of {name}, written by the add-on glTF Render Server."
    return f"{made_by}\nMake it: {command(folder)}" if folder is not None else made_by


def _counted(result: dict[str, Any]) -> str:
    return f"{result['items']} item{'' if result['items'] == 1 else 's'}"


def _show(made: Path, result: dict[str, Any]) -> None:
    """Show the preview, and report what could not be shown."""
    import numpy as np
    from PIL import Image

    from .image_view import show_image

    with Image.open(made / PREVIEW) as image:
        sheet = np.asarray(image.convert("RGBA"), np.float32) / np.float32(255)
    text = f"Dataset preview, {_counted(result)} in all"
    if result["remarks"]:
        text += f"; {len(result['remarks'])} cannot be shown: {result['remarks'][0]}"
    show_image(_PICTURE, sheet, text)
    controller.show_message("", note=text)
