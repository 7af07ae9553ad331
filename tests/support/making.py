"""Makes the items of a plan in a process of its own, which tests kill."""

import base64
import os
import pickle
import sys
from contextlib import closing
from pathlib import Path

from gltf_render_server.dataset.engines.local import LocalEngine
from gltf_render_server.dataset.progress import progress_on, report
from gltf_render_server.dataset.running import run
from gltf_render_server.settings import ServerSettings


def command(path, plan, workers=1, backend="vtk"):
    """How to start it."""
    plan = base64.b64encode(pickle.dumps(plan)).decode()
    return [sys.executable, __file__, str(path), plan, str(workers), backend]


def main(path, plan, workers, backend):
    plan = pickle.loads(base64.b64decode(plan))
    with closing(LocalEngine(ServerSettings(backend=backend, workers=int(workers), device="cpu"))) as engine:
        print("begins", flush=True)  # noqa: T201
        with progress_on() as progress:
            summary = run(plan, Path(path), engine, progress=progress)
    print(report(summary))  # noqa: T201
    return summary.exit_code


if __name__ == "__main__":
    status = main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)  # see the tests' conftest.py
