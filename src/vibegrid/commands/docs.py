"""`make docs`: what the typed models and the rules say about themselves, as schemas, reference and graph.

Everything it writes is generated: a test fails where a file is not what this module would write.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from vibegrid.commands.experiments import experiments_page
from vibegrid.errors import InputError
from vibegrid.files import write_text
from vibegrid.grid.load import RunConfig
from vibegrid.specs.experiments import ExperimentSpec
from vibegrid.specs.grpo import GRPOSpec
from vibegrid.specs.human import HumanSettings
from vibegrid.specs.llms import LimitsSpec, LlmsSpec
from vibegrid.specs.models import HubSpec, LocalSpec, MiniatureSpec
from vibegrid.specs.remote import RemoteSpec
from vibegrid.specs.scales import ScaleSpec
from vibegrid.specs.scorers import FunctionSpec, JudgeSpec, LaionClapSpec, MiniClapSpec
from vibegrid.specs.texts import CommonPileTexts, FileTexts, LabelledTexts

REFERENCE = {
    "config/config.yaml": RunConfig,
    "config/scales/*.yaml": ScaleSpec,
    "config/scales/*.yaml: grpo (its `sft` is the scale's)": GRPOSpec,
    "config/scales/*.yaml: texts, source embedded or jsonl": FileTexts,
    "config/scales/*.yaml: texts, source common_pile": CommonPileTexts,
    "config/scales/*.yaml: texts, source labelled": LabelledTexts,
    "config/models.yaml: kind miniature": MiniatureSpec,
    "config/models.yaml: kind hub": HubSpec,
    "config/models.yaml: kind local": LocalSpec,
    "config/models.yaml: remote, beside the scales": RemoteSpec,
    "config/scorers.yaml: kind mini_clap": MiniClapSpec,
    "config/scorers.yaml: kind laion_clap": LaionClapSpec,
    "config/scorers.yaml: kind judge": JudgeSpec,
    "config/scorers.yaml: kind function": FunctionSpec,
    "config/llms.yaml": LlmsSpec,
    "config/llms.yaml: of one model": LimitsSpec,
    "config/experiments/*.yaml": ExperimentSpec,
    "config/experiments/*.yaml: settings, kind human": HumanSettings,
}
SCHEMAS = {"config": RunConfig, "scale": ScaleSpec, "experiment": ExperimentSpec, "llms": LlmsSpec}
BEGIN, END = "<!-- rulegraph: made by `make docs` -->", "<!-- end of rulegraph -->"


def write_docs(root: Path, *, check: bool) -> None:
    """Write what is generated, or with ``check`` raise InputError for the first file that is out of date."""
    generated = {
        **{f"config/schemas/{name}.json": schema(model) for name, model in SCHEMAS.items()},
        "docs/configuration.md": configuration(),
        "docs/experiments.md": experiments_page(root),
        "README.md": with_rulegraph(root),
    }
    for name, text in generated.items():
        path = root / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            raise InputError(name, "out of date with the code", "make docs")
        write_text(path, text)


def schema(model: type[BaseModel]) -> str:
    """The JSON schema of a configuration file, for editors."""
    return json.dumps(model.model_json_schema(by_alias=True), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def configuration() -> str:
    """docs/configuration.md: every key with its type, default and meaning."""
    parts = [
        "# Configuration",
        "Made by `make docs` from the typed models in `src/vibegrid/specs`. An unknown key, a wrong type or an",
        "impossible value is one line with file and key, before anything runs. JSON schemas for editors are in",
        "`config/schemas/`. Values may be overridden on the command line: `--config scale=mini texts=mine.jsonl`.",
    ]
    for title, model in REFERENCE.items():
        parts += [
            "",
            f"## {title}",
            "",
            _first_line(model),
            "",
            "| key | type | default | meaning |",
            "|---|---|---|---|",
        ]
        parts += [f"| `{key}` | {kind} | {default} | {text} |" for key, kind, default, text in _rows(model, "")]
    return "\n".join(parts) + "\n"


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        inner: list[Any] = [kind for kind in (field.annotation, *get_args(field.annotation)) if _is_model(kind)]
        if inner and field.annotation is inner[0] and key.count(".") < 2 and name != "sft":
            yield from _rows(inner[0], f"{key}.")
            continue
        if inner and name == "sft" and not prefix and model is ScaleSpec:
            yield from _rows(inner[0], f"{key}.")
            continue
        yield key, _type(field.annotation), _default(field), (field.description or "").replace("|", "\\|")


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _type(kind: Any) -> str:
    text = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
    text = re.sub(r"(typing|vibegrid\.specs\.\w+|collections\.abc)\.", "", text)
    return "`" + text.replace("NoneType", "null").replace("None", "null").replace("|", "or") + "`"


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "see the keys of that name"
    return "`" + json.dumps(value, ensure_ascii=False, default=_plain) + "`"


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_defaults=True) if isinstance(value, BaseModel) else list(value)


def with_rulegraph(root: Path) -> str:
    """README.md with the rule graph that Snakemake draws of the whole study."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    if BEGIN not in readme or END not in readme:
        raise InputError("README.md", "the marks of the rule graph are gone", f"{BEGIN} ... {END}")
    before, rest = readme.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    return f"{before}{BEGIN}\n\n```mermaid\n{rulegraph(root)}\n```\n\n{END}{after}"


def rulegraph(root: Path) -> str:
    """The rules behind tables and figures as a mermaid flowchart, without the rules that only collect."""
    command = [sys.executable, "-m", "snakemake", "all", "--rulegraph", "mermaid-js", "--forceall"]
    command += ["--directory", str(root), "--config", "experiments=all", "scale=mini"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError("snakemake --rulegraph", done.stderr.strip()[-300:])
    names = dict(re.findall(r"id(\d+)\[(\w+)\]", done.stdout))
    edges = re.findall(r"id(\d+) --> id(\d+)", done.stdout)
    drop = {"all", "all_tables", "figures"}
    lines = sorted(
        f"    {names[a]} --> {names[b]}"
        for a, b in set(edges)
        if names.get(a) not in drop and names.get(b) not in {*drop, "collect_tables"} | {None}
    )
    return "\n".join(["flowchart LR", *lines, "    tabulate --> collect_tables"])
