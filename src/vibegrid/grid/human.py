"""Nodes of a human evaluation: the pack that raters hear, and the analysis of what they said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vibegrid.errors import InputError
from vibegrid.grid.analyses import Analysis
from vibegrid.grid.arms import Experiment, dump
from vibegrid.grid.identity import Node
from vibegrid.specs.human import HumanSettings, PackSettings, pair_name, pairs_of

if TYPE_CHECKING:
    from vibegrid.grid.study import Study


def human(study: Study, experiment: Experiment) -> Analysis:
    """The systems of an experiment's arms, the first replicate of each, as raters prefer them."""
    settings: HumanSettings = experiment.settings
    systems = {arm.name: arm.stage for arm in experiment.arms}
    if len(systems) < 2:
        raise InputError(f"config/experiments/{experiment.name}.yaml: arms", "two or more were expected")
    eval_set = experiment.spec.primary.eval_set
    made, folder = pack(study, experiment), ratings_folder(study, experiment.name)
    scores = {arm.name: study.evaluations.score(arm.runs[0]) for arm in experiment.arms}
    spec = {
        "eval_set": eval_set,
        "systems": systems,
        "runs": {name: node.id for name, node in scores.items()},
        "primary": {"metric": experiment.spec.primary.metric, "arm": _primary_arm(experiment)},
        "settings": dump(settings),
    }
    parts = {
        name: [part for key, part in node.parts.items() if key.rpartition(":")[0] == eval_set]
        for name, node in scores.items()
    }
    sources = {"ratings": folder} if folder else {}
    named = {**spec, "runs": parts, "pack": made.digest, "ratings": study.source_digests(sources)}
    parents = {"pack": made, **{f"scores:{name}": node for name, node in scores.items()}}
    return Analysis(spec, named, parents, sources=sources)


def pack(study: Study, experiment: Experiment) -> Node:
    """The pack of an experiment. It is of the outputs on its eval set: those on other sets may change."""
    if study.scale.sound is None:
        where = f"config/experiments/{experiment.name}.yaml"
        raise InputError(f"{where}: kind", "raters need sounds", f"config/scales/{study.run.scale}.yaml has no `sound`")
    settings: HumanSettings = experiment.settings
    eval_set = experiment.spec.primary.eval_set
    prompts = study.evaluations.eval_set(eval_set)
    generations = {arm.name: study.evaluations.generation(arm.runs[0]) for arm in experiment.arms}
    spec: dict[str, Any] = {
        "experiment": experiment.name,
        "eval_set": eval_set,
        "systems": list(generations),
        "seconds": study.scale.sound.seconds,
        "notes": experiment.spec.notes,
        "settings": {key: value for key, value in dump(settings).items() if key in PackSettings.model_fields},
    }
    identity = {
        "spec": spec,
        "prompts": prompts.digest,
        "outputs": {name: node.parts[eval_set] for name, node in generations.items()},
        "code": study.code.digest("build_pack"),
    }
    parents = {"prompts": prompts, **{f"generation:{name}": node for name, node in generations.items()}}
    return study.node("build_pack", "packs", experiment.name, spec, parents=parents, identity=identity)


def ratings_folder(study: Study, experiment: str) -> str:
    """Where the ratings of an experiment are, relative to the project; empty where there is no file of them yet."""
    if study.run.ratings is None:
        return ""
    folder = f"{study.run.ratings}/{experiment}"
    return folder if any((study.root / folder).glob("*.csv")) else ""


def _primary_arm(experiment: Experiment) -> str:
    """The confirmatory pair: that of the settings, else the last arm over the one before it."""
    pairs = [pair_name(*pair) for pair in pairs_of([arm.name for arm in experiment.arms])]
    wanted = experiment.settings.pair
    chosen = pair_name(*wanted) if wanted else pairs[-1]
    if chosen not in pairs:
        where = f"config/experiments/{experiment.name}.yaml: settings.pair"
        raise InputError(where, f"no pair {chosen!r}", f"pairs: {', '.join(pairs)}")
    return chosen
