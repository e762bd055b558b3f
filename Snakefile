"""The study: configuration in, experiments resolved, targets out. `docs/methods.md` tells the story."""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


report: "report/workflow.rst"


include: "rules/common.smk"


onstart:
    check_budget()
    check_compute()


onsuccess:
    end_run()


onerror:
    end_run()


# What `snakemake` alone and `snakemake results/all_tables.csv` make.
rule all_tables:
    default_target: True
    input:
        targets.identity_files(study.selected),
        f"{RESULTS}/all_tables.csv",
    localrule: True
    message:
        "Everything behind all_tables.csv"


include: "rules/texts.smk"
include: "rules/vibes.smk"
include: "rules/datasets.smk"
include: "rules/models.smk"
include: "rules/sound.smk"
include: "rules/adapters.smk"
include: "rules/evals.smk"
include: "rules/analyses.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/listen.smk"
include: "rules/human.smk"


rule figures:
    input:
        [path for name in study.selected for path in targets.figures(name)],
        targets.clap_figure(),
        targets.selection_figure(),
    localrule: True
    message:
        "All figures"


# The listening page, of the experiment that config/scales says; where there is none, a rule without input would run
# every time.
rule listen:
    input:
        f"{RESULTS}/listen/index.html" if targets.heard() else f"{RESULTS}/all_tables.csv",
        [f"{RESULTS}/stories/index.html"] if targets.told() else [],
    localrule: True
    message:
        "The listening page"


rule all:
    input:
        rules.all_tables.input,
        rules.figures.input,
        rules.listen.input,
        expand(f"{RESULTS}/experiments/{{name}}/arms.csv", name=study.selected),


# Each experiment's name is a target of its own.
for name in study.selected:

    rule:
        name:
            name
        input:
            targets.experiment(name),
        localrule: True
        message:
            "Everything of one experiment"
