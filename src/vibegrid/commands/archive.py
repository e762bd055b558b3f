"""`make archive` and `make figures FROM=...`: results in one file, and tables and figures from such a file."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from vibegrid.archive.pack import pack
from vibegrid.archive.replay import replay
from vibegrid.archive.unpack import unpack
from vibegrid.errors import InputError
from vibegrid.grid.load import read_yaml
from vibegrid.grid.study import Study

MOST_NAMED = 8


def write_archive(root: Path, scale: str | None, out: Path) -> None:
    """Pack the results of config/config.yaml's scale, or of another one."""
    config = read_yaml(root / "config/config.yaml")
    study = Study(root, {**config, **({"scale": scale} if scale else {})})
    manifest = pack(root, study, out)
    size = out.stat().st_size / 2**20
    Console().print(
        f"{out}: {size:.1f} MiB, {len(manifest.files)} files, {len(manifest.steps)} steps that make"
        f" {len(manifest.made)} tables and figures again",
        highlight=False,
        soft_wrap=True,
    )


def remake(root: Path, source: Path, to: Path) -> None:
    """Tables and figures of an archive, in `to`; nothing is trained and nothing is rendered.

    Raises:
        InputError: the archive is broken or asks for what it may not, a script failed, or a table differs.
    """
    started = time.monotonic()
    manifest = unpack(source, to)
    console = Console()
    found = replay(root, manifest, to, lambda step: None)
    console.print(
        f"{to / manifest.results}: {len(found.equal)} of {len(manifest.made)} tables and figures as they were packed,"
        f" {time.monotonic() - started:.0f} s",
        highlight=False,
        soft_wrap=True,
    )
    for what, names in (("differ", found.different), ("were not made", found.missing)):
        if names:
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            console.print(f"{what}: {', '.join(names[:MOST_NAMED])}{more}", highlight=False, soft_wrap=True)
    tables = [
        name for name in (*found.different, *found.missing) if not name.startswith(f"{manifest.results}/figures/")
    ]
    if tables:
        made_by = ", ".join(f"{name} {version}" for name, version in sorted(manifest.versions.items()))
        raise InputError(tables[0], "not the table that was packed", f"it was made by {made_by}")
