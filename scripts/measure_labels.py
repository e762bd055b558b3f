"""Measure labels: a bank of renders in, effects.json out: what each label does to the sound; the scores read it."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script


def main(options: Namespace) -> None:
    """Average each measure over the renders of each label."""
    from vibegrid.evals.acoustics import label_effects
    from vibegrid.files import read_csv, read_jsonl, write_json

    rows = read_jsonl(options.bank / "configs.jsonl", ("id", "config"))
    measures = {row["id"]: row for row in read_csv(options.bank / "measures.csv")}
    heard = [(row["config"], measures[row["id"]]) for row in rows if not row["problem"]]
    effects = label_effects([config for config, _ in heard], [values for _, values in heard])
    write_json(options.out / "effects.json", effects)


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--bank", type=Path, required=True, help="folder of the renders")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the effects")
    script.run(arguments, main)
