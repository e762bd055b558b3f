"""`make prune`: result folders that no experiment of any scale refers to."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from rich.console import Console

from vibegrid.errors import InputError
from vibegrid.grid.load import read_yaml
from vibegrid.grid.study import Study
from vibegrid.grid.targets import FILES


def prune_results(root: Path, *, apply: bool, modal: bool = False) -> None:
    """List unreferenced folders, or move them to ``.cache/trash/<time>``; with ``modal`` also what is left there.

    Raises:
        InputError: config/config.yaml is about a part of the study only, so that "nobody" would be wrong.
    """
    config = read_yaml(root / "config/config.yaml")
    if config.get("experiments", "all") != "all" or config.get("texts") or config.get("overrides"):
        raise InputError(
            "config/config.yaml", "a partial configuration", "prune needs experiments: all, no texts, no overrides"
        )
    console, studies, complete = Console(), [], True
    for path in sorted((root / "config/scales").glob("*.yaml")):
        try:
            studies.append(Study(root, {"scale": path.stem}))
        except InputError as error:
            complete = False
            console.print(f"scale {path.stem} is left alone, it does not resolve: {error}")
    found = [folder for study in studies for folder in unreferenced(root, study)]
    if complete:
        found += unfinished(root, studies)
    elif modal:
        raise InputError("config/scales", "a scale does not resolve", "MODAL=1 needs to know all that is named")
    trash = root / ".cache" / "trash" / time.strftime("%Y%m%d-%H%M%S")
    total = 0
    for folder in found:
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        total += size
        console.print(f"{size / 2**20:9.1f} MiB  {folder.relative_to(root)}", highlight=False)
        if apply:
            target = trash / folder.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder, target)
    verb = f"moved to {trash.relative_to(root)}" if apply else "unreferenced (APPLY=1 moves them to .cache/trash)"
    console.print(f"{len(found)} folders, {total / 2**20:.1f} MiB, {verb}", highlight=False)
    if modal:
        prune_modal(root, studies, apply=apply)


def prune_modal(root: Path, studies: list[Study], *, apply: bool) -> None:
    """List apps of earlier code, and checkpoints and weights that no study names; or stop and delete them."""
    from vibegrid.remote.preflight import check, one_line_errors
    from vibegrid.remote.prune import left_over, remove

    check()
    with one_line_errors():
        left = left_over(root, {node.id for study in studies for node in study.all_nodes()})
        for one in left:
            Console().print(f"{one.what}  {one.name}", highlight=False)
        if apply:
            remove(left)
    verb = "removed from Modal" if apply else "on Modal (APPLY=1 removes them for good)"
    Console().print(f"{len(left)} apps and folders, {verb}", highlight=False)


def unreferenced(root: Path, study: Study) -> list[Path]:
    """Result folders of a scale that the study does not name."""
    named = {root / node.folder for node in study.all_nodes()}
    folders = [folder for kind in FILES for folder in _folders(root / study.scale.results / kind)]
    return [folder for folder in folders if folder not in named]


def unfinished(root: Path, studies: list[Study]) -> list[Path]:
    """Work folders (checkpoints of interrupted trainings) that no study of any scale names."""
    named = {node.id for study in studies for node in study.all_nodes()}
    folders = [folder for kind in FILES for folder in _folders(root / ".cache" / "work" / kind)]
    return [folder for folder in folders if folder.name not in named]


def _folders(base: Path) -> list[Path]:
    """Folders named by identity; hidden ones are those of running jobs."""
    return [folder for folder in sorted(base.glob("*.*")) if folder.is_dir() and not folder.name.startswith(".")]
