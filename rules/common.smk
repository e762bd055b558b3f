# The study of this run, and the helpers that rules share. A folder of results is named `slug.digest`; everything
# about it is looked up in the study, nothing is parsed out of a path.

import json
import os
import re
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from vibegrid.errors import InputError
from vibegrid.figures.captions import Captions
from vibegrid.grid.compute import STEPS, Compute
from vibegrid.grid.llms import cost_line, offer_settings
from vibegrid.grid.study import Study
from vibegrid.grid.environment import use_this_python
from vibegrid.grid.kinds import KINDS
from vibegrid.grid.targets import BEST_OF_N, CLAP_CARD, Targets, files_of_step, reserved_names
from vibegrid.specs.stories import STORY_PAGES

use_this_python()


def storage_prefix():
    """Where results lie if not here (`--default-storage-prefix`), with its slash; empty where they lie here."""
    given = workflow.storage_settings
    return f"{given.default_storage_prefix.rstrip('/')}/" if given and given.default_storage_provider else ""


def stored(path):
    """The object of the storage that a path stands for; InputError where the prefix is none of such a storage."""
    provider, query = workflow.storage_registry.default_storage_provider, f"{storage_prefix()}{path}"
    if not (valid := provider.is_valid_query(query)):
        raise InputError(
            "--default-storage-prefix", f"{query} {valid.reason}", "say where results lie: s3://bucket/study"
        )
    return provider.object(query)


def here(path):
    """A path of results as scripts see it: that of the local copy, where results lie in a storage."""
    return str(stored(path).local_path()) if storage_prefix() else path


def made_in_storage(path):
    """Text of the copy of a stamp in the storage; None where there is none, and on a node, which asks for no dates.

    Raises:
        InputError: the storage does not answer, or not to these keys.
    """
    found = stored(path)
    if not workflow.is_main_process:
        return None
    try:
        if not found.exists():
            return None
        found.local_path().parent.mkdir(parents=True, exist_ok=True)
        found.retrieve_object()
    except Exception as error:  # of whatever library the storage's plugin uses
        line = str(error).strip().splitlines()[0]
        raise InputError(
            storage_prefix(), line, "the storage's address, keys and rights; is the network there?"
        ) from None
    return found.local_path().read_text(encoding="utf-8")


def load_study():
    """The study, its targets and where its steps compute; a configuration error ends the run with one line."""
    try:
        loaded = Study(Path(workflow.basedir), config)
        offer_settings(loaded.root, loaded.run)
        found = Targets(loaded, reserved_names(Path(workflow.basedir)))
        found.write_stamps(made_in_storage if storage_prefix() else None)
        return loaded, found, Compute(loaded)
    except InputError as error:
        sys.stderr.write(f"vibegrid: {error}\n")
        sys.exit(2)


study, targets, compute = load_study()
config["captions"] = Captions()  # of report/figure.rst
RESULTS = study.scale.results


def check_budget():
    """Before the first job: a plan that costs more than `budget.max_usd` ends the run with its table and one line."""
    if study.run.budget.max_usd is None:
        return
    from vibegrid.commands.plan import check_budget as check

    try:
        check(study, study.run.budget.max_usd)
    except InputError as error:
        sys.stderr.write(f"vibegrid: {error}\n")
        sys.exit(2)


def check_compute():
    """Before the first job of a run that needs Modal: what is missing there ends the run with one line."""
    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name in STEPS and job.resources.get("gpu")]
    if study.scale.compute == "modal" and jobs:
        from vibegrid.remote.preflight import check

        try:
            check(secrets=compute.secrets())
        except InputError as error:
            sys.stderr.write(f"vibegrid: {error}\n")
            sys.exit(2)


def end_timers():
    """End the scheduler's timers, which would keep the process for one more span of max-jobs-per-timespan."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def end_run():
    """What LLM calls cost, on the terminal; and the end of the timers."""
    line = cost_line(study.root)
    if line:
        sys.stderr.write(f"{line}\n")
    end_timers()


def stamp(kind, name):
    """Input: the stamp of a plainly named file, which every machine writes for itself."""
    return local(targets.stamp(kind, name))


def files(kind, wildcard, step=""):
    """Declared files of a kind, and those of a step beside them, with the wildcard for the node's id."""
    return [f"{RESULTS}/{kind}/{{{wildcard}}}/{name}" for name in files_of_step(kind, step)]


def node(kind, wildcards):
    """The node that a job makes; each of these rules has one wildcard."""
    try:
        return study.nodes(kind)[wildcards[0]]
    except KeyError:
        raise InputError(f"{RESULTS}/{kind}/{wildcards[0]}", "nothing of this study", "`make plan` lists it") from None


def inputs(kind):
    """Input function: the files of the node's parents, and its source files (known by content, not by date).

    Source files are left out where results lie in a storage: there is no need to send them there, and a `local()` file
    among its inputs would keep a job from a cluster that shares no files. The study has found and read them already.
    """

    def found(wildcards):
        made = node(kind, wildcards)
        parents = [path for parent in made.parents.values() for path in targets.outputs(parent)]
        sources = [] if storage_prefix() else [ancient(path) for path in made.sources.values()]
        return [*dict.fromkeys(parents), *sources]

    return found


def spec(kind):
    """Params function: the node's spec as JSON."""

    def found(wildcards):
        return targets.spec(node(kind, wildcards))

    return found


def out(kind):
    """Params function: the node's folder."""

    def found(wildcards):
        return here(node(kind, wildcards).folder)

    return found


def work(kind):
    """Params function: the node's work folder, which outlives a failed job."""

    def found(wildcards):
        return f".cache/work/{kind}/{node(kind, wildcards).id}"

    return found


def python(kind):
    """Params function: what runs the script, here or on Modal."""

    def found(wildcards):
        return compute.command(node(kind, wildcards))

    return found


def gpu(kind):
    """Resources function: 1 for a job that holds a GPU, on Modal or here; `--resources gpu=N` throttles them."""

    def found(wildcards):
        return int(compute.takes_gpu(node(kind, wildcards)))

    return found


def parent(kind, role):
    """Params function: folder of a parent; empty where the node has none in this role."""

    def found(wildcards):
        made = node(kind, wildcards).parents.get(role)
        return here(made.folder) if made else ""

    return found


def vibes_folder(wildcards):
    """Params function: folder of the vibes that are embedded, or of labelled splits."""
    return parent("embeddings", "vibes")(wildcards) or study.data.labelled


def source(kind, role):
    """Params function: path of a source file; empty where the node has none in this role."""

    def found(wildcards):
        return node(kind, wildcards).sources.get(role, "")

    return found


def named_sources(kind, role):
    """Params function: source files in a role that is held once a name, as name=path."""

    def found(wildcards):
        sources = node(kind, wildcards).sources.items()
        return [f"{key.partition(':')[2]}={path}" for key, path in sources if key.startswith(f"{role}:")]

    return found


def models_of(kind):
    """Params function: folders of the models of the node's scorers, as name=folder."""

    def found(wildcards):
        return [f"{name}={folder}" for name, folder in named_parents(kind, wildcards, "model")]

    return found


def prompts(kind):
    """Params function: prompt files of the node's eval sets, as name=path."""

    def found(wildcards):
        return [f"{name}={found}/prompts.jsonl" for name, found in named_parents(kind, wildcards, "eval_set")]

    return found


def scorers(kind):
    """Params function: folders of the node's audio scorers, as name=folder."""

    def found(wildcards):
        return [f"{name}={folder}" for name, folder in named_parents(kind, wildcards, "scorer")]

    return found


def scorer(kind):
    """Params function: folder of the node's one audio scorer; empty where it has none."""

    def found(wildcards):
        return next((folder for _, folder in named_parents(kind, wildcards, "scorer")), "")

    return found


def folders(kind, role):
    """Params function: folders of the node's parents in a role that is held once a name."""

    def found(wildcards):
        return [folder for _, folder in named_parents(kind, wildcards, role)]

    return found


def effects_file(wildcards):
    """Params function: what the labels do to the sound; empty where nothing is rendered."""
    made = node("scores", wildcards).parents.get("effects")
    return here(made.file("effects.json")) if made else ""


def named_parents(kind, wildcards, role):
    """Names and folders of the parents in a role that is held once a name (`scorer:clap_eval`)."""
    made = node(kind, wildcards)
    found = {key.partition(":")[2]: parent for key, parent in made.parents.items() if key.startswith(f"{role}:")}
    return [(name, here(parent.folder)) for name, parent in found.items()]


def made_by(role, step):
    """Closed wildcard: the selected experiments whose kind has this step in a role (measure, tabulate, plot)."""
    kinds = {name: KINDS[study.experiments[name].spec.kind] for name in study.selected}
    return "|".join(name for name, kind in kinds.items() if getattr(kind, role) == step) or "none"


def ids_of_step(step, kind="models"):
    """Closed wildcard: the ids of a kind that this step makes, where several steps do."""
    found = [identity for identity, made in study.nodes(kind).items() if made.step == step]
    return "|".join(re.escape(identity) for identity in found) or "none"


def score_folders(wildcards):
    """Folders of the scores that an analysis compares."""
    return [here(parent.folder) for parent in node("analyses", wildcards).parents.values()]


def heard_folders(wildcards):
    """Folders of the outputs that a pack is made of, as name=folder."""
    return [f"{name}={folder}" for name, folder in named_parents("packs", wildcards, "generation")]


def rated_scores(wildcards):
    """Folders of the scores of the systems that were rated."""
    return [folder for _, folder in named_parents("analyses", wildcards, "scores")]


def generation_folders(wildcards):
    """Folders of the outputs that an analysis reads."""
    return [here(made.folder) for made in node("analyses", wildcards).parents.values() if made.kind == "generations"]


def drawn(stem):
    """Output: a figure as PDF and as PNG, which is in the report, too."""
    path = f"{RESULTS}/figures/{stem}"
    caption = "../report/figure.rst"
    shown = report(f"{path}.png", caption=caption, category=report_category, labels=report_labels)
    return [f"{path}.pdf", shown]


def report_category(wildcards):
    """The category of a figure in the report: what its experiment is about."""
    return targets.category(wildcards[0]) if len(wildcards) else "Study"


def report_labels(wildcards, output):
    """The columns of the report's list of figures."""
    stem = os.path.basename(output[0]).removesuffix(".pdf")
    name, _, part = stem.partition(".")
    return {"experiment": name, "figure": "training curves" if part else targets.title(name)}


def analysis_file(name):
    """Input function: a file of the analysis of an experiment."""

    def found(wildcards):
        return study.analyses[wildcards[0]].file(name)

    return found


def listen_prompts(wildcards):
    """Input function: the prompts of the listening page."""
    return study.evaluations.eval_set(study.scale.listen.eval_set).file("prompts.jsonl")


def story_pages(wildcards):
    """Input function: the prompts of the listening page of stories."""
    return study.evaluations.eval_set(STORY_PAGES).file("prompts.jsonl")


def metrics_files(wildcards):
    """Input function: training curves of all adapters of an experiment."""
    arms = study.adapters_of(study.experiments[wildcards.experiment])
    return [made.file("metrics.csv") for found in arms.values() for made in found]


def metrics_arms(wildcards):
    """Params function: the arm of each of them."""
    arms = study.adapters_of(study.experiments[wildcards.experiment])
    return [arm for arm, found in arms.items() for made in found]


# Where one step makes all folders of a kind (`node` refuses those that are none of this study), or where a rule itself
# says which are its own.
FOLDER = "[^/]+"


wildcard_constraints:
    texts=FOLDER,
    vibes=FOLDER,
    labels=ids_of_step("write_payloads", "labels"),
    chosen=ids_of_step("choose_payloads", "labels"),
    selection=FOLDER,
    embeddings=FOLDER,
    splits=ids_of_step("split_rows", "splits"),
    imported=ids_of_step("import_splits", "splits"),
    dataset=FOLDER,
    model=FOLDER,
    bank=FOLDER,
    clap=FOLDER,
    scorer=FOLDER,
    effects=FOLDER,
    sft=FOLDER,
    grpo=FOLDER,
    eval_set=FOLDER,
    generation=FOLDER,
    score=FOLDER,
    analysis=FOLDER,
    ratings=ids_of_step("analyze_ratings", "analyses"),
    pack=FOLDER,
    experiment=made_by("plot", "plot"),
    agreement=made_by("plot", "plot_agreement"),
