"""The environment of all tests: that of the scripts (one thread, no network); the finished grid that several share."""

import os
from pathlib import Path

import pytest
from project import copy_sources, snakemake, trim

from vibegrid.script import ENVIRONMENT

for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trimmed grid of `tests/project.py`, run to the end; its tests are in the xdist group "workflow"."""
    project = trim(copy_sources(tmp_path_factory.mktemp("finished") / "project"))
    snakemake(project)
    return project
