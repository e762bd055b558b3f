"""The app on Modal: a function for each GPU step, images from envs/, the package shipped as it stands here.

An app's name is a digest of what it is made of, so that it never changes once it is there: it is deployed by the
first call that needs it and found by all others.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from vibegrid.remote.container import CHECKPOINTS, PLACE, WEIGHTS, run_step
from vibegrid.script import ENVIRONMENT

PREFIX = "vibegrid-"
PLACE_THERE = "/vibegrid"
CLAP_PYTHON = "/opt/clap/bin/python"
SHIPPED = {"src/vibegrid": "/root/vibegrid", "scripts": "/root/scripts"}
NOT_SHIPPED = ("**/__pycache__/**", "**/*.pyc", "**/.*")
HEARS = {"train_grpo", "generate", "score"}  # steps that may hear with LAION-CLAP
STEPS = ("train_sft", *sorted(HEARS))
SECONDS_KEPT_WARM = 60

log = logging.getLogger("vibegrid.remote")


def name_of(root: Path) -> str:
    """`vibegrid-<digest>` of the package, the scripts, the environments and Modal's client."""
    import modal

    hashed = hashlib.sha256(modal.__version__.encode())
    files = [path for folder in SHIPPED for path in (root / folder).rglob("*") if _is_shipped(path)]
    for path in sorted([*files, root / "envs/gpu.yaml", root / "envs/clap.yaml"]):
        hashed.update(f"\0{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return PREFIX + hashed.hexdigest()[:12]


def _is_shipped(path: Path) -> bool:
    hidden = any(part.startswith(".") or part == "__pycache__" for part in path.parts[-3:])
    return path.is_file() and path.suffix != ".pyc" and not hidden


def pins(environment: Path) -> list[str]:
    """The exact pins of a conda file's pip part."""
    return list(yaml.safe_load(environment.read_text(encoding="utf-8"))["dependencies"][-1]["pip"])


def image(root: Path, *, hears: bool) -> Any:
    """The image of a step: envs/gpu.yaml, and beside it envs/clap.yaml in an environment of its own, if it hears."""
    import modal

    made = modal.Image.debian_slim(python_version="3.11").uv_pip_install(*pins(root / "envs/gpu.yaml"))
    # Threads are counted when a library is imported, before a script runs; a second one would change last digits.
    variables = {PLACE: PLACE_THERE, "VIBEGRID_PRELOAD": "0", **ENVIRONMENT}
    if hears:
        install = " ".join([f"{CLAP_PYTHON} -m pip install --no-cache-dir", *pins(root / "envs/clap.yaml")])
        made = made.run_commands("python -m venv /opt/clap", install)
        variables["VIBEGRID_CLAP_PYTHON"] = CLAP_PYTHON
    made = made.env(variables)
    for folder, there in SHIPPED.items():
        made = made.add_local_dir(root / folder, there, ignore=list(NOT_SHIPPED))
    return made


def define(root: Path) -> Any:
    """The app, not yet deployed: no network is needed."""
    import modal

    app = modal.App(name_of(root), include_source=False)
    volumes = {
        f"{PLACE_THERE}/{name}": modal.Volume.from_name(name, create_if_missing=True) for name in (CHECKPOINTS, WEIGHTS)
    }
    images = {hears: image(root, hears=hears) for hears in (False, True)}
    for step in STEPS:
        settings = {"image": images[step in HEARS], "volumes": volumes, "scaledown_window": SECONDS_KEPT_WARM}
        app.function(name=step, **settings)(run_step)
    return app


def function(root: Path, step: str) -> Any:
    """The deployed function of a step; the app is deployed where it is missing."""
    import modal
    from modal.exception import NotFoundError

    name = name_of(root)
    found = modal.Function.from_name(name, step)
    with locked(root, "deploy"):
        try:
            return found.hydrate()
        except NotFoundError:
            log.info("deploying %s; its images are built the first time, for some minutes", name)
            define(root).deploy()
    return modal.Function.from_name(name, step).hydrate()


@contextmanager
def locked(root: Path, name: str) -> Iterator[None]:
    """One of this project's jobs at a time."""
    path = root / ".cache" / "modal" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
