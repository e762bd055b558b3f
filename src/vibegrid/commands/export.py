"""`make export` and `make export-map`: an adapter, or the retrieval map, as a folder for users and for the hub."""

from __future__ import annotations

from pathlib import Path

import typer

from vibegrid.errors import InputError
from vibegrid.export import hub
from vibegrid.grid.load import read_yaml
from vibegrid.grid.study import Study


def export_adapter(root: Path, wanted: str, scale: str, out: Path | None, push: str) -> None:
    """Write the adapter's folder; upload it where `push` names a repository."""
    from vibegrid.export.adapter import export, find

    study = _study(root, scale)
    node = find(study, wanted)
    folder = _new(out or Path("exports") / node.slug)
    export(study, node, folder)
    typer.echo(f"{folder}: {node.id}, merged; adapter/ beside it")
    if push:
        typer.echo(hub.push(folder, push, "model"))


def export_map(root: Path, scale: str, out: Path, push: str) -> None:
    """Write the retrieval map's folder; upload it where `push` names a repository."""
    from vibegrid.export.retrieval import export

    count = export(_study(root, scale), _new(out))
    typer.echo(f"{out}: {count} vibes with embedding and payload")
    if push:
        typer.echo(hub.push(out, push, "dataset"))


def _new(folder: Path) -> Path:
    """The folder, which must not be there: a whole one takes its place, and nothing of the user's may go."""
    if folder.exists():
        raise InputError(str(folder), "it is there already", "name another folder, or remove it")
    return folder


def _study(root: Path, scale: str) -> Study:
    config = read_yaml(root / "config/config.yaml")
    return Study(root, {**config, **({"scale": scale} if scale else {})})
