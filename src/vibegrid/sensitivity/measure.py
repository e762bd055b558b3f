"""The step: a CLAP and a bank of random renders in; effects of every config field, with intervals and tests, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibegrid.analyses import statistics
from vibegrid.analyses.compare import KEY, ROW_COLUMNS, Row, fixed
from vibegrid.files import read_csv, write_csv, write_json
from vibegrid.folders import whole_folder
from vibegrid.schema import FIELDS
from vibegrid.sensitivity.design import Star, draw_stars
from vibegrid.sensitivity.effects import blank, effect_rows, shifts
from vibegrid.sensitivity.indices import COLUMNS, FACTORS, Indices, all_indices, index_rows
from vibegrid.sensitivity.listening import Listen, ears, listen_to, spreads
from vibegrid.sound.acoustics import MEASURES
from vibegrid.specs.sensitivity import ACOUSTIC, EMBEDDING, SensitivitySpec, sensitivity_spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOVE_COLUMNS = ("base", "arm", "from", "to", EMBEDDING, ACOUSTIC, *MEASURES)


def measure_sensitivity(spec: Mapping[str, Any], *, scorer: Path, bank: Path, out: Path) -> None:
    """Write ``comparison.csv``, ``moves.csv`` (a move a row), ``indices.csv`` and ``spec.json`` to ``out``.

    Args:
        spec: a SensitivitySpec.
        scorer: folder of the calibrated CLAP.
        bank: folder of renders of random configs, whose measures say what a standard deviation is.
        out: folder of the analysis.

    Raises:
        InputError: the spec is wrong, the scorer is no CLAP, or a file of the bank is missing.
    """
    parsed = sensitivity_spec(spec)
    names = list(MEASURES)
    spread = spreads(list(read_csv(bank / "measures.csv")), names)
    rows, moves, indices = analyse(parsed, ears(scorer, parsed.seconds), spread, names)
    with whole_folder(out) as draft:
        write_csv(draft / "comparison.csv", rows, ROW_COLUMNS)
        write_csv(draft / "moves.csv", moves, MOVE_COLUMNS)
        write_csv(draft / "indices.csv", indices, COLUMNS)
        write_json(draft / "spec.json", parsed.model_dump(mode="json"))


def analyse(
    spec: SensitivitySpec, listen: Listen, spread: Floats, measures: Sequence[str]
) -> tuple[list[Row], list[dict[str, str]], list[dict[str, str]]]:
    """Rows of the comparison, of the moves and of the indices; the same bytes for the same renders.

    Args:
        spec: the analysis.
        listen: renders to embeddings and measures.
        spread: (M,), standard deviations of the measures over random configs.
        measures: their names.
    """
    stars = draw_stars(spec.design.bases, spec.design.seed)
    heard = listen_to(stars, listen)
    moved = shifts(heard, spread)
    drawn = statistics.cluster_weights(
        statistics.generator(spec.seed, spec.experiment, "stars"), len(stars), spec.bootstrap
    )
    indices = all_indices(heard, spread, measures, drawn)
    rows = [*effect_rows(spec, moved, measures), *_index_rows(spec, indices[EMBEDDING])]
    rows.sort(key=lambda row: tuple(row[column] for column in KEY))
    return rows, _moves(stars, moved, measures), index_rows(indices)


def _index_rows(spec: SensitivitySpec, found: Indices) -> list[Row]:
    """The embedding's indices as rows of the comparison; those of the measures stand in indices.csv."""
    rows = []
    for index, factor in enumerate(FACTORS):
        for metric, values, interval in (
            ("morris_mu_star", found.mu_star, found.mu_star_interval),
            ("morris_sigma", found.sigma, None),
            ("sobol_total", found.total, found.total_interval),
        ):
            row = blank(spec, factor, metric, spec.design.bases) | {"mean": fixed(values[index])}
            if interval is not None:
                row |= {"ci_low": fixed(interval[0][index]), "ci_high": fixed(interval[1][index])}
            rows.append(row)
    return rows


def _moves(stars: Sequence[Star], moved: Floats, measures: Sequence[str]) -> list[dict[str, str]]:
    rows = []
    for number, (star, values) in enumerate(zip(stars, moved, strict=True)):
        for index, factor in enumerate(FACTORS):
            ends = (str(star.base[factor]), str(star.labels[factor])) if factor in FIELDS else ("", "")
            cells = [f"{value:.6f}" for value in values[index]]
            names = ("base", "arm", "from", "to", EMBEDDING, ACOUSTIC, *measures)
            rows.append(dict(zip(names, [str(number), factor, *ends, *cells], strict=True)))
    return rows
