# The study of this run, and the helpers that rules share. A folder of results is named `slug.digest`; everything
# about it is looked up in the study, nothing is parsed out of a path.

import re
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from vibegrid.errors import InputError
from vibegrid.grid.study import Study
from vibegrid.grid.environment import use_this_python
from vibegrid.grid.targets import FILES, Targets, reserved_names

use_this_python()


def load_study():
    """The study and its targets; a configuration error ends the run with one line."""
    try:
        loaded = Study(Path(workflow.basedir), config)
        found = Targets(loaded, reserved_names(Path(workflow.basedir)))
        found.write_stamps()
        return loaded, found
    except InputError as error:
        sys.stderr.write(f"vibegrid: {error}\n")
        sys.exit(2)


study, targets = load_study()
RESULTS = study.scale.results


def end_timers():
    """End the scheduler's timers, which would keep the process for one more span of max-jobs-per-timespan."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def ids(kind):
    """Closed wildcard: the ids of one kind of node in this study."""
    return "|".join(re.escape(identity) for identity in study.nodes(kind)) or "none"


def files(kind, wildcard):
    """Declared files of a kind, with the wildcard for the node's id."""
    return [f"{RESULTS}/{kind}/{{{wildcard}}}/{name}" for name in FILES[kind]]


def node(kind, wildcards):
    """The node that a job makes; each of these rules has one wildcard."""
    return study.nodes(kind)[wildcards[0]]


def inputs(kind):
    """Input function: the files of the node's parents, and its source files (known by content, not by date)."""

    def found(wildcards):
        made = node(kind, wildcards)
        parents = [path for parent in made.parents.values() for path in targets.outputs(parent)]
        return [*dict.fromkeys(parents), *(ancient(path) for path in made.sources.values())]

    return found


def spec(kind):
    """Params function: the node's spec as JSON."""

    def found(wildcards):
        return targets.spec(node(kind, wildcards))

    return found


def out(kind):
    """Params function: the node's folder."""

    def found(wildcards):
        return node(kind, wildcards).folder

    return found


def work(kind):
    """Params function: the node's work folder, which outlives a failed job."""

    def found(wildcards):
        return f".cache/work/{kind}/{node(kind, wildcards).id}"

    return found


def parent(kind, role):
    """Params function: folder of a parent; empty where the node has none in this role."""

    def found(wildcards):
        made = node(kind, wildcards).parents.get(role)
        return made.folder if made else ""

    return found


def source(kind, role):
    """Params function: path of a source file; empty where the node has none in this role."""

    def found(wildcards):
        return node(kind, wildcards).sources.get(role, "")

    return found


def prompts(kind):
    """Params function: prompt files of the node's eval sets, as name=path."""

    def found(wildcards):
        made = node(kind, wildcards)
        return [f"{name}={made.parents[f'eval_set:{name}'].file('prompts.jsonl')}" for name in made.parts]

    return found


def ids_of_step(step):
    """Closed wildcard: the ids of the models that this step makes."""
    found = [identity for identity, made in study.nodes("models").items() if made.step == step]
    return "|".join(re.escape(identity) for identity in found) or "none"


def score_folders(wildcards):
    """Folders of the scores that an analysis compares."""
    return [parent.folder for parent in node("analyses", wildcards).parents.values()]


def analysis_file(name):
    """Input function: a file of the analysis of an experiment."""

    def found(wildcards):
        return study.analyses[wildcards.experiment].file(name)

    return found


def metrics_files(wildcards):
    """Input function: training curves of all adapters of an experiment."""
    arms = study.adapters_of(study.experiments[wildcards.experiment])
    return [made.file("metrics.csv") for found in arms.values() for made in found]


wildcard_constraints:
    texts=ids("texts"),
    vibes=ids("vibes"),
    labels=ids("labels"),
    embeddings=ids("embeddings"),
    splits=ids("splits"),
    dataset=ids("datasets"),
    model=ids("models"),
    sft=ids("adapters/sft"),
    grpo=ids("adapters/grpo"),
    eval_set=ids("eval_sets"),
    generation=ids("generations"),
    score=ids("scores"),
    analysis=ids("analyses"),
    experiment="|".join(study.selected),
