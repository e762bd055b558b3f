"""Story coherence: outputs for the pages of stories in; rows of `all_tables.csv`, similarities and pages out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.analyses import statistics
from vibegrid.analyses.compare import KEY, ROW_COLUMNS, Row, fixed
from vibegrid.analyses.observations import ALL
from vibegrid.errors import InputError
from vibegrid.files import write_csv, write_json
from vibegrid.folders import whole_folder
from vibegrid.scorers.calibrated import load
from vibegrid.specs.stories import (
    CONTRASTS,
    HEARD,
    KINDS,
    NEIGHBOUR,
    OTHERS,
    StoriesSpec,
    jump_metric,
    stories_spec,
)
from vibegrid.stories import coherence
from vibegrid.stories.coherence import Draws, Found, Places
from vibegrid.stories.hear import Listener, Prompt, read_outputs, read_pages, teacher_outputs
from vibegrid.stories.similarity import Pages, ranks, similarities

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PAIR_COLUMNS = ("system", "story", "first", "second", *KINDS)
PAGE_COLUMNS = ("system", "run", "story", "page", "prompt", "heard")
SHOWN = ("onset_rate", "brightness", "density")  # measures that the figure follows along a story
FEWEST_STORIES = 3  # of an interval: resamples of two are both of them, or say nothing
_TESTS = {CONTRASTS[0]: coherence.shuffle_p, CONTRASTS[1]: coherence.others_p}


class Heard(NamedTuple):
    """What a system made of the pages."""

    runs: list[str]
    pages: list[Pages]  # one a run
    failed: int  # runs whose training failed


def measure_stories(
    spec: Mapping[str, Any], *, folders: Sequence[Path], prompts: Path, scorer: Path, out: Path
) -> None:
    """Write ``comparison.csv``, ``points.csv`` (a pair of pages a row), ``pages.csv`` and ``spec.json`` to ``out``.

    Args:
        spec: a StoriesSpec; its runs are names of ``folders``.
        folders: folders of generations.
        prompts: prompts.jsonl of the eval set of stories.
        scorer: folder of the calibrated CLAP.
        out: folder of the analysis.

    Raises:
        InputError: an output is missing, the scorer embeds no audio, or no system has outputs.
    """
    parsed = stories_spec(spec)
    rows = read_pages(prompts)
    listener = Listener(parsed.seconds, _embed(scorer))
    found = {name: hear_system(parsed, name, rows, folders, listener) for name in parsed.systems}
    if not any(system.pages for system in found.values()):
        raise InputError(f"experiment {parsed.experiment}", "the training of every system failed")
    with whole_folder(out) as draft:
        there = {name: system for name, system in found.items() if system.pages}
        alike = similarities({name: system.pages for name, system in there.items()})
        write_csv(draft / "comparison.csv", coherence_rows(parsed, rows, found, alike), ROW_COLUMNS)
        write_csv(draft / "points.csv", pair_rows(rows, alike), PAIR_COLUMNS)
        write_csv(draft / "pages.csv", page_rows(rows, there), (*PAGE_COLUMNS, *SHOWN))
        write_json(draft / "spec.json", parsed.model_dump(mode="json"))


def _embed(folder: Path) -> Any:
    opened = load(folder).scorer
    if not hasattr(opened, "embed_clips"):
        raise InputError(str(folder), "this scorer does not embed audio", "name a CLAP as `clap`")
    return opened.embed_clips  # type: ignore[attr-defined]


def hear_system(
    spec: StoriesSpec, name: str, prompts: Sequence[Prompt], folders: Sequence[Path], listener: Listener
) -> Heard:
    """All runs of a system, heard."""
    if name == spec.teacher:
        return Heard(["teacher"], [listener.hear(teacher_outputs(prompts))], 0)
    by_name = {folder.name: folder for folder in folders}
    runs, pages, failed = [], [], 0
    for run in spec.runs[name]:
        if run not in by_name:
            raise InputError(f"experiment {spec.experiment}", f"no folder of generations {run!r}")
        outputs = read_outputs(by_name[run], spec.eval_set, prompts)
        if outputs is None:
            failed += 1
        else:
            runs.append(run)
            pages.append(listener.hear(outputs))
    return Heard(runs, pages, failed)


# rows ----------------------------------------------------------------------------------------------------------


def coherence_rows(
    spec: StoriesSpec,
    prompts: Sequence[Prompt],
    found: Mapping[str, Heard],
    alike: Mapping[str, Mapping[str, Floats]],
) -> list[Row]:
    """Rows of `compare.ROW_COLUMNS`, sorted by `compare.KEY`; the same bytes for the same input.

    `arm` is the system. `subset` is ``all``, or one story (similarity of its neighbours, without interval). `n` counts
    pairs of pages (``pages_heard``: pages), `n_clusters` stories, `n_dropped` pages of all runs that cannot be heard.
    `p_value` of the two contrasts is two-sided, `p_holm` adjusted over the systems of one metric.
    """
    places = Places.of([row["story"] for row in prompts], [row["page"] for row in prompts])
    rows: list[Row] = []
    for name in spec.systems:
        system = found[name]
        if not system.pages:
            rows.append(_base(spec, name, system) | {"metric": spec.primary.metric, "status": "failed"})
            continue
        draws = coherence.draw(spec.seed, (spec.experiment, name), places, len(system.pages), spec.bootstrap)
        base = _base(spec, name, system)
        for metric, result, p in _metrics(spec, name, places, draws, system, alike[name]):
            rows.append(base | _cells(spec, name, metric, result, p))
        rows += _story_rows(spec, name, base, prompts, places, alike[name])
    _adjust(rows)
    return sorted(rows, key=lambda row: tuple(row[column] for column in KEY))


def _metrics(
    spec: StoriesSpec, name: str, places: Places, draws: Draws, system: Heard, alike: Mapping[str, Floats]
) -> list[tuple[str, Found, float]]:
    import numpy as np

    there = np.array([page.heard for page in system.pages])
    found = [(HEARD, coherence.heard(there, places, draws), math.nan)]
    longest = min(spec.jumps, int(max(places.position) - min(places.position)))
    for kind in KINDS:
        one = alike[kind]
        found.append((f"{NEIGHBOUR}_{kind}", coherence.at_distance(one, places, draws, 1), math.nan))
        found.append((f"{OTHERS}_{kind}", coherence.of_others(one, places, draws), math.nan))
        for jump in range(2, longest + 1):
            result = coherence.at_distance(one, places, draws, jump)
            found.append((f"{jump_metric(jump)}_{kind}", result, math.nan))
        contrasts = (coherence.vs_shuffled, coherence.vs_others)
        for contrast, compute in zip(CONTRASTS, contrasts, strict=True):
            rng = statistics.generator(spec.seed, spec.experiment, name, kind, contrast)
            p = _TESTS[contrast](one, places, spec.permutations, rng)
            found.append((f"{contrast}_{kind}", compute(one, places, draws), p))
    return found


def _base(spec: StoriesSpec, name: str, system: Heard) -> Row:
    silent = sum(not heard for page in system.pages for heard in page.heard)
    return dict.fromkeys(ROW_COLUMNS, "") | {
        "scale": spec.scale,
        "experiment": spec.experiment,
        "arm": name,
        "system": name,
        "status": "partial" if system.failed else "ok",
        "decoding": spec.decoding,
        "eval_set": spec.eval_set,
        "subset": ALL,
        "primary": "exploratory",
        "n_seeds": str(len(system.pages)),
        "n_dropped": str(silent),
    }


def _cells(spec: StoriesSpec, name: str, metric: str, result: Found, p: float) -> Row:
    row = {"metric": metric, "n": str(result.n), "n_clusters": str(result.stories)}
    if (name, metric) == (spec.primary.arm, spec.primary.metric):
        row["primary"] = "confirmatory"
    estimate = result.resampled[:1]
    if math.isnan(estimate[0]):
        return row | {"status": "too few pages"}
    row["mean"] = fixed(estimate[0])
    if result.stories >= FEWEST_STORIES:
        low, high = statistics.interval(estimate, result.resampled[1:, None])
        row |= {"ci_low": fixed(low[0]), "ci_high": fixed(high[0])}
    return row | {"p_value": "" if math.isnan(p) else f"{p:.4g}"}


def _story_rows(
    spec: StoriesSpec,
    name: str,
    base: Row,
    prompts: Sequence[Prompt],
    places: Places,
    alike: Mapping[str, Floats],
) -> list[Row]:
    """Similarity of each story's neighbours; a story that cannot be heard has no row."""
    import numpy as np

    first, second = places.pairs(1)
    rows = []
    for story in dict.fromkeys(row["story"] for row in prompts):
        own = np.array([prompts[i]["story"] == story for i in first], dtype=bool)
        for kind in KINDS:
            values = alike[kind][:, first[own], second[own]]
            if not np.isnan(values).all():
                cells = {"subset": story, "metric": f"{NEIGHBOUR}_{kind}", "mean": fixed(float(np.nanmean(values)))}
                counted = {"n": str(int((~np.isnan(values)).any(axis=0).sum())), "n_clusters": "1", "n_dropped": ""}
                rows.append(base | cells | counted)
    return rows


def _adjust(rows: list[Row]) -> None:
    """Fill `p_holm`: Holm over the systems of one metric."""
    families: dict[str, list[Row]] = {}
    for row in rows:
        if row["p_value"]:
            families.setdefault(row["metric"], []).append(row)
    for family in families.values():
        for row, p in zip(family, statistics.holm([float(row["p_value"]) for row in family]), strict=True):
            row["p_holm"] = f"{p:.4g}"


def pair_rows(prompts: Sequence[Prompt], alike: Mapping[str, Mapping[str, Floats]]) -> list[dict[str, str]]:
    """Every pair of pages of a story with its similarities, means over the runs; empty where there is none."""
    import numpy as np

    rows = []
    places = Places.of([row["story"] for row in prompts], [row["page"] for row in prompts])
    for system, kinds in alike.items():
        for i, j in zip(*places.pairs(None), strict=True):
            cells = {}
            for kind in KINDS:
                values = kinds[kind][:, i, j]
                cells[kind] = "" if np.isnan(values).all() else fixed(float(np.nanmean(values)))
            of = (system, prompts[i]["story"], str(prompts[i]["page"]), str(prompts[j]["page"]))
            rows.append(dict(zip(PAIR_COLUMNS, of, strict=False)) | cells)
    return rows


def page_rows(prompts: Sequence[Prompt], found: Mapping[str, Heard]) -> list[dict[str, str]]:
    """Every page of every run: was it heard, and the ranks of `SHOWN` among the pages of all systems."""
    import numpy as np

    every = [page for system in found.values() for run in system.pages for page in run.measures if page]
    pool = {name: np.sort([page[name] for page in every]) for name in SHOWN}
    rows = []
    for system, heard in found.items():
        for run, pages in zip(heard.runs, heard.pages, strict=True):
            for prompt, measures in zip(prompts, pages.measures, strict=True):
                of = (system, run, prompt["story"], str(prompt["page"]), prompt["prompt"], "yes" if measures else "no")
                placed = {
                    name: fixed(float(ranks([measures[name]], pool[name])[0])) if measures else "" for name in SHOWN
                }
                rows.append(dict(zip(PAGE_COLUMNS, of, strict=True)) | placed)
    return rows
