"""What scripts/demo, scripts/test and scripts/readers set up, on machines that lack one thing or another."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from servers import ROOT

UV = shutil.which("uv") or shutil.which("uv", path=ROOT / ".venv" / "tools" / "bin")
REQUIREMENTS = ROOT / "scripts" / "requirements"
SCRIPTS = ("scripts/_setup.sh", "scripts/demo", "scripts/readers", "scripts/test")
COPIED = ("LICENSE", "README.md", "pyproject.toml", "scripts/build_metadata.py", *SCRIPTS)
NO_NETWORK = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"),
    "UV_HTTP_RETRIES": "0",
}
TOOLS = ("basename", "bash", "cat", "cmp", "cp", "dirname", "env", "ldconfig", "mkdir", "rm", "uname")

pytestmark = pytest.mark.skipif(UV is None, reason="needs uv, which makes the environments")


@pytest.fixture
def checkout(tmp_path):
    """A checkout of little more than what sets up, which wants two packages in the place of many."""
    folder = tmp_path / "checkout"
    for name in COPIED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    package = folder / "server" / "gltf_render_server"
    package.mkdir(parents=True)
    shutil.copy(ROOT / "server" / "gltf_render_server" / "__init__.py", package)
    (folder / "scripts" / "requirements").mkdir()
    (folder / "scripts" / "requirements" / "demo.txt").write_text(pinned("idna"))
    (folder / "scripts" / "requirements" / "dev.txt").write_text(pinned("idna", "iniconfig"))
    (folder / "scripts" / "requirements" / "readers.txt").write_text(pinned("iniconfig"))
    (folder / "scripts" / "demo.py").write_text("print('the demo')\n")
    return folder


def pinned(*names):
    entries = re.split(r"\n(?=\S)", (REQUIREMENTS / "dev.txt").read_text())
    return "\n".join(entry for entry in entries if entry.partition("==")[0] in names) + "\n"


def run(checkout, script, *arguments, **env):
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    command = [checkout / "scripts" / script, *(arguments or ("--python", version))]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=500, env={**os.environ, **env}, check=False
    )


def lines(text):
    """What is printed beside the headings of the steps."""
    return [line for line in text.splitlines() if "==>" not in line]


@pytest.mark.parametrize("script", ["demo", "test"])
@pytest.mark.parametrize("arguments", [("--python", "3.12"), ("--python=3.14",), ("--python",)])
def test_a_python_without_bpy_is_refused(checkout, script, arguments):
    done = run(checkout, script, *arguments)
    assert done.returncode == 3
    [line] = lines(done.stderr)
    assert line.startswith(f"scripts/{script}: --python")
    assert "3.13 (Blender 5.2)" in line
    assert "3.11 (Blender 4.5)" in line
    assert not (checkout / ".venv").exists()


def test_the_environment_only_grows(checkout):
    """The demo and the tests share it; what one of them has made, the other uses, also without a network."""
    assert run(checkout, "demo").stdout == "the demo\n"
    assert installed(checkout) == {"idna"}
    run(checkout, "test")  # its linters are not in this small environment
    assert installed(checkout) == {"idna", "iniconfig"}
    for stamp in checkout.glob(".venv/3.*/.made-from/demo.txt"):
        stamp.unlink()  # as if the tests had made it alone
    done = run(checkout, "demo", UV_CACHE_DIR=str(checkout / "cache"), **NO_NETWORK)
    assert (done.returncode, done.stdout) == (0, "the demo\n"), done.stderr
    assert installed(checkout) == {"idna", "iniconfig"}


def test_the_readers_have_an_environment_apart(checkout):
    """It is made once; its Python's path is all that is printed."""
    python = checkout / ".venv" / "readers" / "bin" / "python"
    for env in ({}, {"UV_CACHE_DIR": str(checkout / "cache"), **NO_NETWORK}):
        done = run(checkout, "readers", "--python", "3.13", **env)
        if "no network? uv could not make an environment with Python 3.13" in done.stderr:
            pytest.skip("there is no Python 3.13 here")
        assert (done.returncode, done.stdout) == (0, f"{python}\n"), done.stderr
    there = {place.name for place in (checkout / ".venv").glob("readers/lib/python*/site-packages/*")}
    assert {"iniconfig"} == there & {"idna", "iniconfig", "gltf_render_server"}


def test_a_python_without_lerobot_is_refused(checkout):
    done = run(checkout, "readers", "--python", "3.11")
    assert (done.returncode, done.stdout) == (3, "")
    assert "lerobot exists for Python 3.12 and later" in done.stderr
    assert not (checkout / ".venv").exists()


def test_what_the_demo_needs_is_part_of_what_the_tests_need():
    demo, dev = (
        set(re.findall(r"(?m)^[\w.-]+==[^ \\]+", (REQUIREMENTS / name).read_text()))
        for name in ("demo.txt", "dev.txt")
    )
    assert len(demo) > 20
    assert demo <= dev


def installed(checkout):
    places = checkout.glob(".venv/3.*/lib/python*/site-packages/*")
    return {place.name for place in places} & {"idna", "iniconfig"}


@pytest.mark.parametrize("script", ["demo", "test"])
def test_no_network_is_one_plain_line(checkout, script):
    done = run(checkout, script, UV_CACHE_DIR=str(checkout / "cache"), **NO_NETWORK)
    assert done.returncode == 3
    [line] = lines(done.stderr)
    assert line.startswith(f"scripts/{script}: no network?")
    assert f"requirements/{'demo' if script == 'demo' else 'dev'}.txt" in line


def test_a_python_that_is_fetched_is_said_beforehand(checkout, tmp_path):
    """A machine whose one Python is another, and which has no network to fetch it by."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in TOOLS:
        (programs / name).symlink_to(shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin"))
    (programs / "uv").symlink_to(real_uv())
    (programs / "python3").write_text("#!/bin/sh\necho 3.12\n")
    (programs / "python3").chmod(0o755)
    env = {"PATH": str(programs), "HOME": str(tmp_path), "UV_PYTHON_INSTALL_DIR": str(tmp_path / "pythons")}
    done = run(checkout, "demo", "--help", **env, UV_CACHE_DIR=str(tmp_path / "cache"), **NO_NETWORK)
    assert done.returncode == 3
    announced, failed = (line for line in done.stderr.splitlines() if line)
    assert "needs Python 3.13 or 3.11, and this machine has 3.12" in announced
    assert "uv fetches a Python 3.13 of its own" in announced
    assert failed.startswith("scripts/demo: no network? uv could not make an environment with Python 3.13")


def real_uv():
    """The program itself: UV may be a shim that looks for it in PATH."""
    asked = "import os; print(os.environ['UV'])"
    command = [UV, "run", "--no-project", "--python", sys.executable, "python", "-c", asked]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
