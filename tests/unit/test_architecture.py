"""The rules of the layout, held by reading the imports."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "server" / "gltf_render_server"
ADD_ON = ROOT / "blender_addon"
SCRIPTS = ROOT / "scripts"
LAYERS = (
    {"__main__"},
    {"cli", "wsgi"},
    {"compose"},
    {"pictures"},
    {"dataset"},
    {"refusals"},
    {"client"},
    {"http"},
    {"recording"},
    {"dispatch"},
    {"backends"},
    {"blender", "vtk"},
    {"renderer"},
    {"gltf"},
    {"decode", "encode", "false_colours"},
    {"passes"},
    {"frame"},
    {"scene"},
    {"settings"},
    {"command_line"},
    {"options"},
    {
        "environments",
        "extras",
        "labels",
        "limits",
        "metering",
        "mismatch",
        "process",
        "recent",
        "srgb",
        "stages",
        "suggestions",
    },
    {"errors"},
    {""},
)
"""An import leads from a room to itself, or to one below; ``""`` is the package's own ``__init__``."""
FOREIGN = {
    "blender": {"bpy", "bmesh", "mathutils", "gpu", "io_scene_gltf2", "bl_ext"},
    "vtk": {"vtk", "vtkmodules"},
}
"""What only one room may import."""


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


def foreign(path):
    """Yield the packages that a module imports from elsewhere."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def assert_no_circle(modules):
    try:
        TopologicalSorter({name: imported(name, modules) for name in modules}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


PACKAGE_MODULES = modules_below(PACKAGE, ["gltf_render_server"])


def room(name):
    """The folder or module of the package that a module is, or stands in."""
    return [*name.split("."), ""][1]


def layer(name):
    return next(depth for depth, rooms in enumerate(LAYERS) if room(name) in rooms)


@pytest.mark.parametrize("name", PACKAGE_MODULES)
def test_imports_lead_down_the_layers(name):
    for found in imported(name, PACKAGE_MODULES):
        assert room(found) == room(name) or layer(found) > layer(name), f"{name} imports {found}"


def test_every_room_stands_in_the_layers():
    assert {room(name) for name in PACKAGE_MODULES} == set.union(*LAYERS)


def test_the_package_has_no_circle():
    assert_no_circle(PACKAGE_MODULES)


@pytest.mark.parametrize("name", PACKAGE_MODULES)
def test_package_imports_itself_relatively_and_each_back_end_in_one_room(name):
    absolute = set(foreign(PACKAGE_MODULES[name]))
    assert "gltf_render_server" not in absolute
    for owner, names in FOREIGN.items():
        assert room(name) == owner or not absolute & names


def test_scripts_ask_servers_and_import_no_back_end():
    for path in (ROOT / "scripts").rglob("*.py"):
        assert not set(foreign(path)) & set.union(*FOREIGN.values()), path.name


def test_only_compat_looks_at_the_version():
    guilty = [
        path.name
        for path in PACKAGE_MODULES.values()
        if "bpy.app.version" in path.read_text().replace("bpy.app.version_string", "")
    ]
    assert guilty == ["compat.py"]


def test_the_add_on_has_no_circle():
    modules = modules_below(ADD_ON, ["blender_addon"])
    assert len(modules) > 25
    assert "blender_addon.kept_requests" in imported("blender_addon.preferences", modules)
    assert_no_circle(modules)


def test_the_scripts_have_no_circle():
    modules = modules_below(SCRIPTS, [])
    assert "benchmarking.scenes" in modules
    assert_no_circle(modules)


def test_the_preferences_do_not_know_what_is_controlled():
    found = imported("blender_addon.preferences", modules_below(ADD_ON, ["blender_addon"]))
    assert not found & {"blender_addon.control", "blender_addon.panels"}


def test_the_add_on_imports_itself_and_the_package_relatively():
    """Its own name is known only when it is installed: ``bl_ext.<repository>.gltf_render_server``."""
    for path in modules_below(ADD_ON, ["blender_addon"]).values():
        assert not set(foreign(path)) & {"gltf_render_server", "blender_addon"}, path.name


def test_scripts_import_the_package_absolutely_and_nothing_imports_scripts():
    scripts = modules_below(SCRIPTS, [])
    for name, path in scripts.items():
        levels = {
            node.level for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)
        }
        assert levels <= {0, 1}, f"{name} leaves its folder"
    tops = {name.partition(".")[0] for name in scripts}
    for path in [*PACKAGE_MODULES.values(), *modules_below(ADD_ON, []).values()]:
        assert not set(foreign(path)) & (tops | {"scripts"}), path.name


def compares_image_types(path):
    """Whether a module asks which of Drake's three images something is."""
    names = {"color", "depth", "label"}
    compared = (
        part
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare | ast.MatchValue)
        for part in ast.walk(node)
    )
    return any(
        (isinstance(part, ast.Constant) and part.value in names)
        or (isinstance(part, ast.Attribute) and part.attr in {name.upper() for name in names})
        for part in compared
    )


def test_only_the_form_asks_which_image_it_is():
    """A format of datasets asks which passes there are, which is another question."""
    own = [path for path in PACKAGE_MODULES.values() if "formats" not in path.parts]
    paths = [*own, *modules_below(ADD_ON, []).values()]
    assert [path.name for path in paths if compares_image_types(path)] == ["form.py"]


@pytest.mark.parametrize(
    ("word", "place"),
    [("basicConfig", "logs.py"), ("courtyard", "environments.py"), ("optix", "settings.py")],
)
def test_what_stands_in_one_place(word, place):
    """How processes log, the names of environments, and the choices of an option."""
    files = [
        *PACKAGE_MODULES.values(),
        *modules_below(ADD_ON, []).values(),
        *modules_below(SCRIPTS, []).values(),
    ]
    assert [path.name for path in files if word in path.read_text()] == [place]
