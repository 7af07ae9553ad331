"""The examples for clusters: each is accepted by its own tool, or run by a stand-in for what starts it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from servers import ROOT

from gltf_render_server.dataset.cli import program

CLUSTER = ROOT / "examples" / "cluster"
PROGRAM = "gltf-render-dataset"


@pytest.fixture
def path_with_program(tmp_path, monkeypatch):
    """A PATH where the program prints its arguments."""
    stand_in = tmp_path / "bin" / PROGRAM
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}")


def printed(*command, **environment):
    environment = {**os.environ, **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def assert_read(arguments):
    """Have the program read arguments: it asks for a specification that is there, and for nothing else."""
    done = CliRunner().invoke(program, arguments)
    assert "does not exist" in done.output, done.output
    assert "SPEC" in done.output


def test_a_slurm_job_makes_its_shard(path_with_program):
    script = str(CLUSTER / "slurm.sh")
    job = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MAX": "16"}
    arguments = printed("bash", script, "SPEC.toml", "a folder", **job).splitlines()
    assert arguments[:6] == ["make", "SPEC.toml", "-o", "a folder", "--shard", "3/16"]
    assert_read(arguments)
    assert "3/20" in printed("bash", script, "SPEC.toml", "DIR", "20", **job)


def test_shellcheck_accepts_the_slurm_script():
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("needs shellcheck (apt install shellcheck)")
    printed(shellcheck, str(CLUSTER / "slurm.sh"))


def test_kubernetes_accepts_the_job(path_with_program):
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    kubernetes_validate = pytest.importorskip(
        "kubernetes_validate", reason="needs Kubernetes' schemas (pip install kubernetes-validate)"
    )
    job = yaml.safe_load((CLUSTER / "kubernetes.yaml").read_text())
    kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)
    container = job["spec"]["template"]["spec"]["containers"][0]
    arguments = printed(*container["command"], *container["args"], JOB_COMPLETION_INDEX="2").splitlines()
    assert arguments[arguments.index("--shard") + 1] == f"3/{job['spec']['completions']}"
    assert_read([each.replace("/specification/spec", "/SPEC") for each in arguments])


def test_openjd_accepts_the_template_and_runs_a_task(path_with_program, tmp_path):
    openjd = shutil.which("openjd", path=str(Path(sys.executable).parent)) or shutil.which("openjd")
    if openjd is None:
        pytest.skip("needs openjd (pip install openjd-cli)")
    template = str(CLUSTER / "openjd.yaml")
    assert "passes" in printed(openjd, "check", template)
    (tmp_path / "SPEC.toml").touch()
    parameters = [f"Specification={tmp_path / 'SPEC.toml'}", f"Folder={tmp_path}", "Shards=4"]
    options = [word for each in parameters for word in ("-p", each)]
    out = printed(openjd, "run", template, "--step", "Make", "--tasks", '[{"Shard": 3}]', *options)
    assert re.search(r"\b3/4\b", out)


def test_flamenco_compiles_the_job_type():
    """By node, with a stand-in for what Flamenco's manager offers to job types."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    manager = """
        const author = {
            Task: (name, type) => ({name, type, commands: [], addCommand(it) { this.commands.push(it); }}),
            Command: (name, parameters) => ({name, parameters}),
        };
        const job = {settings: {specification: "SPEC.toml", folder: "DIR", shards: 3, workers: 2},
                     tasks: [], addTask(it) { this.tasks.push(it); }};
    """
    code = f"{manager}{(CLUSTER / 'flamenco.js').read_text()}\ncompileJob(job);"
    compiled = json.loads(printed(node, "-e", f"{code} console.log(JSON.stringify([JOB_TYPE, job.tasks]))"))
    job_type, tasks = compiled
    assert {each["key"] for each in job_type["settings"]} == {"specification", "folder", "shards", "workers"}
    commands = [task["commands"][0] for task in tasks]
    assert [command["name"] for command in commands] == ["exec"] * 3
    assert [command["parameters"]["exe"] for command in commands] == [PROGRAM] * 3
    assert "2/3" in commands[1]["parameters"]["args"]
    assert_read(commands[1]["parameters"]["args"])


def test_deadlines_arguments_are_the_programs():
    text = (CLUSTER / "deadline.md").read_text()
    arguments = re.search(r'-arguments "(.+)"', text)[1]
    words = arguments.replace("<QUOTE>", "").replace("<STARTFRAME>", "3").split()
    assert_read(words)
