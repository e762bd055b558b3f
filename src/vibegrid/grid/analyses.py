"""What an experiment's analysis is told: its arms and readings, and the outputs that it stands for."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.grid.arms import Arm, Experiment, dump
from vibegrid.grid.identity import Node
from vibegrid.specs.agreement import pair_name

if TYPE_CHECKING:
    from vibegrid.grid.study import Study


class Analysis(NamedTuple):
    """What the analysis of an experiment is made of; `grid/kinds.py` says which function here makes it.

    Attributes:
        spec: what its step is told.
        named: the spec as its identity has it: what it reads by content, in place of names of folders.
        parents: role to node; their files are the inputs of its step.
        modules: modules that the spec names, whose code is part of the identity.
        sources: role to source file or folder, which `named` has by its digest.
    """

    spec: dict[str, Any]
    named: dict[str, Any]
    parents: dict[str, Node]
    modules: tuple[str, ...] = ()
    sources: Mapping[str, str] = MappingProxyType({})


def comparison(study: Study, experiment: Experiment) -> Analysis:
    """Arms against their reference."""
    scores = _scores(study, experiment)
    arms = [_arm(arm, [node.id for node in scores[arm.name]]) for arm in experiment.arms]
    axis = experiment.spec.axis
    spec = {
        "reference": experiment.reference,
        "primary": dump(experiment.spec.primary),
        "eval_sets": list(experiment.eval_sets),
        "arms": arms,
        "axis": {
            "key": experiment.axis_key,
            "scale": axis.scale,
            "label": axis.label or experiment.axis_key,
            "unit": axis.unit,
        },
    }
    parts = [_parts(scores[arm.name], experiment.eval_sets) for arm in experiment.arms]
    named = {**spec, "arms": [{**arm, "runs": []} for arm in arms], "parts": parts}
    return Analysis(spec, named, _parents(scores))


def agreement(study: Study, experiment: Experiment) -> Analysis:
    """Scorers against each other, over the outputs of the arms."""
    scores = _scores(study, experiment)
    wanted, compared = experiment.spec, list(experiment.scores)
    pairs = [*wanted.pairs, *itertools.combinations(compared, 2)]
    spec = {
        "eval_set": wanted.primary.eval_set,
        "pairs": [list(pair) for pair in wanted.pairs],
        "scores": compared,
        "raters": {"all judges": compared} if len(compared) > 1 else {},
        "runs": {name: [node.id for node in nodes] for name, nodes in scores.items()},
        "primary": {"metric": wanted.primary.metric, "arm": pair_name(*pairs[0])},
    }
    parts = {name: _parts(nodes, [wanted.primary.eval_set]) for name, nodes in scores.items()}
    return Analysis(spec, {**spec, "runs": parts}, _parents(scores))


def _scores(study: Study, experiment: Experiment) -> dict[str, list[Node]]:
    """Arm to the scores of its replicates."""
    return {arm.name: [study.evaluations.score(run, arm.decoding) for run in arm.runs] for arm in experiment.arms}


def _parents(scores: dict[str, list[Node]]) -> dict[str, Node]:
    return {node.id: node for nodes in scores.values() for node in nodes}


def _parts(nodes: Sequence[Node], eval_sets: Sequence[str]) -> list[list[str]]:
    """Digests of the parts of scores that are of the eval sets, score by score."""
    return [[part for key, part in node.parts.items() if key.rpartition(":")[0] in eval_sets] for node in nodes]


def _arm(arm: Arm, runs: list[str]) -> dict[str, Any]:
    return {
        "arm": arm.name,
        "system": arm.stage,
        "value": arm.value if isinstance(arm.value, int | float | str | None) else str(arm.value),
        "expect": arm.expect,
        "decoding": arm.decoding,
        "runs": runs,
    }
