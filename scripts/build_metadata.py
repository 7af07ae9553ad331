"""Completes the package's metadata at build time: project addresses, and a README with absolute links.

hatchling runs this as ``[tool.hatch.metadata.hooks.custom]`` in pyproject.toml. The address of the project is
defined only there, in ``repository``. The README has relative links, so that they work in a checkout and on a
forge. A package index needs absolute links, which point to the version's tag.
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
    """Sets ``readme`` and ``urls``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the metadata that depend on the repository's address."""
        root, repository = Path(self.root), self.config["repository"]
        source = (root / "server" / "gltf_render_server" / "__init__.py").read_text("utf-8")
        [version] = re.findall(r'(?m)^__version__ = "(.+)"$', source)
        text = absolute((root / "README.md").read_text("utf-8"), repository, f"v{version}")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = urls(repository)


def urls(repository: str) -> dict[str, str]:
    """Return the addresses that a package index displays."""
    return {
        "Repository": repository,
        "Documentation": f"{repository}/tree/HEAD/docs",
        "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def absolute(markdown: str, repository: str, tag: str) -> str:
    """Make the relative links of a text in the repository's root absolute, except in code blocks.

    Parameters
    ----------
    markdown : str
    repository : str
        The address on a forge with GitHub's paths: ``/raw/TAG/`` for files, ``/blob/TAG/`` for pages.
    tag : str
        The tag of the version.

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
