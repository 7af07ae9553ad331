"""The rules of the layout, held by reading the imports."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "server" / "gltf_render_server"
LAYERS = (
    {"__main__"},
    {"cli", "wsgi"},
    {"client"},
    {"http"},
    {"recording"},
    {"dispatch"},
    {"backends"},
    {"blender", "vtk"},
    {"renderer"},
    {"gltf"},
    {"passes"},
    {"frame"},
    {"scene"},
    {"settings"},
    {"options"},
    {"labels", "limits", "metering", "process", "recent", "stages"},
    {"errors"},
    {""},
)
"""An import leads from a room to itself, or to one below; ``""`` is the package's own ``__init__``."""
FOREIGN = {
    "blender": {"bpy", "bmesh", "mathutils", "gpu", "io_scene_gltf2", "bl_ext"},
    "vtk": {"vtk", "vtkmodules"},
}
"""What only one room may import."""


def modules(folder):
    """The Python files below a folder, by their dotted names."""
    paths = (path.relative_to(folder) for path in sorted(folder.rglob("*.py")))
    return {".".join(path.with_suffix("").parts).removesuffix("__init__").strip("."): path for path in paths}


def imports(name, path, known):
    """Yield the modules of the same tree that a module imports, wherever in it, for types only or not."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            parents = list(filter(None, package))
            root = parents[: len(parents) + 1 - node.level]
            base = [*root, *filter(None, [node.module])]
            for alias in node.names:
                found = ".".join([*base, alias.name])
                yield found if found in known else ".".join(base)


def foreign(path):
    """Yield the packages that a module imports from elsewhere."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


PATHS = {name: PACKAGE / path for name, path in modules(PACKAGE).items()}
GRAPH = {name: set(imports(name, path, PATHS)) for name, path in PATHS.items()}


def layer(name):
    room = name.partition(".")[0]
    return next(depth for depth, rooms in enumerate(LAYERS) if room in rooms)


def room(name):
    return name.partition(".")[0]


@pytest.mark.parametrize("name", PATHS, ids=lambda name: name or "__init__")
def test_imports_lead_down_the_layers(name):
    assert GRAPH[name] <= PATHS.keys()
    for imported in GRAPH[name]:
        assert room(imported) == room(name) or layer(imported) > layer(name), f"{name} imports {imported}"


def test_every_room_stands_in_the_layers():
    assert {room(name) for name in PATHS} == set.union(*LAYERS)


def test_imports_form_no_circle():
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("name", PATHS, ids=lambda name: name or "__init__")
def test_package_imports_itself_relatively_and_each_back_end_in_one_room(name):
    absolute = set(foreign(PATHS[name]))
    assert "gltf_render_server" not in absolute
    for owner, names in FOREIGN.items():
        assert room(name) == owner or not absolute & names


def test_only_compat_looks_at_the_version():
    guilty = [
        path.name
        for path in PATHS.values()
        if "bpy.app.version" in path.read_text().replace("bpy.app.version_string", "")
    ]
    assert guilty == ["compat.py"]
