"""What an experiment's analysis is told: its arms and readings, and the outputs that it stands for."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vibegrid.grid.arms import Arm, Experiment, dump
from vibegrid.grid.identity import Node
from vibegrid.specs.agreement import pair_name

Scores = Mapping[str, Sequence[Node]]  # arm to the scores of its replicates


class Analysis(NamedTuple):
    """A step, its spec, and the spec as its identity has it: the parts of scores it reads in place of their names."""

    step: str
    spec: dict[str, Any]
    named: dict[str, Any]


def comparison(experiment: Experiment, scores: Scores) -> Analysis:
    """Arms against their reference."""
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
    return Analysis("compare_arms", spec, {**spec, "arms": [{**arm, "runs": []} for arm in arms], "parts": parts})


def agreement(experiment: Experiment, scores: Scores) -> Analysis:
    """Scorers against each other, over the outputs of the arms."""
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
    return Analysis("measure_agreement", spec, {**spec, "runs": parts})


def _parts(nodes: Sequence[Node], eval_sets: Sequence[str]) -> list[list[str]]:
    """Digests of the parts of scores that are of the eval sets, score by score."""
    return [[part for key, part in node.parts.items() if key.rpartition(":")[0] in eval_sets] for node in nodes]


def _arm(arm: Arm, runs: list[str]) -> dict[str, Any]:
    return {
        "arm": arm.name,
        "system": arm.stage,
        "value": arm.value if isinstance(arm.value, int | float | str | None) else str(arm.value),
        "expect": arm.expect,
        "runs": runs,
    }
