"""The plan of a study: what is there, what would run and why, and what that is expected to take and cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vibegrid.costs.estimate import Estimate, Estimator, wall_time
from vibegrid.costs.rates import load_prices, load_rates
from vibegrid.costs.work import WorkOf
from vibegrid.files import read_json
from vibegrid.grid.compute import Compute
from vibegrid.grid.identity import Node
from vibegrid.grid.kinds import KINDS
from vibegrid.grid.load import load_llms
from vibegrid.grid.study import Study
from vibegrid.grid.targets import Targets, reserved_names

PLAIN = "plain"  # kind of the pseudo-nodes of tables and figures, which have plain names


@dataclass(frozen=True)
class Total:
    """What a set of nodes is expected to take; nodes that are there cost nothing.

    Attributes:
        jobs: to run; `seconds` of all of them, one after the other.
        gpu_hours, dollars: with `low` and `high` for the dollars and hours of the interval's ends.
        unpriced: LLMs whose price nobody knows; their calls are counted, their dollars are not.
        calls_new, calls_stored: LLM calls of nodes to make, and of nodes that are there.
        wall, wall_low, wall_high: seconds at the given parallelism.
    """

    jobs: int = 0
    seconds: float = 0.0
    gpu_hours: float = 0.0
    gpu_hours_low: float = 0.0
    gpu_hours_high: float = 0.0
    dollars: float = 0.0
    dollars_low: float = 0.0
    dollars_high: float = 0.0
    unpriced: tuple[str, ...] = ()
    calls_new: int = 0
    calls_stored: int = 0
    wall: float = 0.0
    wall_low: float = 0.0
    wall_high: float = 0.0


@dataclass(frozen=True)
class Row:
    """An experiment's line of the plan; what several experiments share is in each of their lines."""

    name: str
    arms: int
    runs: int
    trainings: int
    shared: int  # trainings that other experiments use too
    shared_with: tuple[str, ...]
    to_train: int
    to_evaluate: int
    total: Total


@dataclass
class Plan:
    """The plan of a study's selected experiments."""

    scale: str
    rows: list[Row]
    total: Total
    whole: Total  # the same study with nothing there
    measured_wall: float | None  # seconds with a job running, where every job has left its timing
    steps: dict[str, tuple[int, float]]  # step to jobs to run and their seconds
    why: dict[str, str]  # folder to the reason that it is made
    vouched: dict[str, str]
    other_versions: dict[str, list[str]] = field(default_factory=dict)  # folder to libraries of other versions


class Planner:
    """Makes plans of one study.

    Args:
        study: the study.
        cores: local jobs at once.
        gpus: remote jobs at once.
    """

    def __init__(self, study: Study, *, cores: int, gpus: int) -> None:
        self.study, self.cores, self.gpus = study, cores, gpus
        self.targets = Targets(study, reserved_names(study.root))
        compute, rates = Compute(study), load_rates(study.root)
        self.nodes = {node.folder: node for name in study.selected for node in self._nodes_of(name)}
        self.machines = {name: compute.machine(node) for name, node in self.nodes.items() if compute.is_remote(node)}
        prices = load_prices(study.root)
        self.estimator = Estimator(
            study.root, rates, prices, WorkOf(study, rates.volume), self.machines, load_llms(study.root)
        )
        self.estimator.learn(self.nodes.values())
        self.estimates = {name: self.estimator(node) for name, node in self.nodes.items()}
        self.missing = {name for name, node in self.nodes.items() if not self._done(node)}

    def _nodes_of(self, name: str) -> list[Node]:
        """Nodes of an experiment, in the order of the data, and what has a plain name behind them."""
        analysis = self.study.analyses[name]
        kind = KINDS[self.study.experiments[name].spec.kind]
        return [*self.targets.nodes_of(name), *(_plain(step, analysis) for step in (kind.tabulate, kind.plot))]

    def _done(self, node: Node) -> bool:
        if node.kind == PLAIN:
            folder = "tables" if node.slug.startswith("tab") else "figures"
            ending = "csv" if folder == "tables" else "png"
            made = self.study.root / self.study.scale.results / folder / f"{node.digest}.{ending}"
            return made.exists() and all(self._done(parent) for parent in node.parents.values())
        return all((self.study.root / path).exists() for path in Targets.outputs(node))

    def plan(self) -> Plan:
        """The plan."""
        study = self.study
        adapters = {name: self._adapters(name) for name in study.selected}
        rows = [self._row(name, adapters) for name in study.selected]
        steps: Counter[str] = Counter(self.nodes[name].step for name in self.missing)
        seconds: Counter[str] = Counter()
        for name in self.missing:
            seconds[self.nodes[name].step] += self.estimates[name].seconds  # type: ignore[assignment]
        return Plan(
            scale=study.run.scale,
            rows=rows,
            total=self._total(self.nodes.values(), self.missing),
            whole=self._total(self.nodes.values(), set(self.nodes)),
            measured_wall=self._measured(),
            steps={step: (steps[step], seconds[step]) for step in sorted(steps, key=lambda step: -seconds[step])},
            why={name: self._why(self.nodes[name]) for name in self.nodes if name in self.missing},
            vouched=dict(study.code.vouchers_used),
            other_versions=self._other_versions(),
        )

    def _adapters(self, name: str) -> dict[str, Node]:
        found = self.study.adapters_of(self.study.experiments[name]).values()
        return {node.folder: node for nodes in found for node in nodes}

    def _row(self, name: str, adapters: Mapping[str, Mapping[str, Node]]) -> Row:
        experiment, nodes, mine = self.study.experiments[name], self._nodes_of(name), adapters[name].keys()
        others = {other: found.keys() & mine for other, found in adapters.items() if other != name}
        return Row(
            name,
            len(experiment.arms),
            sum(len(arm.runs) for arm in experiment.arms),
            len(mine),
            len(set().union(*others.values())),
            tuple(other for other, common in others.items() if common),
            sum(folder in self.missing for folder in mine),
            sum(node.kind == "scores" and node.folder in self.missing for node in nodes),
            self._total(nodes, self.missing),
        )

    def _total(self, nodes: Iterable[Node], missing: set[str]) -> Total:
        wanted = list(nodes)
        todo = [node for node in wanted if node.folder in missing]
        found = {node.folder: self.estimates[node.folder] for node in todo}
        there = [self.estimates[node.folder] for node in wanted if node.folder not in missing]
        gpu = [each for each in found.values() if each.gpu]
        dollars = sum(each.dollars or 0.0 for each in found.values())
        return Total(
            jobs=len(todo),
            seconds=sum(each.seconds for each in found.values()),
            gpu_hours=sum(each.seconds for each in gpu) / 3600,
            gpu_hours_low=sum(each.low for each in gpu) / 3600,
            gpu_hours_high=sum(each.high for each in gpu) / 3600,
            dollars=dollars,
            dollars_low=sum((each.dollars or 0.0) * each.low / (each.seconds or 1.0) for each in found.values()),
            dollars_high=sum((each.dollars or 0.0) * each.high / (each.seconds or 1.0) for each in found.values()),
            unpriced=tuple(sorted({c.model for each in found.values() if each.dollars is None for c in each.calls})),
            calls_new=round(sum(calls_of(each) for each in found.values())),
            calls_stored=round(sum(calls_of(each) for each in there)),
            wall=self._wall(todo, {name: each.seconds for name, each in found.items()}),
            wall_low=self._wall(todo, {name: _toward(each, each.low) for name, each in found.items()}),
            wall_high=self._wall(todo, {name: _toward(each, each.high) for name, each in found.items()}),
        )

    def _wall(self, nodes: Sequence[Node], seconds: Mapping[str, float]) -> float:
        return wall_time(nodes, seconds, set(self.machines), self.cores, self.gpus)

    def _measured(self) -> float | None:
        """Seconds with a job running, where all that is not plain has run here."""
        spans = []
        for node in self.nodes.values():
            path = self.study.root / "logs" / node.step / f"{node.id}.timing.json"
            if node.kind == PLAIN:
                continue
            if not path.exists():
                return None
            timing = read_json(path)
            spans.append((timing["ended"] - timing["wall_s"], timing["ended"]))
        covered, until = 0.0, 0.0
        for start, end in sorted(spans):
            covered += max(0.0, end - max(start, until))
            until = max(until, end)
        return covered

    def _why(self, node: Node) -> str:
        """Why a node is made: what it needs is made anew, or nothing of its identity is there."""
        folder = self.study.root / node.folder
        if node.kind == PLAIN:
            return (
                "its analysis is made" if any(p.folder in self.missing for p in node.parents.values()) else "not there"
            )
        if folder.exists():
            gone = [path for path in Targets.outputs(node) if not (self.study.root / path).exists()]
            return f"{Path(gone[0]).name} is missing"
        siblings = folder.parent.glob(f"{node.slug}.*") if folder.parent.is_dir() else ()
        if next((each for each in siblings if each.name != node.id), None) is not None:
            return "its spec, its code or what it is made of has changed"
        return "new"

    def _other_versions(self) -> dict[str, list[str]]:
        """Adapters that are there and were trained with other versions of a library than this environment has."""
        found = {}
        for name, node in self.nodes.items():
            path = self.study.root / node.folder / "versions.json"
            if name in self.missing or not node.kind.startswith("adapters/") or not path.exists():
                continue
            other = [f"{lib} {had}" for lib, had in sorted(read_json(path).items()) if _differs(lib, had)]
            if other:
                found[name] = other
        return found


def calls_of(estimate: Estimate) -> float:
    """LLM calls of an estimate."""
    return sum(each.number for each in estimate.calls)


def _toward(estimate: Estimate, end: float) -> float:
    """Seconds a third of the way to an interval's end: not all jobs are slow, or fast, at once."""
    return estimate.seconds + (end - estimate.seconds) / 3


def _plain(step: str, analysis: Node) -> Node:
    """A table or figure as a node of the plan; its name is the experiment's."""
    return Node(step, PLAIN, step, analysis.slug, {}, analysis.results, {"analysis": analysis})


def _differs(library: str, had: Any) -> bool:
    try:
        return isinstance(had, str) and version(library).split("+")[0] != had.split("+")[0]
    except PackageNotFoundError:
        return False
