"""Makes the items of a plan in a process of its own, which tests kill."""

import base64
import pickle
import sys
from contextlib import closing
from pathlib import Path

from gltf_render_server.dataset.engines.local import LocalEngine
from gltf_render_server.dataset.progress import progress_on, report
from gltf_render_server.dataset.running import run
from gltf_render_server.settings import ServerSettings


def command(path, plan, workers=1):
    """How to start it."""
    return [sys.executable, __file__, str(path), base64.b64encode(pickle.dumps(plan)).decode(), str(workers)]


def main(path, plan, workers):
    plan = pickle.loads(base64.b64decode(plan))
    with closing(LocalEngine(ServerSettings(backend="vtk", workers=int(workers)))) as engine:
        print("begins", flush=True)  # noqa: T201
        with progress_on() as progress:
            summary = run(plan, Path(path), engine, progress=progress)
    print(report(summary))  # noqa: T201
    return summary.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
