"""`make rate`: the pack of an experiment on a local page, and its ratings in one folder."""

from __future__ import annotations

import logging
from pathlib import Path

from rich.console import Console

from vibegrid.errors import InputError
from vibegrid.human.server import RatingServer


def serve_pack(root: Path, experiment: str, scale: str, *, pack: Path | None, ratings: Path | None, port: int) -> None:
    """Serve until Ctrl-C.

    Args:
        root: the project's folder.
        experiment: whose pack is served.
        scale: of the study.
        pack: folder of a pack, in place of the experiment's.
        ratings: folder of the ratings; where the study reads them if left out.
        port: 0 for any that is free.

    Raises:
        InputError: no such experiment or pack, the pack was not built yet, or the port is taken.
    """
    console = Console(highlight=False, soft_wrap=True)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("vibegrid.rate").setLevel(logging.INFO)
    if pack is None or ratings is None:
        found, folder = pack_of(root, experiment, scale)
        pack, ratings = pack or found, ratings or folder
    with RatingServer(pack, ratings, port) as server:
        forms = len({trial.form for trial in server.key.trials.values()})
        console.print(f"{server.url}  (this machine only; {forms} lists, chosen by name or by {server.url}#2)")
        console.print(f"ratings: {ratings}    Ctrl-C ends")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            console.print("ended")


def pack_of(root: Path, experiment: str, scale: str) -> tuple[Path, Path]:
    """Folder of an experiment's pack, and of its ratings."""
    from vibegrid.grid.load import read_yaml
    from vibegrid.grid.study import Study

    study = Study(root, {**read_yaml(root / "config/config.yaml"), "scale": scale, "experiments": experiment})
    node = study.analyses[experiment].parents.get("pack")
    if node is None:
        raise InputError(
            f"config/experiments/{experiment}.yaml", "the experiment has no pack", "it is no `kind: human`"
        )
    folder = root / node.folder
    if not (folder / "key.json").exists():
        hint = f"snakemake {node.file('key.json')}" + ("" if scale == "mini" else f" --config scale={scale}")
        raise InputError(node.folder, "the pack is not built yet", hint)
    return folder, root / (study.run.ratings or "ratings") / experiment
