"""The examples of `deploy/` are what their own programs take, and every command in them is one of ours."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import tuning
from tuning.search import search

PROJECT = Path(tuning.__file__).parents[1]
DEPLOY = PROJECT / "deploy"
_DOCUMENTS = ("deploy/README.md", "docs/scale-out.md", "SECURITY.md", "CONTRIBUTING.md")


def documents(name: str) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def assert_parsed(words: list[str]) -> None:
    """The command line is one that `tuning.search` understands."""
    assert ["python", "-m", "tuning.search"] == words[:3]
    search.make_context("search", words[3:])


@pytest.mark.slow
def test_the_compose_file_follows_the_specification() -> None:
    """By the schema that Docker Compose publishes."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(DEPLOY / "compose.yaml")], capture_output=True, text=True)
    assert 0 == done.returncode, done.stdout + done.stderr


def test_docker_compose_takes_the_file() -> None:
    """Where its client is installed."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
    ):
        pytest.skip("docker compose is not installed")
    environ = {"DATABASE_PASSWORD": "x", "PATH": "/usr/bin:/usr/local/bin:/bin"}
    command = ["docker", "compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr


def test_kubernetes_takes_the_job() -> None:
    """By the schemas of its own interface, strictly: an unknown field is an error."""
    validate = pytest.importorskip("kubernetes_validate")
    for document in documents("kubernetes.yaml"):
        validate.validate(document, "1.31", strict=True)
    assert ["PersistentVolumeClaim", "Job"] == [document["kind"] for document in documents("kubernetes.yaml")]


def test_the_slurm_script_is_a_script(tmp_path: Path) -> None:
    """`bash -n`, and what it would run with its variables set."""
    script = DEPLOY / "slurm.sh"
    assert 0 == subprocess.run(["bash", "-n", str(script)]).returncode
    lines = [line for line in script.read_text().splitlines() if line.startswith("#SBATCH")]
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", line) for line in lines)
    fake = tmp_path / "python"
    fake.write_text(f'#!{sys.executable}\nimport json, sys\nprint(json.dumps(["python", *sys.argv[1:]]))\n')
    fake.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "TUNING_STORAGE": "grpc://x", "TUNING_MLFLOW": "http://x:5000"}
    done = subprocess.run(["bash", str(script)], env=environ, capture_output=True, text=True)
    assert_parsed(json.loads(done.stdout))
    del environ["TUNING_STORAGE"]
    refused = subprocess.run(["bash", str(script)], env=environ, capture_output=True, text=True)
    assert (1, True) == (refused.returncode, "the Optuna storage that all tasks share" in refused.stderr)


def test_containers_run_the_search_and_hold_no_password() -> None:
    """Both examples type options that exist; passwords come from the environment; ports are this machine's alone."""
    (compose,) = documents("compose.yaml")
    assert_parsed(compose["services"]["worker"]["command"])
    (container,) = documents("kubernetes.yaml")[1]["spec"]["template"]["spec"]["containers"]
    assert_parsed(container["command"])
    assert {"secretKeyRef"} == container["env"][0]["valueFrom"].keys()
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports == [port for port in ports if port.startswith("127.0.0.1:")]
    text = (DEPLOY / "compose.yaml").read_text()
    assert text.count("DATABASE_PASSWORD") == text.count("${DATABASE_PASSWORD") + 1  # and the head, which says so


def test_commands_of_the_documents_are_understood() -> None:
    """Every `python -m tuning.search` line of this topic's documents parses, and every benchmark exists."""
    text = "".join((PROJECT / name).read_text() for name in _DOCUMENTS)
    commands = re.findall(r"^\s*(python -m tuning\.search .*)$", text, flags=re.MULTILINE)
    assert len(commands) >= 2
    for command in commands:
        assert_parsed(command.replace("'", "").split())
    for module in re.findall(r"python -m benchmarks\.(\w+)", text):
        assert (PROJECT / "benchmarks" / f"{module}.py").is_file(), module
    for path in re.findall(r"`((?:tests|deploy|docs|constraints|benchmarks)/[\w./]+\w)`", text):
        assert (PROJECT / path).exists(), path
