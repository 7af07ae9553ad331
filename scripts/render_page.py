"""Makes the picture of docs/render.md: what gltf-render shows without options, and passes of one model.

usage: render_page.py [--size 400x300] [--quality balanced] OUT.jpg
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from contact_sheet import captioned

__all__ = ["main"]

_EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
_STILL_LIFE = _EXAMPLES / "still_life" / "still_life.glb"
_MODELS = [_EXAMPLES / "datasets" / "models" / f"{name}.glb" for name in ("mug", "bowl", "ring", "bottle")]
_PASSES = "depth", "normal", "instance"
_COLUMNS, _JPEG_QUALITY = 4, 90


def main() -> int:
    """Render and arrange the images."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", default="400x300")
    parser.add_argument("--quality", default="balanced")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    chosen = "--size", options.size, "--quality", options.quality
    with tempfile.TemporaryDirectory() as folder:
        _render(folder, *map(str, _MODELS), *chosen)
        _render(folder, str(_STILL_LIFE), "--passes", ",".join(("color", *_PASSES)), *chosen)
        files = {f"{path.stem}.glb": f"{path.stem}.color.png" for path in [*_MODELS, _STILL_LIFE]}
        files |= {f"{name}, in false colours": f"{_STILL_LIFE.stem}.{name}.colours.png" for name in _PASSES}
        pictures = {caption: _pixels(Path(folder, name)) for caption, name in files.items()}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(captioned(pictures, _COLUMNS)).save(options.out, quality=_JPEG_QUALITY)
    return 0


def _render(folder: str, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "gltf_render_server.pictures", *words, "-o", folder], check=True)


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture)


if __name__ == "__main__":
    sys.exit(main())
