"""Makes one dataset in a separate process, like `gltf-render-dataset make`, and reports its stages.

The last line of its output is JSON: the seconds of each stage, measured from the start of the process.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from pathlib import Path

_STARTED_S = time.perf_counter()

from gltf_render_server.dataset.engines.local import LocalEngine  # noqa: E402  how long it takes is measured
from gltf_render_server.dataset.making import make, read_plan, renderer_settings  # noqa: E402
from gltf_render_server.renderer import RenderedFrame  # noqa: E402

_NOT_RENDERING = ("queue", "transfer")


def main(specification: str, out: str, workers: str) -> int:
    """Make the dataset, and return the exit status."""
    rendered_s: list[float] = []

    def note(frame: RenderedFrame) -> None:
        stages = frame.stages_ms.items()
        rendered_s.append(sum(value for name, value in stages if name not in _NOT_RENDERING) / 1000)

    plan = read_plan(Path(specification))
    settings = renderer_settings(plan, workers=int(workers))
    with closing(LocalEngine(settings, note)) as engine:
        _ = engine.versions  # waits until Blender has started
        ready_s = time.perf_counter()
        summary = make(plan, Path(out), engine)
        made_s = time.perf_counter() - ready_s
    seconds = {
        "start": ready_s - _STARTED_S,
        "items": summary.elapsed_s,
        "formats": made_s - summary.elapsed_s,
        "renders": sum(rendered_s),
    }
    print(json.dumps(seconds))
    return summary.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
