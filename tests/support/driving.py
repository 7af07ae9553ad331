"""For the drives, inside a Blender: scripts that wait by yielding, requests, pictures, a report."""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import bpy

RESULT = Path(os.environ["DRIVE_RESULT"])
OUT = RESULT.parent
FORMS = Path(os.environ["DRIVE_FORMS"])
EXTENSION = "bl_ext.user_default.gltf_render_server"

report: dict = {}


def controller():
    return sys.modules[f"{EXTENSION}.control"].controller


def preferences():
    return bpy.context.preferences.addons[EXTENSION].preferences


def window():
    return bpy.context.window_manager.windows[0]


def press(name: str, **options):
    """Press a button of the add-on's."""
    with bpy.context.temp_override(window=window()):
        return sorted(getattr(bpy.ops.gltf_render_server, name)(**options))


class Answer:
    """A request that is under way: for a colour, depth or label picture."""

    def __init__(self, kind: str, token: str = "", **changes: str):
        self.status, self.body = 0, b""
        body, headers = _multipart(FORMS / f"{kind}.json", changes)
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{controller().state.url}/render"
        request = urllib.request.Request(url, body, headers)
        self._last = last_answered()
        self._thread = threading.Thread(target=self._send, args=(request,))
        self._thread.start()

    def wait(self) -> Iterator[float]:
        """Wait for the answer, and then until the add-on was told of it, unless no request came of it."""
        while self._thread.is_alive():
            yield 0.02
        if self.status:
            yield from until(lambda: last_answered() is not self._last)

    def _send(self, request):
        try:
            with urllib.request.urlopen(request, timeout=400) as response:
                self.status, self.body = response.status, response.read()
        except urllib.error.HTTPError as error:
            self.status, self.body = error.code, error.read()
        except OSError as error:
            self.body = str(error).encode()


def last_answered() -> object:
    """Return the newest answer that the add-on was told of; it is told some time after the client is."""
    return next(iter(controller().state.answered), None)


def own_s() -> float:
    """A clock that stands still while this thread could run, but has no processor."""
    starved_ns = 0
    with suppress(OSError):  # only Linux counts that
        starved_ns = int(Path("/proc/thread-self/schedstat").read_text().split()[1])
    return time.perf_counter() - starved_ns / 1e9


def until(condition: Callable[[], bool], limit_s: float = 300) -> Iterator[float]:
    end_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end_s:
            raise TimeoutError(f"{controller().state}" if f"{EXTENSION}.control" in sys.modules else "")
        yield 0.05


def phase(name: str) -> Iterator[float]:
    yield from until(lambda: controller().state.phase == name)


def drive(script: Callable[[], Iterator[float]]) -> None:
    """Run a script to its end, write the report, and quit."""
    if EXTENSION not in bpy.context.preferences.addons:  # the bpy package reads no preferences
        bpy.ops.preferences.addon_enable(module=EXTENSION)
    steps = _reported(script)
    if bpy.app.background:
        for pause_s in steps:
            time.sleep(pause_s)
            _run_timers()
        os._exit(0)
    bpy.app.timers.register(lambda: next(steps, None), first_interval=1.0, persistent=True)


def begin() -> Iterator[float]:
    """Begin with the scene of a new file, rendered by Cycles."""
    bpy.context.preferences.view.show_splash = False
    with bpy.context.temp_override(window=window()):
        bpy.ops.wm.read_homefile(use_splash=False, load_ui=False)
    yield 1.0
    window().scene.render.engine = "CYCLES"


def names() -> dict[str, list[str]]:
    """Name every datablock."""
    kinds = [
        kind for kind in dir(bpy.data) if isinstance(getattr(bpy.data, kind), bpy.types.bpy_prop_collection)
    ]
    return {kind: sorted(item.name for item in getattr(bpy.data, kind)) for kind in kinds}


def leftovers() -> dict[str, list[str]]:
    """Tell what is left of the add-on once it is off."""
    handlers = [
        function.__module__
        for name in dir(bpy.app.handlers)
        if isinstance(getattr(bpy.app.handlers, name), list)
        for function in getattr(bpy.app.handlers, name)
    ]
    return {
        "modules": [name for name in sys.modules if name.startswith(EXTENSION + ".")],
        "threads": [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()],
        "handlers": [module for module in handlers if module.startswith(EXTENSION)],
        "types": [name for name in dir(bpy.types) if "gltf_render_server" in name.lower()],
        "properties": [
            owner.__name__
            for owner in (bpy.types.Scene, bpy.types.WindowManager)
            if hasattr(owner, "gltf_render_server")
        ],
    }


def screenshot(name: str) -> None:
    """Keep what the X server shows, as an array of (height, width, 3) uint8."""
    import numpy as np

    data = (OUT / "Xvfb_screen0").read_bytes()  # an XWD file
    header_bytes = struct.unpack(">I", data[:4])[0]
    width, height, stride, colours = (struct.unpack(">I", data[4 * i : 4 * i + 4])[0] for i in (4, 5, 12, 19))
    start = header_bytes + 12 * colours
    rows = np.frombuffer(data, np.uint8, stride * height, start).reshape(height, stride)
    np.save(OUT / f"{name}.npy", rows[:, : 4 * width].reshape(height, width, 4)[..., 2::-1])


def show_sidebar() -> Iterator[float]:
    """Show the add-on's tab in the 3D view, drawn as cheaply as can be."""
    area = view()
    area.spaces[0].shading.type = "WIREFRAME"
    area.spaces[0].show_region_ui = True
    yield 0.5
    sidebar().active_panel_category = "glTF Server"
    yield 0.5


def view():
    return next(area for area in window().screen.areas if area.type == "VIEW_3D")


def sidebar():
    return next(region for region in view().regions if region.type == "UI")


def _reported(script):
    bpy.context.preferences.use_preferences_save = False  # the other drives have this home, too
    try:
        yield from script()
    except Exception:  # noqa: BLE001  the report tells it
        report["error"] = traceback.format_exc()
    RESULT.write_text(json.dumps(report))
    sys.stdout.flush()
    if not bpy.app.background:
        bpy.ops.wm.quit_blender()


def _run_timers():
    """Do what Blender's loop does; without a window there is none."""
    if f"{EXTENSION}.control" in sys.modules:
        controller().tick()
    if (meanwhile := sys.modules.get(f"{EXTENSION}.meanwhile")) and meanwhile._waiting:
        meanwhile._go_on()


def _multipart(form_file: Path, changes):
    fields = {**json.loads(form_file.read_text()), **changes}
    scene = form_file.with_suffix(".gltf").read_bytes()
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = '--edge\r\nContent-Disposition: form-data; name="scene"; filename="scene.gltf"\r\n'
    parts.append(f"{head}Content-Type: model/gltf+json\r\n\r\n".encode() + scene + b"\r\n--edge--\r\n")
    return b"".join(parts), {"Content-Type": "multipart/form-data; boundary=edge"}
