"""Nodes of the sound: banks of renders, CLAPs, calibrated scorers, and what each label does to the sound."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.errors import InputError
from vibegrid.grid.arms import dump
from vibegrid.grid.identity import Node, safe
from vibegrid.scorers.registry import COLUMNS, KINDS
from vibegrid.specs.clap import BankSpec
from vibegrid.specs.scales import SoundSpec
from vibegrid.specs.scorers import FunctionSpec, JudgeSpec, MiniClapSpec

if TYPE_CHECKING:
    from vibegrid.grid.study import Study


class RawScorer(NamedTuple):
    """An uncalibrated scorer: what a step that opens it is told, its model (if it has one), its source files."""

    spec: dict[str, Any]
    parents: dict[str, Node]
    sources: dict[str, str]


class SoundNodes:
    """What of a study is about sound.

    Args:
        study: the study, which makes and keeps the nodes.
        specs: name of a scorer to its spec at the study's scale.
    """

    def __init__(self, study: Study, specs: dict[str, Any]) -> None:
        self.study, self.specs = study, specs
        self._scorers: dict[str, Node] = {}

    @property
    def spec(self) -> SoundSpec:
        """How the scale renders; InputError where its sound is off."""
        found = self.study.scale.sound
        if found is None:
            raise InputError(f"config/scales/{self.study.run.scale}.yaml", "a scorer needs renders", "add `sound: {}`")
        return found

    def module(self, name: str) -> str:
        """The module that loads a scorer."""
        return KINDS[self.specs[name].kind]

    def metrics(self, name: str) -> list[str]:
        """Names of a scorer's metrics."""
        spec = self.specs[name]
        return [f"{column}{spec.suffix}" for column in COLUMNS[spec.kind]]

    def bank(self, spec: BankSpec) -> Node:
        """Renders of random configs."""
        return self.study.node("render_bank", "banks", f"seed-{spec.seed}", dump(spec))

    def clap(self, name: str) -> Node:
        """The trained model of a mini-CLAP."""
        spec = self.specs[name].clap
        parents = {"bank": self.bank(spec.bank)}
        return self.study.node("train_clap", "claps", safe(name), dump(spec), parents=parents)

    def scorer(self, name: str) -> Node:
        """A scorer with its calibration."""
        if name not in self._scorers:
            self._scorers[name] = self._scorer(name)
        return self._scorers[name]

    def _scorer(self, name: str) -> Node:
        raw, sound = self.raw(name), self.spec
        spec = {**raw.spec, "seconds": sound.seconds, "calibration": dump(sound.calibration)}
        parents = {"splits": self.study.data.splits, **raw.parents}
        named = (raw.spec["module"],)
        return self.study.node(
            "calibrate_scorer", "scorers", safe(name), spec, parents=parents, sources=raw.sources, named=named
        )

    def raw(self, name: str) -> RawScorer:
        """A scorer before its calibration, which is made of labelled rows: labels are chosen by this one.

        Raises:
            InputError: there is no scorer of that name at this scale, or no file of its function.
        """
        if name not in self.specs:
            known = ", ".join(sorted(self.specs)) or "none"
            raise InputError("config/scorers.yaml", f"no scorer {name!r} at scale {self.study.run.scale}", known)
        spec = self.specs[name]
        values, parents, sources, salt = dump(spec), {}, {}, ""
        if isinstance(spec, MiniClapSpec):
            parents["model"] = self.clap(name)
            values.pop("clap")  # the model's own
        if isinstance(spec, JudgeSpec):
            sources["prompt"] = self.study.prompt(spec.prompt)
            salt = self.study.provider_code(spec.model)
        if isinstance(spec, FunctionSpec):
            sources["function"] = self._function_source(name, spec)
        told = {"name": name, "module": self.module(name), "scorer": values, "salt": salt}
        return RawScorer(told, parents, sources)

    def _function_source(self, name: str, spec: FunctionSpec) -> str:
        module = spec.function.partition(":")[0].replace(".", "/")
        for path in (f"{module}.py", f"{module}/__init__.py"):
            if (self.study.root / path).is_file():
                return path
        raise InputError(
            f"config/scorers.yaml: {name}", f"no file {module}.py", "the module lies in the project's folder"
        )

    def parents(self, name: str) -> dict[str, Node]:
        """A scorer and the model that it is loaded with, as parents of a node that uses it."""
        node = self.scorer(name)
        model = {f"scorer_model:{name}": node.parents["model"]} if "model" in node.parents else {}
        return {f"scorer:{name}": node, **model}

    @cached_property
    def effects(self) -> Node:
        """What each label does to the sound."""
        parents = {"bank": self.bank(self.spec.bank)}
        return self.study.node("measure_labels", "effects", "effects", {}, parents=parents)
