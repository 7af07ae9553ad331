"""The rules of the layout, held by reading the imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "server" / "gltf_render_server"
ROOMS = {
    "blender": {"bpy", "bmesh", "mathutils", "gpu", "io_scene_gltf2", "bl_ext"},
    "vtk": {"vtk", "vtkmodules"},
}
"""What only one folder may import."""
MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path):
    """Yield (level, first name) of every import in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, (node.module or "").partition(".")[0]


def test_there_is_something_to_check():
    assert len(MODULES) > 15


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_package_imports_itself_relatively_and_each_back_end_in_one_room(path):
    absolute = {name for level, name in imports(path) if level == 0}
    assert "gltf_render_server" not in absolute
    for room, modules in ROOMS.items():
        if room not in path.relative_to(PACKAGE).parts:
            assert not absolute & modules


def test_the_back_ends_do_not_know_each_other():
    for room in ROOMS:
        for file in (PACKAGE / room).rglob("*.py"):
            assert not (ROOMS.keys() - {room}) & {name for level, name in imports(file) if level}


@pytest.mark.parametrize("name", ["http", "gltf", "dispatch", "labels"])
def test_the_core_does_not_know_the_back_end(name):
    path = PACKAGE / name
    for file in path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]:
        assert not ROOMS.keys() & {name for level, name in imports(file) if level}


def test_only_compat_looks_at_the_version():
    guilty = [
        path.name
        for path in MODULES
        if "bpy.app.version" in path.read_text().replace("bpy.app.version_string", "")
    ]
    assert guilty == ["compat.py"]
