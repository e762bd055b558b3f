"""`make vouch`: an edit that changes no result keeps the identities, so that a refactoring costs no training."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from rich.console import Console

from vibegrid.errors import InputError
from vibegrid.files import read_json, write_json
from vibegrid.grid.code import Code
from vibegrid.grid.load import read_yaml
from vibegrid.grid.study import Study
from vibegrid.grid.vouched import VOUCHED


def vouch_step(root: Path, step: str, *, reason: str, since: str) -> None:
    """Record in config/vouched.json that the step's code of the working tree equals that of ``since`` in effect.

    Raises:
        InputError: no such step, no reason, no such revision, or nothing to vouch for.
    """
    if not reason.strip():
        raise InputError("make vouch", "a REASON is needed", "REASON='renamed a variable'")
    study = Study(root, {**read_yaml(root / "config/config.yaml"), "experiments": "all"})
    list(study.all_nodes())
    used = [(name, named) for name, named in study.code.used() if name == step]
    if not used:
        steps = sorted({name for name, _ in study.code.used()})
        raise InputError(f"make vouch STEP={step}", "no such step", f"steps: {', '.join(steps)}")
    before, after = _digests_at(root, since, used), [study.code.actual(*key) for key in used]
    path = root / VOUCHED
    entries = read_json(path) if path.exists() else []
    known = {(entry["step"], entry["edited"]) for entry in entries}
    added = [
        {"step": step, "edited": new, "stands_for": old, "reason": reason.strip()}
        for old, new in zip(before, after, strict=True)
        if old != new and (step, new) not in known
    ]
    if not added:
        raise InputError(f"make vouch STEP={step}", f"its code is as it was at {since}", "SINCE=<older revision>")
    write_json(path, [*entries, *added])
    Console().print(f"{step}: {len(added)} edit(s) since {since} vouched for in {VOUCHED}; commit it")


def _digests_at(root: Path, revision: str, used: list[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Digests of the code as it was at a revision, computed by this version of the digest."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", revision, "src", "scripts"], cwd=root, capture_output=True, check=False
        )
        if archive.returncode:
            problem = archive.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise InputError(f"SINCE={revision}", problem[0] if problem else "git archive failed")
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        code = Code(Path(folder))
        return [code.actual(step, named) for step, named in used]
