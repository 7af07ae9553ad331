"""The rules of the layout, held by reading the imports."""

import ast
import graphlib
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


ADD_ON = ROOT / "blender_addon"
SCRIPTS = ROOT / "scripts"


def imported(name, modules):
    """Return which of some modules one of them imports, wherever in it; all by their full names."""
    path, names = modules[name], set()
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            full = {f"{module}.{alias.name}" for alias in node.names}
            names |= full if full <= modules.keys() else full | {module}
    return names & modules.keys() - {name}


def modules_below(folder, prefix):
    """Return the full name and the file of each module in a folder, but for what is a link."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        if not any(part.is_symlink() for part in (path, *path.parents) if folder in part.parents):
            names = [*prefix, *path.relative_to(folder).with_suffix("").parts]
            found[".".join(names[:-1] if names[-1] == "__init__" else names)] = path
    return found


def assert_no_circle(modules):
    try:
        graphlib.TopologicalSorter({name: imported(name, modules) for name in modules}).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_add_on_has_no_circle():
    modules = modules_below(ADD_ON, ["blender_addon"])
    assert len(modules) > 25
    assert "blender_addon.kept_requests" in imported("blender_addon.preferences", modules)
    assert_no_circle(modules)


def test_the_scripts_have_no_circle():
    modules = modules_below(SCRIPTS, [])
    assert "tabletop.scene" in modules
    assert_no_circle(modules)


def test_the_preferences_do_not_know_what_is_controlled():
    found = imported("blender_addon.preferences", modules_below(ADD_ON, ["blender_addon"]))
    assert not found & {"blender_addon.control", "blender_addon.panels"}


def test_the_add_on_imports_itself_and_the_package_relatively():
    """Its own name is known only when it is installed: ``bl_ext.<repository>.gltf_render_server``."""
    for path in modules_below(ADD_ON, ["blender_addon"]).values():
        absolute = {name for level, name in imports(path) if level == 0}
        assert not absolute & {"gltf_render_server", "blender_addon"}, path.name


def test_scripts_import_the_package_absolutely_and_nothing_imports_scripts():
    scripts = modules_below(SCRIPTS, [])
    for name, path in scripts.items():
        assert not {level for level, _ in imports(path)} - {0, 1}, f"{name} leaves its folder"
    tops = {name.partition(".")[0] for name in scripts}
    for path in [*MODULES, *modules_below(ADD_ON, []).values()]:
        absolute = {name for level, name in imports(path) if level == 0}
        assert not absolute & (tops | {"scripts"}), path.name


@pytest.mark.parametrize(
    ("word", "place"),
    [("basicConfig", "logs.py"), ("courtyard", "environments.py"), ("optix", "settings.py")],
)
def test_what_stands_in_one_place(word, place):
    """How processes log, the names of environments, and the choices of an option."""
    files = [*MODULES, *modules_below(ADD_ON, []).values(), *modules_below(SCRIPTS, []).values()]
    assert [path.name for path in files if word in path.read_text()] == [place]
