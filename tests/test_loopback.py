"""Servers that are started by or for the user are reachable from this machine alone, unless told otherwise."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import click
import pytest

import tuning

PROJECT = Path(tuning.__file__).parents[1]
TEXTS = [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"), *(PROJECT / "deploy").iterdir()]
SOURCES = [
    path for name in ("tuning", "models", "search_spaces", "examples") for path in (PROJECT / name).rglob("*.py")
]
SERVERS = ("mlflow ui", "mlflow server", "mlflow models serve", "optuna-dashboard", "tensorboard", "grpc_proxy")
LOOPBACK = ("127.0.0.1", "localhost", "::1")

# What opens a port, or tells a server where to listen.
OPENERS = r"\.bind\(|HTTPServer\(|TCPServer\(|create_server\(|start_server\(|add_(in)?secure_port\(|0\.0\.0\.0"


def commands() -> list[str]:
    """Every command of the documents that starts a server."""
    lines = [line.strip() for path in TEXTS for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if re.match(r"(\w+=\S+ )*(python -m )?(\S+ )?(" + "|".join(SERVERS) + ")", line)]


def test_no_command_of_the_documents_opens_a_port_to_others() -> None:
    """Either it names loopback, or leaves the host out, whose default the next tests check."""
    found = commands()
    assert len(found) >= 3, found
    for command in found:
        words = shlex.split(command)
        hosts = [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("-h", "--host")]
        hosts += [word.partition("=")[2] for word in words if word.startswith("--host=")]
        assert [] == [host for host in hosts if host not in LOOPBACK], command


def test_nothing_of_ours_listens() -> None:
    """This project starts no server: none of its files opens a port."""
    found = {path.name: re.findall(OPENERS, path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {} == {name: each for name, each in found.items() if each}


def test_containers_listen_to_each_other_and_to_this_machine() -> None:
    """Inside the containers' own network a server has to listen to all; its port outside is loopback's."""
    text = (PROJECT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    everywhere = [line for line in text.splitlines() if "0.0.0.0" in line]
    assert 1 == len(everywhere)
    assert all(port.startswith("127.0.0.1:") for port in re.findall(r'- "([\d.:]+:\d+)"', text))
    others = [path for path in TEXTS if path.name != "compose.yaml" and "0.0.0.0" in path.read_text(encoding="utf-8")]
    assert [] == others


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*type hint")  # of MLflow about itself
def test_the_servers_of_the_documents_bind_to_loopback_by_default() -> None:
    """As MLflow's and Optuna's installed versions have it."""
    from mlflow.cli import server
    from mlflow.models.cli import commands as models
    from optuna.storages import run_grpc_proxy_server

    serve = models.commands["serve"]
    for command in (server, serve):
        assert isinstance(command, click.Command)
        (host,) = [each for each in command.params if each.name == "host"]
        assert host.default in LOOPBACK, command.name
    assert inspect.signature(run_grpc_proxy_server).parameters["host"].default in LOOPBACK
