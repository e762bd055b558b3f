"""Results without weights, audio and outputs in one file, from which tables and figures can be made again.

What makes a table or a figure is not written down a second time: Snakemake plans these jobs anew, in a dry run, and
the archive holds their command lines with the files that they name.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from vibegrid.archive.manifest import MANIFEST, SCRIPTS, Manifest, Step
from vibegrid.errors import InputError
from vibegrid.grid.study import Study

# Beside what tables and figures are made of: scores, specs, curves, cards and counts.
KEPT = (
    "scores/*/*",
    "analyses/*/*",
    "adapters/*/*/*.csv",
    "adapters/*/*/*.json",
    "models/*/model_card.json",
    "claps/*/card.json",
    "datasets/*/card.*",
    "splits/*/split.json",
    "vibes/*/extraction.json",
    "labels/*/report.json",
    "scorers/*/scorer.json",
    "effects/*/effects.json",
    "eval_sets/*/*.json*",
    "experiments/*/arms.csv",
    "stamps/**/*.json",
)
MADE = ("tables/*", "figures/*", "all_tables.csv")
ENDINGS = (".csv", ".json", ".jsonl", ".md", ".tex")
LARGEST = 64 * 2**20  # bytes of a file; a table is a thousandth of that
PROVENANCE = "provenance.json"
RULE = re.compile(r"^\s*rule (\w+):", re.M)
COMMAND = re.compile(r"^\s*(?:Shell command: )?python scripts/(\w+)\.py (.*)$", re.M)
LIBRARIES = ("torch", "transformers", "trl", "peft", "latentscore", "numpy", "scipy", "matplotlib", "snakemake")


def pack(root: Path, study: Study, out: Path) -> Manifest:
    """Write the archive of a scale's results to `out` (``.tar.gz`` or ``.tar``): equal results, equal bytes.

    Raises:
        InputError: a table or figure is missing or out of date, or a file is not what an archive may hold.
    """
    results = study.scale.results
    steps = planned_steps(root, study)
    named = {path for step in steps for path in inputs_of(root, step)}
    kept = {str(p.relative_to(root)) for pattern in KEPT for p in (root / results).glob(pattern) if _fits(p)}
    made = sorted(str(p.relative_to(root)) for pattern in MADE for p in (root / results).glob(pattern))
    if not made:
        raise InputError(results, "no tables and figures", "make them first: make")
    contents = {name: _read(root, name) for name in sorted(named | kept)}
    contents[f"{results}/{PROVENANCE}"] = _provenance(study)
    manifest = Manifest(
        scale=study.run.scale,
        results=results,
        files={name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
        made={name: hashlib.sha256(_read(root, name)).hexdigest() for name in made},
        steps=tuple(steps),
        versions=_versions(root),
    )
    head = json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    _write_tar(out, {MANIFEST: head.encode(), **contents})
    return manifest


def planned_steps(root: Path, study: Study) -> list[Step]:
    """The commands of all tables and figures, `collect_tables` last.

    Raises:
        InputError: Snakemake would have to compute something else first.
    """
    named = {name for path in (root / "rules").glob("*.smk") for name in RULE.findall(path.read_text("utf-8"))}
    rules = sorted(name for name in named if SCRIPTS.match(name))
    command = [sys.executable, "-m", "snakemake", f"{study.scale.results}/all_tables.csv", "figures"]
    command += ["--dry-run", "--printshellcmds", "--nocolor", "--forcerun", *rules, "--config"]
    command += [f"{key}={value}" for key, value in _given(study).items()]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError("snakemake --dry-run", " ".join((done.stdout + done.stderr).split())[-400:])
    steps = list(commands_of(done.stdout + done.stderr))
    other = sorted({step for step, _ in steps if not SCRIPTS.match(step)} - {"list_arms", "build_listen"})
    if other:
        raise InputError(study.scale.results, f"results are not complete: {', '.join(other)} would run", "make")
    found = {(step, arguments) for step, arguments in steps if SCRIPTS.match(step)}
    ordered = sorted(found, key=lambda each: (each[0] == "collect_tables", each))
    return [Step(script=step, arguments=arguments) for step, arguments in ordered]


def _given(study: Study) -> Mapping[str, Any]:
    return {"scale": study.run.scale, "experiments": ",".join(study.selected)}


def commands_of(text: str) -> Iterable[tuple[str, tuple[str, ...]]]:
    """(script, arguments) of each command line of ours in what Snakemake prints."""
    for match in COMMAND.finditer(text):
        yield match.group(1), tuple(shlex.split(match.group(2)))


def inputs_of(root: Path, step: Step) -> list[str]:
    """The files that a step's command names and that it does not write itself."""
    arguments = list(step.arguments)
    written = {arguments[i + 1] for i, each in enumerate(arguments[:-1]) if each in ("--out", "--made", "--log")}
    found = []
    for argument in arguments:
        path = argument.removeprefix("@").rpartition("=")[2]
        if not path.startswith("results/") or argument in written or "/tables/" in path:
            continue
        if not (root / path).exists():
            raise InputError(path, "no such file", "make it first: make")
        inside = sorted((root / path).rglob("*")) if (root / path).is_dir() else [root / path]
        found += [str(each.relative_to(root)) for each in inside if each == root / path or _fits(each)]
    return found


def _fits(path: Path) -> bool:
    return path.suffix in ENDINGS and path.is_file()


def _read(root: Path, name: str) -> bytes:
    path = root / name
    if path.stat().st_size > LARGEST:
        raise InputError(name, f"over {LARGEST // 2**20} MiB", "an archive holds tables, not weights or audio")
    return path.read_bytes()


def _provenance(study: Study) -> bytes:
    """Every node of the study: step, resolved spec, parents."""
    nodes = {
        node.folder: {
            "step": node.step,
            "spec": node.spec,
            "parents": {role: parent.folder for role, parent in sorted(node.parents.items())},
            "sources": dict(node.sources),
        }
        for node in study.all_nodes()
    }
    return (json.dumps(nodes, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _versions(root: Path) -> dict[str, str]:
    found = {"python": sys.version.split()[0], "vibegrid": metadata.version("vibegrid")}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    git = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(git, cwd=root, capture_output=True, text=True, check=False)
    return found | ({"commit": commit.stdout.strip()} if commit.returncode == 0 else {})


def _write_tar(out: Path, contents: Mapping[str, bytes]) -> None:
    """A tar without dates and owners, compressed where its name says so; it appears whole."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    data = buffer.getvalue()
    if out.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.tmp")
    draft.write_bytes(data)
    draft.replace(out)
