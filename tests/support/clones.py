"""What git would clone of this checkout, changes included that are not committed yet."""

import shutil
import subprocess
from pathlib import Path

from servers import ROOT


def clone(folder: Path) -> None:
    """Copy all files that git knows, or would know, into a folder."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
