"""The step: systems' outputs and the teacher's payloads in; which fields each really uses, with intervals, out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.analyses import statistics
from vibegrid.analyses.compare import KEY, ROW_COLUMNS, Row
from vibegrid.errors import InputError
from vibegrid.files import write_csv, write_json
from vibegrid.folders import whole_folder
from vibegrid.schema import FIELDS
from vibegrid.specs.usage import ALL_PROMPTS, TEACHER, TEACHER_ROWS, UsageSpec, usage_spec
from vibegrid.usage.ablation import Losses, Score, ablate, ear
from vibegrid.usage.answers import Answers, Vibes, draw, pick, read_answers, read_prompts, read_teacher
from vibegrid.usage.information import Following, following, one_hot
from vibegrid.usage.rows import blank, following_rows, loss_rows, spread_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

STARTS, ROUNDS = 8, 50  # of k-means
FEWEST = 2  # prompts with a config, for an ablation


class Party(NamedTuple):
    """A system, or the teacher: vibes and what its runs answered."""

    name: str
    eval_set: str
    vibes: Vibes
    runs: list[Answers]


def measure_usage(
    spec: Mapping[str, Any],
    *,
    generations: Sequence[Path],
    prompts: Mapping[str, Path],
    splits: Path,
    embeddings: Path,
    scorer: Path | None,
    out: Path,
) -> None:
    """Write ``comparison.csv`` and ``spec.json`` to ``out``.

    Args:
        spec: a UsageSpec; its runs are names of ``generations``.
        generations: folders of generations.
        prompts: eval set to its prompts.jsonl, which has its embeddings beside it.
        splits: folder of the splits, which hold the teacher's payloads.
        embeddings: embeddings.npz of the vibes.
        scorer: folder of the calibrated CLAP; None where nothing is ablated.
        out: folder of the analysis.

    Raises:
        InputError: the spec is wrong, a file is broken, or a run did not answer a prompt.
    """
    parsed = usage_spec(spec)
    asked, places = read_prompts({name: prompts[name] for name in parsed.eval_sets})
    answers = read_answers(parsed, {folder.name: folder for folder in generations}, places)
    if parsed.design.ablation.systems and scorer is None:
        raise InputError(f"experiment {parsed.experiment}", "an ablation needs a scorer", "turn the scale's sound on")
    score = ear(scorer, parsed.seconds) if scorer is not None else None
    rows = analyse(parsed, asked, answers, read_teacher(splits, embeddings), score)
    with whole_folder(out) as draft:
        write_csv(draft / "comparison.csv", rows, ROW_COLUMNS)
        write_json(draft / "spec.json", parsed.model_dump(mode="json"))


def analyse(
    spec: UsageSpec,
    asked: Vibes,
    answers: Mapping[str, list[Answers]],
    teacher: tuple[Vibes, Answers],
    score: Score | None,
) -> list[Row]:
    """Rows of `compare.ROW_COLUMNS`, sorted; `arm` is a field, `system` whose. The same bytes for the same input.

    Args:
        spec: the analysis.
        asked: the prompts.
        answers: system to its runs, in the order of the prompts.
        teacher: its vibes and payloads, of all splits.
        score: what hears an ablation; None: nothing is ablated.
    """
    sampled, written = draw(*teacher, len(asked.texts), spec.design.seed)
    parties = [Party(name, ALL_PROMPTS, asked, runs) for name, runs in answers.items()]
    parties += [
        Party(TEACHER, "splits", sampled, [written]),
        Party(TEACHER_ROWS, "splits", teacher[0], [teacher[1]]),
    ]
    groups = _groups([asked.embeddings, sampled.embeddings], [party.vibes for party in parties], spec)
    reference = one_hot(teacher[1].configs).sum(axis=0)
    rows, said = [], {}
    for party, of_vibes in zip(parties, groups, strict=True):
        found, said[party.name] = _of_party(spec, party, of_vibes, reference)
        rows += found
    for party in parties:
        if score is not None and party.name in spec.design.ablation.systems and party.runs:
            losses = _losses(spec, party, said[party.name], score)
            if losses is not None:
                eval_set = party.eval_set if party.name == TEACHER else spec.design.ablation.eval_set
                rows += loss_rows(spec, blank(spec, party.name, eval_set, 0, 0, 1), losses)
    return sorted(rows, key=lambda row: tuple(row[column] for column in KEY))


def _groups(fitted: Sequence[Floats], parties: Sequence[Vibes], spec: UsageSpec) -> list[Ints]:
    """Group of every vibe: the nearest of the centres that k-means finds among prompts and the teacher's sample."""
    import numpy as np
    from scipy.cluster.vq import kmeans2, vq

    points = np.concatenate(fitted)
    count = min(spec.design.groups, len(np.unique(points, axis=0)))
    best, centres = np.inf, points[:count]
    for start in range(STARTS):
        rng = np.random.default_rng([spec.design.seed, start])
        found, _ = kmeans2(points, count, iter=ROUNDS, minit="++", rng=rng, missing="warn")
        distance = float((vq(points, found)[1] ** 2).sum())
        if distance < best:
            best, centres = distance, found
    return [vq(vibes.embeddings, centres)[0] for vibes in parties]


def _of_party(spec: UsageSpec, party: Party, groups: Ints, reference: Floats) -> tuple[list[Row], Following | None]:
    """Rows of one system, and what its fields say of the vibe."""
    import numpy as np

    names, clusters = np.unique(np.array(party.vibes.clusters), return_inverse=True)
    base = blank(spec, party.name, party.eval_set, len(names), len(party.vibes.texts), len(party.runs))
    answers = [one_hot(run.configs) for run in party.runs]
    if not answers:
        return [base | {"arm": field, "metric": "mutual_information"} for field in FIELDS], None
    said = following(
        answers,
        groups,
        clusters,
        statistics.generator(spec.seed, spec.experiment, party.eval_set, "permutations"),
        spec.design.permutations,
    )
    rows = following_rows(base, said)
    drawn = statistics.cluster_weights(
        statistics.generator(spec.seed, spec.experiment, party.eval_set, "clusters"), len(names), spec.bootstrap
    )
    rows += spread_rows(base, answers, clusters, reference, drawn)
    if party.name == TEACHER_ROWS:  # it would be compared with itself
        rows = [row for row in rows if row["metric"] != "teacher_divergence"]
    return rows, said


def _losses(spec: UsageSpec, party: Party, said: Following | None, score: Score) -> Losses | None:
    """The system's first run with its most used fields replaced; None where too few outputs hold a config."""
    import numpy as np

    ablation = spec.design.ablation
    if said is None:
        return None
    order = np.argsort(-said.information, kind="stable")[: ablation.fields]
    fields = [list(FIELDS)[index] for index in order]
    configs = party.runs[0].configs
    wanted = [party.vibes.eval_sets[i] == ablation.eval_set or party.name == TEACHER for i in range(len(configs))]
    chosen = [i for i, config in enumerate(configs) if wanted[i] and config][: ablation.prompts]
    if len(chosen) < FEWEST:
        return None
    heard = [configs[i] or {} for i in chosen]
    return ablate(party.name, pick(party.vibes, chosen), heard, fields, score, spec.design.seed)
