"""The analysis of one experiment: scores of its arms in, ``comparison.csv`` and ``spec.json`` out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vibegrid.analyses.compare import ROW_COLUMNS, compare
from vibegrid.errors import InputError
from vibegrid.evals.parts import PARTS
from vibegrid.files import read_csv, read_json, write_csv, write_json
from vibegrid.folders import whole_folder
from vibegrid.specs.analyses import AnalysisSpec, analysis_spec


def compare_arms(spec: Mapping[str, Any], *, folders: Sequence[Path], out: Path) -> None:
    """Compare the arms on the experiment's eval sets and write both files to the folder ``out``.

    Args:
        spec: an AnalysisSpec; its runs are names of ``folders``.
        folders: folders of scores.
        out: folder of the analysis.

    Raises:
        InputError: a training failed in an arm that does not say ``expect: failed``.
    """
    parsed = analysis_spec(spec)
    statuses = {folder.name: read_json(folder / PARTS)["run"] for folder in folders}
    _check_failures(parsed, statuses)
    scores = {
        folder.name: [row for row in read_csv(folder / "scores.csv") if row["eval_set"] in parsed.eval_sets]
        for folder in folders
    }
    rows = compare(parsed, scores, statuses)
    with whole_folder(out) as draft:
        write_csv(draft / "comparison.csv", rows, ROW_COLUMNS)
        write_json(draft / "spec.json", dict(spec))


def _check_failures(spec: AnalysisSpec, statuses: Mapping[str, Mapping[str, Any]]) -> None:
    for arm in spec.arms:
        for run in arm.runs:
            status = statuses[run]
            if status["status"] == "failed" and arm.expect != "failed":
                raise InputError(
                    f"config/experiments/{spec.experiment}.yaml: {arm.arm}",
                    f"its training failed: {status.get('reason', 'no reason given')}",
                    "mend the arm, or say `expect: failed` if that is its point",
                )
