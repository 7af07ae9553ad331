"""The script of the background server's Blender: ``blender -b --factory-startup -P child_main.py``.

With factory settings, Blender has no extensions and no wheels. Therefore, the environment variable
GLTF_RENDER_SERVER_PATHS contains the parent's module paths. GLTF_RENDER_SERVER_PICTURES may name a folder for
the latest images. If GLTF_RENDER_SERVER_DATASET names the job of a dataset, the script makes that dataset's
files from the open file instead of running a server.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

__all__ = ["DATASET", "PATHS", "PICTURES", "main"]

PATHS = "GLTF_RENDER_SERVER_PATHS"
PICTURES = "GLTF_RENDER_SERVER_PICTURES"
DATASET = "GLTF_RENDER_SERVER_DATASET"

_PACKAGE = "gltf_render_server_extension"


def main() -> None:
    """Make this extension importable, then run the server or prepare a dataset."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # keeps Blender's own output out of the events
    sys.path.extend(path for path in json.loads(os.environ.pop(PATHS)) if path not in sys.path)
    pictures, job = os.environ.pop(PICTURES, ""), os.environ.pop(DATASET, "")
    _load_extension(Path(__file__).resolve().parent)
    events, wheels = (importlib.import_module(f"{_PACKAGE}.{name}") for name in ("events", "wheels"))
    try:
        child = importlib.import_module(f"{_PACKAGE}.{'dataset_child' if job else 'child'}")
    except ImportError as error:
        answers.write(events.to_line(events.Failed(wheels.advice(error))))
        answers.flush()
        os._exit(2)
    file = job or pictures  # a dataset always has a job file
    child.run(answers, Path(file) if file else None)


def _load_extension(folder: Path) -> None:
    """Import the extension from its folder under another name. This registers nothing."""
    spec = importlib.util.spec_from_file_location(
        _PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} holds no extension")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_PACKAGE] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    main()
