"""Requests that are kept to be looked at later: a folder each, the newest only. Knows nothing of Blender.

A folder holds the scene and the form as they came, ``color.gltf`` and ``color.json``, beside
``answer.png``, ``.tiff`` or ``.json``, and ``about.json``, which says what became of the request.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["KeptRequest", "Shelf", "read_kept"]

_ABOUT = "about.json"
_PARTIAL = ".partial-"
_SUFFIXES = {"image/png": ".png", "image/tiff": ".tiff"}


@dataclass(frozen=True)
class KeptRequest:
    """One request and its answer.

    Attributes
    ----------
    folder : Path
    image_type : str
    status : int
        HTTP status of the answer.
    seconds : float
    client : str
    message : str
        Why it failed; empty if it did not.
    """

    folder: Path
    image_type: str
    status: int
    seconds: float
    client: str
    message: str

    @property
    def fields(self) -> dict[str, str]:
        """The form, without the scene."""
        return json.loads((self.folder / f"{self.image_type}.json").read_text("utf-8"))

    @property
    def scene(self) -> bytes:
        """The glTF file."""
        return (self.folder / f"{self.image_type}.gltf").read_bytes()

    @property
    def answer(self) -> Path | None:
        """The picture that was sent; None if there was none."""
        found = sorted(self.folder.glob("answer.*"))
        return found[0] if found and found[0].suffix != ".json" else None

    @property
    def label(self) -> str:
        """A name for lists: when, what, how large."""
        clock = self.folder.name.split("-")[1]
        fields = self.fields
        size = f"{fields.get('width', '?')} x {fields.get('height', '?')}"
        return f"{clock[:2]}:{clock[2:4]}:{clock[4:]}  {self.image_type}  {size}"


class Shelf:
    """The folder of all that is kept.

    Parameters
    ----------
    folder : Path
        Made when it is needed.
    most : int
        How many requests are kept; 0 = none.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder = folder
        self.most = most

    def keep(
        self, scene: bytes, fields: dict[str, str], answer: bytes, mimetype: str, about: dict[str, Any]
    ) -> Path:
        """Keep a request, and let go of the oldest.

        Parameters
        ----------
        scene : bytes
        fields : dict of str to str
            The form; says the image type.
        answer : bytes
        mimetype : str
            Of the answer.
        about : dict
            The other attributes of `KeptRequest`, and a ``number`` that tells requests of a second apart.
        """
        image_type = fields["image_type"]
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{about['number']:06d}-{image_type}"
        partial = self.folder / f"{_PARTIAL}{name}"
        partial.mkdir(parents=True, exist_ok=True)
        (partial / f"{image_type}.gltf").write_bytes(scene)
        (partial / f"{image_type}.json").write_text(json.dumps(fields, indent=1, sort_keys=True), "utf-8")
        (partial / f"answer{_SUFFIXES.get(mimetype, '.json')}").write_bytes(answer)
        (partial / _ABOUT).write_text(json.dumps({"image_type": image_type, **about}, indent=1), "utf-8")
        folder = partial.rename(self.folder / name)
        self._let_go()
        return folder

    def newest(self, count: int) -> list[KeptRequest]:
        """Return the last that are kept, the newest first."""
        return [read_kept(folder) for folder in reversed(self._folders()[-count:])]

    def clear(self) -> None:
        """Let go of everything."""
        for folder in self._folders():
            shutil.rmtree(folder)

    def _let_go(self) -> None:
        for folder in self._folders()[: -self.most or None]:
            shutil.rmtree(folder, ignore_errors=True)  # the other requests of this moment do it, too

    def _folders(self) -> list[Path]:
        return sorted(about.parent for about in self.folder.glob(f"[!.]*/{_ABOUT}"))


def read_kept(folder: Path) -> KeptRequest:
    """Read one kept request from its folder."""
    about = json.loads((folder / _ABOUT).read_text("utf-8"))
    del about["number"]
    return KeptRequest(folder, **about)
