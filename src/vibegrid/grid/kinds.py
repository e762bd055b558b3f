"""Kinds of experiments: which steps measure, tabulate and draw one. Names only; nothing is imported here."""

from __future__ import annotations

from typing import NamedTuple

from vibegrid.specs.agreement import PAIR_METRICS
from vibegrid.specs.stories import CONTRAST_METRICS


class Kind(NamedTuple):
    """What an experiment of a kind is made by.

    Attributes:
        resolve: ``module:function`` of (study, experiment) → `vibegrid.grid.analyses.Analysis`.
        measure: the step of its analysis, which writes comparison.csv (the columns of all_tables) and spec.json.
        tabulate: the step of its table.
        plot: the step of its figure.
        files: declared files of its analysis beside comparison.csv and spec.json.
        armed: whether it needs arms (`sweep` or `arms`), and reads its primary metric on one of their eval sets.
        settings: ``module:class`` of what its key `settings` may say; empty where it takes none.
        metrics: what its primary metric may be; empty for any registered metric of scores.
    """

    resolve: str
    measure: str
    tabulate: str
    plot: str
    files: tuple[str, ...] = ()
    armed: bool = True
    settings: str = ""
    metrics: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "comparison": Kind("vibegrid.grid.analyses:comparison", "compare_arms", "tabulate", "plot"),
    "agreement": Kind(
        "vibegrid.grid.analyses:agreement",
        "measure_agreement",
        "tabulate_agreement",
        "plot_agreement",
        files=("points.csv",),
        metrics=PAIR_METRICS,
    ),
    "human": Kind(
        "vibegrid.grid.human:human",
        "analyze_ratings",
        "tabulate_measures",
        "plot_ratings",
        files=("raters.csv",),
        settings="vibegrid.specs.human:HumanSettings",
        metrics=("win_rate",),
    ),
    "sensitivity": Kind(
        "vibegrid.grid.field_analyses:sensitivity",
        "measure_sensitivity",
        "tabulate_measures",
        "plot_sensitivity",
        files=("moves.csv", "indices.csv"),
        armed=False,
        settings="vibegrid.specs.sensitivity:SensitivityDesignSpec",
        metrics=("embedding_shift",),
    ),
    "field_usage": Kind(
        "vibegrid.grid.field_analyses:field_usage",
        "measure_usage",
        "tabulate_measures",
        "plot_usage",
        armed=False,
        settings="vibegrid.specs.usage:UsageDesignSpec",
        metrics=("mutual_information",),
    ),
    "stories": Kind(
        "vibegrid.grid.stories:stories",
        "measure_stories",
        "tabulate_stories",
        "plot_stories",
        files=("points.csv", "pages.csv"),
        settings="vibegrid.specs.stories:StoriesSettings",
        metrics=CONTRAST_METRICS,
    ),
}


def steps(role: str) -> tuple[str, ...]:
    """The steps of all kinds in a role (``measure``, ``tabulate``, ``plot``), each once."""
    return tuple(dict.fromkeys(getattr(kind, role) for kind in KINDS.values()))


def files_of(step: str) -> tuple[str, ...]:
    """Declared files of the analysis that a step makes, beside those of every analysis."""
    return next((kind.files for kind in KINDS.values() if kind.measure == step), ())
