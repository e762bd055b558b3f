"""What the two analyses of config fields are told: sensitivity of the synthesizer, and what systems use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vibegrid.errors import InputError
from vibegrid.grid.analyses import Analysis
from vibegrid.grid.arms import Experiment, dump
from vibegrid.grid.identity import Node
from vibegrid.specs.sensitivity import SensitivityDesignSpec
from vibegrid.specs.usage import TEACHER, UsageDesignSpec

if TYPE_CHECKING:
    from vibegrid.grid.study import Study


def sensitivity(study: Study, experiment: Experiment) -> Analysis:
    """Random configs with each field moved alone, heard by a CLAP; a bank of renders as long says what a SD is."""
    design: SensitivityDesignSpec = experiment.settings
    scorers, modules = _scorer(study, experiment, design.scorer)
    seconds = study.sound.spec.seconds
    bank = study.sound.bank(study.sound.spec.bank.model_copy(update={"seconds": seconds}))
    parents = {**scorers, "bank": bank}
    spec = {"seconds": seconds, "design": dump(design)}
    return Analysis(spec, {**spec, "parents": _digests(parents)}, parents, modules)


def field_usage(study: Study, experiment: Experiment) -> Analysis:
    """Outputs of the arms on all eval sets, and the teacher's payloads; a CLAP where fields are ablated."""
    design: UsageDesignSpec = experiment.settings
    _check_ablation(experiment, design)
    scorers, modules, seconds = {}, (), 4.0
    if study.scale.sound is None:  # nothing is rendered
        design = design.model_copy(update={"ablation": design.ablation.model_copy(update={"systems": ()})})
    elif design.ablation.systems:
        scorers, modules = _scorer(study, experiment, design.scorer)
        seconds = study.scale.sound.seconds
    made = {arm.name: [study.evaluations.generation(run, arm.decoding) for run in arm.runs] for arm in experiment.arms}
    parents = {node.id: node for nodes in made.values() for node in nodes}
    parents |= {f"eval_set:{name}": study.evaluations.eval_set(name) for name in experiment.eval_sets}
    data = {"splits": study.data.splits, "embeddings": study.data.embeddings, **scorers}
    spec = {"eval_sets": list(experiment.eval_sets), "seconds": seconds, "design": dump(design)}
    named = {**spec, "runs": {name: _parts(nodes, experiment) for name, nodes in made.items()}}
    runs = {name: [node.id for node in nodes] for name, nodes in made.items()}
    return Analysis({**spec, "runs": runs}, {**named, "parents": _digests(data)}, {**parents, **data}, modules)


def _check_ablation(experiment: Experiment, design: UsageDesignSpec) -> None:
    where = f"config/experiments/{experiment.name}.yaml: settings: ablation"
    names, ablation = [*(arm.name for arm in experiment.arms), TEACHER], design.ablation
    for name in ablation.systems:
        if name not in names:
            raise InputError(f"{where}: systems", f"no arm {name!r}", ", ".join(names))
    if ablation.systems and ablation.eval_set not in experiment.eval_sets:
        raise InputError(f"{where}: eval_set", f"{ablation.eval_set!r} is none", ", ".join(experiment.eval_sets))


def _scorer(study: Study, experiment: Experiment, name: str) -> tuple[dict[str, Node], tuple[str, ...]]:
    """A scorer and its model as parents, and the module that loads it."""
    if name not in study.sound.specs:
        known = ", ".join(sorted(study.sound.specs))
        where = f"config/experiments/{experiment.name}.yaml: settings: scorer"
        raise InputError(where, f"no scorer {name!r}", f"scorers at this scale: {known}")
    return study.sound.parents(name), (study.sound.module(name),)


def _parts(nodes: list[Node], experiment: Experiment) -> list[list[str]]:
    """Digests of the outputs on the experiment's eval sets, run by run."""
    return [[node.parts[name] for name in experiment.eval_sets] for node in nodes]


def _digests(parents: dict[str, Node]) -> dict[str, Any]:
    return {role: node.digest for role, node in parents.items()}
