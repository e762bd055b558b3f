"""Experiments resolved into arms: each replicate of an arm is a complete, typed spec."""

from __future__ import annotations

import fnmatch
import itertools
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from pydantic import ValidationError

from vibegrid.errors import InputError
from vibegrid.grid.identity import flatten
from vibegrid.grid.kinds import KINDS
from vibegrid.grid.load import from_validation, parse
from vibegrid.specs.experiments import ArmSpec, ExperimentSpec, GridSpec, Stage
from vibegrid.specs.grpo import GRPOSpec
from vibegrid.specs.scales import ScaleSpec
from vibegrid.specs.sft import SFTSpec
from vibegrid.specs.systems import DecodingSpec, SystemSpec

TrainingSpecs = SFTSpec | GRPOSpec
TRAINED = ("sft", "grpo")
LOCAL = "local"  # provider of LLMs in this process, as vibegrid.llm.local has it


@dataclass(frozen=True)
class Arm:
    """One arm of an experiment.

    Attributes:
        name: as it stands in tables.
        stage: what it is (``sft``, ``random`` ...).
        runs: one resolved spec per replicate (SFTSpec, GRPOSpec or SystemSpec).
        decoding: how its outputs are written, ``free`` or ``constrained``.
        value: the swept value, or None where the arm is only a name.
        expect: ``failed`` where a training that cannot succeed is part of the question.
        is_baseline: whether it means the same as its stage's baseline.
    """

    name: str
    stage: str
    runs: tuple[SFTSpec | GRPOSpec | SystemSpec, ...]
    value: Any
    expect: str
    is_baseline: bool
    decoding: str = "free"


@dataclass(frozen=True)
class Experiment:
    """An experiment as it is run at one scale."""

    name: str
    spec: ExperimentSpec
    arms: tuple[Arm, ...]
    reference: str
    eval_sets: tuple[str, ...]
    axis_key: str
    scorers: dict[str, tuple[str, ...]]
    scores: tuple[str, ...]
    settings: Any  # the model that its kind names, or None


class Resolver:
    """Resolves experiments of one scale.

    Args:
        scale_name: ``mini``, ``small`` or ``full``.
        scale: its baseline values.
        models: names of the base models of this scale.
        eval_sets: names of the eval sets that exist.
        prompts: names of the system prompts that exist.
        metrics: names of the registered metrics.
        scorers: names of the registered scorers.
    """

    def __init__(
        self,
        scale_name: str,
        scale: ScaleSpec,
        *,
        models: set[str],
        eval_sets: list[str],
        prompts: set[str],
        metrics: set[str],
        scorers: set[str],
    ) -> None:
        self.scale_name, self.scale = scale_name, scale
        self.models, self.eval_sets, self.prompts = models, eval_sets, prompts
        self.metrics, self.scorers = metrics, scorers
        self.baselines: dict[str, dict[str, Any]] = {
            "sft": dump(scale.sft),
            "grpo": dump(scale.grpo_spec()),
            "base": {
                "base_model": scale.sft.base_model,
                "system_prompt": scale.sft.system_prompt,
                "decoding": dump(scale.decoding),
                "dtype": scale.sft.dtype,
            },
            "llm": {
                "model": scale.labels.teacher,
                "prompt": scale.labels.prompt,
                "decoding": dump(DecodingSpec()),
            },
        }

    def resolve(self, name: str, spec: ExperimentSpec) -> Experiment:
        """The experiment's arms, reference and eval sets; InputError names file and key."""
        where = f"config/experiments/{name}.yaml"
        grid = self._grid(spec)
        arms = self._sweep(where, spec, grid) if grid.sweep else self._named(where, spec, grid)
        if spec.include_baseline and not any(arm.is_baseline for arm in arms):
            arms.append(self._arm(where, spec, "baseline", ArmSpec(stage=spec.stage), None))
        self._check_names(where, arms)
        settings = self._settings(where, spec, grid)
        eval_sets = self._sets(where, spec, grid)
        self._check_primary(where, spec, eval_sets)
        self._check_scorers(where, grid)
        for metric in (*grid.scores, *(metric for pair in spec.pairs for metric in pair)):
            self._check_metric(f"{where}: scores", metric)
        keys = list(grid.sweep) or sorted({key for arm in grid.arms.values() for key in arm.set})
        axis_key = keys[0] if len(keys) == 1 else "arm"
        reference = self._reference(where, spec, arms) if spec.kind == "comparison" else ""
        return Experiment(
            name, spec, tuple(arms), reference, eval_sets, axis_key, dict(grid.scorers), grid.scores, settings
        )

    def _grid(self, spec: ExperimentSpec) -> GridSpec:
        over: GridSpec | None = getattr(spec, self.scale_name, None)
        if over is None:
            return spec
        replaced = bool(over.sweep or over.arms)
        return GridSpec(
            sweep=over.sweep if replaced else spec.sweep,
            arms=over.arms if replaced else spec.arms,
            set={**spec.set, **over.set},
            scorers={**spec.scorers, **over.scorers},
            eval_sets=(*spec.eval_sets, *over.eval_sets),
            scores=over.scores or spec.scores,
            settings={**spec.settings, **over.settings},
        )

    @staticmethod
    def _settings(where: str, spec: ExperimentSpec, grid: GridSpec) -> Any:
        """The kind's settings, checked; None for a kind that takes none."""
        name = KINDS[spec.kind].settings
        return parse(resolve_name(name), grid.settings, f"{where}: settings") if name else None

    def _sweep(self, where: str, spec: ExperimentSpec, grid: GridSpec) -> list[Arm]:
        arms = []
        for values in itertools.product(*grid.sweep.values()):
            settings = dict(zip(grid.sweep, values, strict=True))
            name = ", ".join(f"{key}={_text(value)}" for key, value in settings.items())
            value = values[0] if len(values) == 1 else None
            arms.append(self._arm(where, spec, name, ArmSpec(set={**grid.set, **settings}), value))
        return arms

    def _named(self, where: str, spec: ExperimentSpec, grid: GridSpec) -> list[Arm]:
        arms = []
        for name, arm in grid.arms.items():
            value = next(iter(arm.set.values())) if len(arm.set) == 1 else None
            arms.append(self._arm(where, spec, name, arm.model_copy(update={"set": {**grid.set, **arm.set}}), value))
        return arms

    def _arm(self, where: str, spec: ExperimentSpec, name: str, arm: ArmSpec, value: Any) -> Arm:
        stage = arm.stage or spec.stage
        where = f"{where}: {name}"
        if stage not in TRAINED:
            return self._untrained(where, name, stage, arm, value)
        baseline = self.baselines[stage]
        resolved = self._spec(where, stage, with_keys(baseline, arm.set, where))
        decoding, plain = arm.decoding or self.scale.decoding.mode, dump(resolved) == baseline
        replicates = arm.replicates or tuple(
            {"seed": seed, **({"sft.seed": seed} if stage == "grpo" else {})}
            for seed in (self.scale.seeds.baseline if plain else self.scale.seeds.arm)
        )
        runs = tuple(self._spec(where, stage, with_keys(dump(resolved), replicate, where)) for replicate in replicates)
        if len({str(dump(run)) for run in runs}) < len(runs):
            raise InputError(where, "two replicates are the same")
        is_baseline = plain and decoding == self.scale.decoding.mode
        return Arm(name, stage, runs, value, arm.expect, is_baseline, decoding)

    def _untrained(self, where: str, name: str, stage: Stage, arm: ArmSpec, value: Any) -> Arm:
        if stage in self.baselines:  # a language model, of ours or another's
            known = with_keys(self.baselines[stage], arm.set, where)
            if arm.decoding is not None:
                known["decoding"]["mode"] = arm.decoding
            try:
                spec = SystemSpec.model_validate({"kind": stage, **known})
            except ValidationError as error:
                raise from_validation(error, where, SystemSpec) from None
            self._check_system(where, spec)
            assert spec.decoding is not None
            return Arm(name, stage, (spec,), value, arm.expect, False, spec.decoding.mode)
        if arm.set or arm.decoding:
            raise InputError(where, f"{stage} has no keys to set")
        seeds = self.scale.seeds.baseline if stage == "random" else (None,)
        runs = tuple(SystemSpec(kind=stage, seed=seed) for seed in seeds)
        return Arm(name, stage, runs, value, arm.expect, False)

    def _check_system(self, where: str, spec: SystemSpec) -> None:
        """A base model, or an LLM that runs in this process, is one of config/models.yaml."""
        name = local_model(spec) if spec.kind == "llm" else spec.base_model
        if name is not None:
            self._check_model(where, name, spec.system_prompt or self.scale.sft.system_prompt)

    def _spec(self, where: str, stage: str, values: dict[str, Any]) -> TrainingSpecs:
        model: type[TrainingSpecs] = SFTSpec if stage == "sft" else GRPOSpec
        try:
            spec = model.model_validate(values)
        except ValidationError as error:
            raise from_validation(error, where, model) from None
        sft = spec if isinstance(spec, SFTSpec) else spec.sft
        self._check_model(where, sft.base_model, sft.system_prompt)
        if isinstance(spec, GRPOSpec) and spec.reward.audio > 0 and spec.reward.audio_scorer not in self.scorers:
            known = ", ".join(sorted(self.scorers))
            raise InputError(
                f"{where}: reward.audio_scorer", f"no scorer {spec.reward.audio_scorer!r}", f"scorers: {known}"
            )
        return spec

    def _check_model(self, where: str, model: str, prompt: str) -> None:
        if model not in self.models:
            raise InputError(
                f"{where}: base_model",
                f"no model {model!r} at scale {self.scale_name}",
                f"config/models.yaml has: {', '.join(sorted(self.models))}",
            )
        if prompt not in self.prompts:
            raise InputError(
                f"{where}: system_prompt",
                f"no prompt {prompt!r}",
                f"config/prompts/system has: {', '.join(sorted(self.prompts))}",
            )

    def _check_names(self, where: str, arms: list[Arm]) -> None:
        seen: set[str] = set()
        for arm in arms:
            if arm.name in seen:
                raise InputError(where, f"two arms are named {arm.name!r}")
            seen.add(arm.name)

    def _sets(self, where: str, spec: ExperimentSpec, grid: GridSpec) -> tuple[str, ...]:
        names: list[str] = []
        common = self.scale.evaluation.eval_sets if spec.common_sets else ()
        for wanted in (*common, *grid.eval_sets):
            matches = [name for name in self.eval_sets if fnmatch.fnmatchcase(name, wanted)]
            if not matches:
                known = ", ".join(self.eval_sets)
                raise InputError(f"{where}: eval_sets", f"no eval set {wanted!r}", f"eval sets: {known}")
            names += [name for name in matches if name not in names]
        return tuple(names)

    def _check_primary(self, where: str, spec: ExperimentSpec, eval_sets: tuple[str, ...]) -> None:
        metrics = KINDS[spec.kind].metrics
        if not metrics:
            self._check_metric(f"{where}: primary.metric", spec.primary.metric)
        elif spec.primary.metric not in metrics:
            raise InputError(
                f"{where}: primary.metric", f"no {spec.primary.metric!r} in {spec.kind}", ", ".join(metrics)
            )
        if not KINDS[spec.kind].armed and not spec.primary.eval_set:
            return
        if spec.primary.eval_set not in eval_sets:
            raise InputError(
                f"{where}: primary.eval_set",
                f"{spec.primary.eval_set!r} is no eval set of this experiment",
                f"its eval sets: {', '.join(eval_sets)}",
            )

    def _check_metric(self, where: str, metric: str) -> None:
        if metric not in self.metrics:
            raise InputError(where, f"no metric {metric!r}", f"metrics: {', '.join(sorted(self.metrics))}")

    def _check_scorers(self, where: str, grid: GridSpec) -> None:
        for name, patterns in {**self.scale.evaluation.scorers, **grid.scorers}.items():
            if name not in self.scorers:
                known = ", ".join(sorted(self.scorers))
                raise InputError(f"{where}: scorers", f"no scorer {name!r}", f"config/scorers.yaml has: {known}")
            for pattern in patterns:
                if not any(fnmatch.fnmatchcase(known, pattern) for known in self.eval_sets):
                    raise InputError(f"{where}: scorers.{name}", f"no eval set {pattern!r}", ", ".join(self.eval_sets))

    def _reference(self, where: str, spec: ExperimentSpec, arms: list[Arm]) -> str:
        if spec.reference is not None:
            if spec.reference not in {arm.name for arm in arms}:
                raise InputError(
                    f"{where}: reference",
                    f"no arm {spec.reference!r}",
                    f"arms: {', '.join(arm.name for arm in arms)}",
                )
            return spec.reference
        for arm in arms:
            if arm.is_baseline:
                return arm.name
        raise InputError(where, "no arm equals the baseline", "name a `reference`, or set `include_baseline: true`")


def local_model(spec: SystemSpec) -> str | None:
    """The base model of an LLM that runs in this process; None for any other."""
    provider, _, name = (spec.model or "").partition("/")
    return name if provider == LOCAL else None


def dump(spec: Any) -> dict[str, Any]:
    """A spec as plain JSON values, by the names that users write."""
    return spec.model_dump(mode="json", by_alias=True)


def with_keys(base: dict[str, Any], settings: dict[str, Any], where: str) -> dict[str, Any]:
    """``base`` with dotted keys set; InputError for a key that is not there."""
    result: dict[str, Any] = _copy(base)
    for key, value in settings.items():
        inner = result
        parts = key.split(".")
        for part in parts[:-1]:
            inner = inner.get(part) if isinstance(inner, dict) else None  # type: ignore[assignment]
        if not isinstance(inner, dict) or parts[-1] not in inner:
            raise InputError(f"{where}: {key}", "unknown key", f"keys: {', '.join(flatten(base))}")
        inner[parts[-1]] = _copy(value)
    return result


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, list | tuple) else value


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "all" if value is None else str(value)
