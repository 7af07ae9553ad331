"""Makes one dataset in a process of its own, as `gltf-render-dataset make` does, and tells where time went.

The last line that it prints is JSON: seconds by stage, counted from the start of the process.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from pathlib import Path

_STARTED_S = time.perf_counter()

from gltf_render_server.dataset.engines.local import LocalEngine  # noqa: E402  how long it takes is measured
from gltf_render_server.dataset.making import read_plan, renderer_settings, write_formats  # noqa: E402
from gltf_render_server.dataset.running import run  # noqa: E402
from gltf_render_server.dataset.store import Store  # noqa: E402
from gltf_render_server.renderer import RenderedFrame  # noqa: E402

_NOT_RENDERING = ("queue", "transfer")


def main(specification: str, out: str, workers: str) -> int:
    """Make it; return the exit status."""
    rendered_s: list[float] = []

    def note(frame: RenderedFrame) -> None:
        stages = frame.stages_ms.items()
        rendered_s.append(sum(value for name, value in stages if name not in _NOT_RENDERING) / 1000)

    plan = read_plan(Path(specification))
    settings = renderer_settings(plan, workers=int(workers))
    ends = [_STARTED_S]
    with closing(LocalEngine(settings, note)) as engine:
        _ = engine.versions  # waits for Blender
        ends.append(time.perf_counter())
        summary = run(plan, Path(out), engine)
        ends.append(time.perf_counter())
        write_formats(Store(Path(out)), plan.specification.formats)
        ends.append(time.perf_counter())
    names = ("start", "items", "formats")
    seconds = {name: end - begin for name, begin, end in zip(names, ends, ends[1:], strict=False)}
    print(json.dumps(seconds | {"renders": sum(rendered_s)}))
    return summary.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
