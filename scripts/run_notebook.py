"""Runs the example notebook in Jupyter, and converts its images to JPEG to keep the file small.

usage: run_notebook.py [http://127.0.0.1:8000]

Only developers who change the notebook need this, so the tests do not depend on Jupyter. In addition to the
packages for the tests, the environment needs: uv pip install --python .venv/3.13/bin/python ipykernel
nbclient
"""

from __future__ import annotations

import base64
import io
import os
import sys
from pathlib import Path
from typing import Any

import nbclient  # pyright: ignore[reportMissingImports]
import nbformat  # pyright: ignore[reportMissingImports]
from PIL import Image

__all__ = ["main"]

NOTEBOOK = Path(__file__).resolve().parent.parent / "examples" / "passes.ipynb"


def main() -> None:
    """Run all cells, and save the notebook with its outputs."""
    if len(sys.argv) > 1:
        os.environ["RENDER_SERVER"] = sys.argv[1]
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = {"metadata": {"path": str(NOTEBOOK.parent)}}
    nbclient.NotebookClient(notebook, resources=place, timeout=600).execute()
    for cell in notebook.cells:
        cell.metadata.clear()  # the times of the run
        for output in cell.get("outputs", ()):
            _shrink(output.get("data", {}))
    notebook.metadata.language_info = {"name": "python"}
    nbformat.write(notebook, NOTEBOOK)


def _shrink(data: dict[str, Any]) -> None:
    if "image/png" in data:
        with Image.open(io.BytesIO(base64.b64decode(data.pop("image/png")))) as picture:
            small = io.BytesIO()
            picture.convert("RGB").save(small, "JPEG", quality=85)
        data["image/jpeg"] = base64.b64encode(small.getvalue()).decode()


if __name__ == "__main__":
    main()
