"""How Sphinx makes the site of the documentation: ``scripts/docs`` builds it.

The pages are plain Markdown that a forge shows, too. Only the reference of the programs, of the HTTP API and
of the Python package is made while the site is built; see ``reference.py``.
"""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(_ROOT / "server")]

from gltf_render_server import __version__  # noqa: E402

project = "glTF Render Server"
copyright = "the authors of glTF Render Server, GPL-3.0-or-later"  # noqa: A001
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "reference"]
exclude_patterns = ["site"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["fieldlist"]
myst_heading_anchors = 4  # as a forge makes them, so that a link to a heading works in both
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_mock_imports = ["bpy", "vtkmodules"]
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_ivar = True
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True

html_theme = "pydata_sphinx_theme"
html_title = project
html_show_sphinx = False
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {
    "header_links_before_dropdown": 5,
    "navbar_persistent": ["search-button"],
    "show_prev_next": False,
    "show_nav_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
html_sidebars = {"index": []}
