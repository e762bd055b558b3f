"""The tables and figures of an archive, made again by this project's scripts, and compared with those that were packed.

No Snakemake: it would ask for weights that are not there. The scripts are run as it ran them, several at a time.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from vibegrid.archive.manifest import Manifest, Step
from vibegrid.errors import InputError

LAST = "collect_tables"  # it reads what the others make


class Outcome(NamedTuple):
    """Names of tables and figures, by what became of them."""

    equal: list[str]
    different: list[str]
    missing: list[str]


def replay(root: Path, manifest: Manifest, target: Path, told: Callable[[Step], None]) -> Outcome:
    """Run the steps of a manifest in `target`, where its archive was unpacked.

    Args:
        root: the project, whose scripts and package are used.
        manifest: of the archive.
        target: the folder that the paths of the steps are relative to.
        told: called after each step.

    Raises:
        InputError: this project has no such script, or a script failed.
    """
    for step in manifest.steps:
        if not (root / "scripts" / f"{step.script}.py").is_file():
            raise InputError(f"scripts/{step.script}.py", "no such script", "the archive is of another version")
    for step in manifest.steps:
        for name in _outputs(step):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
    first = [step for step in manifest.steps if step.script != LAST]
    for steps in (first, [step for step in manifest.steps if step.script == LAST]):
        with ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
            for step in pool.map(lambda each: _run(root, target, each), steps):
                told(step)
    return compare(manifest, target)


def compare(manifest: Manifest, target: Path) -> Outcome:
    """The tables and figures that are in `target` against those of the manifest, byte by byte."""
    found = Outcome([], [], [])
    for name, digest in manifest.made.items():
        path = target / name
        if not path.is_file():
            found.missing.append(name)
        elif hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            found.equal.append(name)
        else:
            found.different.append(name)
    return found


def _outputs(step: Step) -> Sequence[str]:
    arguments = step.arguments
    return [arguments[i + 1] for i, each in enumerate(arguments[:-1]) if each in ("--out", "--made", "--log")]


def _run(root: Path, target: Path, step: Step) -> Step:
    script = (root / "scripts" / f"{step.script}.py").resolve()
    environment = {**os.environ, "PYTHONPATH": str((root / "src").resolve())}
    done = subprocess.run(
        [sys.executable, str(script), *step.arguments],
        cwd=target,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"scripts/{step.script}.py", said[:300])
    return step
