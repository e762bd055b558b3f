"""Configuration in: YAML files and `--config` values to typed specs, with errors that name file and key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from vibegrid.errors import InputError
from vibegrid.files import read_text
from vibegrid.scorers.registry import COLUMNS
from vibegrid.specs.base import Spec
from vibegrid.specs.experiments import ExperimentSpec
from vibegrid.specs.llms import BudgetSpec, LlmsSpec
from vibegrid.specs.metrics import METRIC_NAMES
from vibegrid.specs.models import ModelSpec
from vibegrid.specs.remote import RemoteSpec
from vibegrid.specs.scales import ScaleSpec
from vibegrid.specs.scorers import ScorerSpec

M = TypeVar("M", bound=BaseModel)
NAME = re.compile(r"[a-z][a-z0-9_]*")


class RunConfig(Spec):
    """config/config.yaml and `--config`: what this run is about."""

    scale: str = Field(default="mini", description="a file of config/scales: mini, small or full")
    experiments: str | list[str] = Field(default="all", description="names, comma-separated or a list; `all`")
    texts: str | None = Field(default=None, description="a JSONL of texts of yours, in place of the scale's texts")
    labels: str | None = Field(
        default=None, description="a folder of labelled splits of yours, in place of texts, extraction and labelling"
    )
    budget: BudgetSpec = Field(default_factory=BudgetSpec, description="what the run may cost")
    ratings: str | None = Field(
        default="ratings", description="folder of human ratings, one folder an experiment; null: none are read"
    )
    overrides: dict[str, Any] = Field(default_factory=dict, description="merged into the scale (for tests)")


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a repeated key is an error, as it should be."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict):
                raise yaml.MarkedYAMLError(problem="a key is no plain text", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} repeats", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1 reads 1e-4 as text; researchers mean a number.
_UniqueKeys.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping; InputError names the line that does not parse."""
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())  # as it is named in messages
    try:
        value = yaml.load(read_text(path), Loader=_UniqueKeys)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}{line}", f"not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:  # a ValueError for an impossible date
        raise InputError(str(path), f"not YAML: {error}") from None
    except RecursionError:
        raise InputError(str(path), "not YAML: nested too deep") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(str(path), f"keys and values were expected, not {type(value).__name__}")
    return value


def parse(model: type[M], value: Any, where: str) -> M:
    """``value`` as ``model``; the first pydantic error as one line."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise from_validation(error, where, model) from None


def from_validation(error: ValidationError, where: str, model: type[BaseModel] | None = None) -> InputError:
    """One line of a pydantic error: the key, what was expected, what was found."""
    errors = error.errors()
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])  # a typing error, mostly
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    hint = ""
    if first["type"] == "extra_forbidden":
        message = "unknown key"
        known = sorted(field.alias or name for name, field in model.model_fields.items()) if model else []
        if model is not None and len(first["loc"]) == 1:
            hint = f"keys: {', '.join(known)}"
    elif first["type"] != "value_error" and first["type"] != "missing":
        message += f", found {first['input']!r:.80}"
    return InputError(f"{where}: {key}" if key else where, message, hint)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``, mappings merged key by key, everything else replaced."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


def load_run(config: Mapping[str, Any]) -> RunConfig:
    """The values of config/config.yaml and `--config`, checked."""
    return parse(RunConfig, dict(config), "config/config.yaml or --config")


def load_scale(root: Path, run: RunConfig) -> ScaleSpec:
    """The scale of this run, with the run's texts and overrides in it."""
    path = root / "config" / "scales" / f"{run.scale}.yaml"
    names = sorted(file.stem for file in path.parent.glob("*.yaml"))
    if run.scale not in names:
        raise InputError("config: scale", f"no scale {run.scale!r}", f"scales: {', '.join(names)}")
    values = merge(read_yaml(path), run.overrides)
    if run.texts is not None:
        values["texts"] = {"source": "jsonl", "path": run.texts}
    if run.labels is not None:
        if run.texts is not None:
            raise InputError("config: labels", "texts and labels exclude each other", "labelled splits need no texts")
        values["texts"] = {"source": "labelled", "path": run.labels}
    scale = parse(ScaleSpec, values, str(path.relative_to(root)))
    try:
        scale.grpo_spec()
    except ValidationError as error:
        raise from_validation(error, f"{path.relative_to(root)}: grpo") from None
    return scale


def load_llms(root: Path) -> LlmsSpec:
    """How LLMs may be asked."""
    return parse(LlmsSpec, read_yaml(root / "config" / "llms.yaml"), "config/llms.yaml")


def load_models(root: Path, scale: str) -> dict[str, Any]:
    """Base models of a scale: name to MiniatureSpec, HubSpec or LocalSpec."""
    return _per_scale(root, "config/models.yaml", scale, TypeAdapter(ModelSpec))


def load_remote(root: Path, scale: ScaleSpec) -> dict[str, RemoteSpec]:
    """Machines on Modal of each model: the scale's, with the model's own `remote:` over them."""
    base, file = scale.remote.model_dump(mode="json"), "config/models.yaml"
    found = {}
    for name, values in read_yaml(root / file).items():
        own = values.get("remote", {}) if isinstance(values, dict) else {}
        if not isinstance(own, dict):
            raise InputError(f"{file}: {name}.remote", "keys and values were expected")
        found[name] = parse(RemoteSpec, merge(base, own), f"{file}: {name}.remote")
    return found


def load_licences(root: Path) -> dict[str, str]:
    """Licence of each model that has one in config/models.yaml, as the hub names licences."""
    found = {}
    for name, values in read_yaml(root / "config/models.yaml").items():
        if isinstance(values, dict) and "license" in values:
            if not isinstance(values["license"], str):
                raise InputError(f"config/models.yaml: {name}.license", "a name was expected, as apache-2.0")
            found[name] = values["license"]
    return found


def load_scorers(root: Path, scale: str) -> dict[str, Any]:
    """Audio scorers of a scale: name to MiniClapSpec, LaionClapSpec, JudgeSpec or FunctionSpec."""
    scorers = _per_scale(root, "config/scorers.yaml", scale, TypeAdapter(ScorerSpec))
    metrics: dict[str, str] = {name: "the evaluation itself" for name in METRIC_NAMES}
    for name, spec in scorers.items():
        for column in COLUMNS[spec.kind]:
            metric = f"{column}{spec.suffix}"
            if metric in metrics:
                raise InputError(
                    f"config/scorers.yaml: {name}.{scale}", f"{metrics[metric]} gives {metric!r} too", "set a suffix"
                )
            metrics[metric] = name
    return scorers


def _per_scale(root: Path, file: str, scale: str, adapter: TypeAdapter[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, per_scale in read_yaml(root / file).items():
        if not NAME.fullmatch(name.replace("-", "_")):
            raise InputError(f"{file}: {name}", "a name of lower-case letters, digits, - and _ was expected")
        if not isinstance(per_scale, dict):
            raise InputError(f"{file}: {name}", "scales with a spec each were expected")
        if scale in per_scale:
            try:
                found[name] = adapter.validate_python(per_scale[scale])
            except ValidationError as error:
                raise from_validation(error, f"{file}: {name}.{scale}") from None
    return found


def load_experiments(root: Path, wanted: tuple[str, ...] | None = None) -> dict[str, ExperimentSpec]:
    """All experiments of config/experiments, or those that a scale wants, by name, in alphabetical order."""
    experiments: dict[str, ExperimentSpec] = {}
    for path in sorted((root / "config" / "experiments").glob("*.yaml")):
        where = str(path.relative_to(root))
        if not NAME.fullmatch(path.stem):
            raise InputError(where, "a name of lower-case letters, digits and _ was expected")
        experiments[path.stem] = parse(ExperimentSpec, read_yaml(path), where)
    if not experiments:
        raise InputError("config/experiments", "no experiment is declared")
    for name in wanted or ():
        if name not in experiments:
            raise InputError("config/scales: experiments", f"no experiment {name!r}", ", ".join(experiments))
    if wanted is not None:
        experiments = {name: spec for name, spec in experiments.items() if name in wanted}
    return experiments


def choose(experiments: Mapping[str, ExperimentSpec], wanted: str | list[str]) -> list[str]:
    """Names of the wanted experiments, checked, in alphabetical order."""
    if wanted == "all":
        return list(experiments)
    names = wanted.split(",") if isinstance(wanted, str) else list(wanted)
    names = [name.strip() for name in names if name.strip()]
    for name in names:
        if name not in experiments:
            raise InputError("config: experiments", f"no experiment {name!r}", f"experiments: {', '.join(experiments)}")
    if not names:
        raise InputError("config: experiments", "no experiment is named", "`all`, or names with commas")
    return sorted(set(names))
