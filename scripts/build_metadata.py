"""Completes the package's metadata when it is built: addresses, and a README that can be read anywhere.

hatchling runs this, as ``[tool.hatch.metadata.hooks.custom]`` in pyproject.toml says. Where the project is at
home stands there, in ``repository``, and nowhere else. The README's links and pictures are relative, so that
they work in a checkout and on a forge; a package index needs whole addresses, and gets those of the version's
tag.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

__all__ = ["AbsoluteLinks", "absolute", "urls"]

_PICTURES = (".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp")
_LINK = re.compile(r"""(\]\(|\b(?:src|href|srcset)=["'])(?![a-z]+:|#|//)([^)"'\s]+)""")


class AbsoluteLinks(MetadataHookInterface):
    """Fills in ``readme`` and ``urls``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add what follows from the repository's address."""
        root, repository = Path(self.root), self.config["repository"]
        source = (root / "server" / "gltf_render_server" / "__init__.py").read_text("utf-8")
        [version] = re.findall(r'(?m)^__version__ = "(.+)"$', source)
        text = absolute((root / "README.md").read_text("utf-8"), repository, f"v{version}")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = urls(repository)


def urls(repository: str) -> dict[str, str]:
    """Return the addresses that a package index shows."""
    return {
        "Repository": repository,
        "Documentation": f"{repository}/tree/HEAD/docs",
        "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def absolute(markdown: str, repository: str, tag: str) -> str:
    """Make the relative links of a text of the repository's root whole, but for those in blocks of code.

    Parameters
    ----------
    markdown : str
    repository : str
        Its address on a forge with GitHub's paths: ``/raw/TAG/`` are files, ``/blob/TAG/`` are pages.
    tag : str
        Of the version.

    Returns
    -------
    str
    """

    def whole(link: re.Match[str]) -> str:
        kind = "raw" if link[2].partition("#")[0].lower().endswith(_PICTURES) else "blob"
        return f"{link[1]}{repository}/{kind}/{tag}/{link[2].removeprefix('./')}"

    parts = re.split(r"(?ms)(^```.*?^```$)", markdown)
    parts[::2] = [_LINK.sub(whole, part) for part in parts[::2]]
    return "".join(parts)
