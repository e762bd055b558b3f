"""docs/experiments.md: a paragraph an experiment, from its YAML, its arms at mini and full, and kept findings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vibegrid.commands.findings import read_findings, sentence
from vibegrid.grid.arms import Experiment
from vibegrid.grid.load import read_yaml
from vibegrid.grid.study import Study
from vibegrid.specs.grpo import GRPOSpec
from vibegrid.specs.scorers import JudgeSpec
from vibegrid.specs.sft import SFTSpec
from vibegrid.tables.escape import markdown

SCALES = ("mini", "full")
MOST_ARMS = 12

HEAD = """# Experiments

Made by `make docs` from `config/experiments/*.yaml` and from the confirmatory readings that `make findings` keeps in
`docs/findings.json`. Every arm with its numbers stands in `results/tables/<name>.md`; how to read them is in
[methods.md](methods.md). `mini` exercises the workflow with miniature models and simulated LLMs: what it shows is about
this synthesizer and these programs, not about language models.

`full` needs, for all of them:
{common}."""


def experiments_page(root: Path) -> str:
    """The page; the same bytes for the same configuration."""
    config = read_yaml(root / "config/config.yaml")
    studies = {scale: Study(root, {**config, "scale": scale, "experiments": "all"}) for scale in SCALES}
    findings = read_findings(root).get("mini", {})
    parts = [HEAD.format(common=_common(studies["full"]))]
    for name in sorted(studies["mini"].experiments):
        found = {scale: study.experiments[name] for scale, study in studies.items()}
        parts.append(_paragraph(found, studies["full"], findings.get(name, [])))
    return "\n\n".join(parts) + "\n"


def _paragraph(found: Mapping[str, Experiment], full: Study, rows: list[Any]) -> str:
    mini, spec = found["mini"], found["mini"].spec
    where = f" on `{spec.primary.eval_set}`" if spec.primary.eval_set else ""
    lines = [f"## {mini.name}", "", f"*{markdown(spec.title)}.* {markdown(_sentence(spec.question))}"]
    lines.append(f"Confirmatory: `{spec.primary.metric}`{where}.")
    arms = {scale: _arms(experiment) for scale, experiment in found.items()}
    if arms["mini"] == arms["full"]:
        lines.append(f"{_what(mini)} at mini and full: {arms['mini']}." if mini.arms else "")
    else:
        lines.append(f"{_what(mini)} at mini: {arms['mini']}; at full: {arms['full']}.")
    if spec.notes:
        lines.append(markdown(_sentence(spec.notes)))
    said = markdown(sentence(rows)) if rows else "not kept yet (`make findings`)."
    lines.append(f"**What mini shows:** {said}")
    lines.append(f"**What full needs:** {_needs(found['full'], full)}.")
    return "\n".join(line for i, line in enumerate(lines) if line or i == 1)


def _what(experiment: Experiment) -> str:
    return "Arms" if experiment.spec.kind == "comparison" else "Systems"


def _arms(experiment: Experiment) -> str:
    names = [f"`{arm.name}`" for arm in experiment.arms]
    more = f" and {len(names) - MOST_ARMS} more" if len(names) > MOST_ARMS else ""
    return ", ".join(names[:MOST_ARMS]) + more


def _needs(experiment: Experiment, study: Study) -> str:
    """Adapters that its arms reach, hosted judges beside those of every experiment."""
    runs = [run for arm in experiment.arms for run in arm.runs]
    grpo = {study.adapter(run).id: run for run in runs if isinstance(run, GRPOSpec)}
    parents = {study.adapter(run.sft).id for run in grpo.values()}
    sft = {study.adapter(run).id for run in runs if isinstance(run, SFTSpec)} | parents
    counts = [f"{len(sft)} SFT adapter{'s' * (len(sft) != 1)}"] if sft else []
    counts += [f"{len(grpo)} GRPO adapter{'s' * (len(grpo) != 1)}"] if grpo else []
    judges = [study.sound.specs[name] for name in experiment.scorers if name not in study.scale.evaluation.scorers]
    models = [spec.model for spec in judges if isinstance(spec, JudgeSpec)]
    text = " and ".join(counts) or ("no training" if runs else "no training of its own")
    if counts:
        text += " (seeds included; shared with every experiment that has the same arms)"
    return text + (f"; the judges {', '.join(models)}" if models else "")


def _common(study: Study) -> str:
    """What every experiment of the scale needs."""
    judges = [study.sound.specs[name] for name in study.scale.evaluation.scorers]
    models = sorted({spec.model for spec in judges if isinstance(spec, JudgeSpec)})
    llms = [f"`{study.scale.vibes.extractor}` as extractor", f"`{study.scale.labels.teacher}` as teacher"]
    llms += [f"`{model}` as judge" for model in models]
    engine = study.scale.sft.engine
    return f"a GPU (`engine: {engine}`), base models from the hub, LAION-CLAP, and the LLMs {', '.join(llms)}"


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if not text or text[-1] in ".?!" else text + "."
