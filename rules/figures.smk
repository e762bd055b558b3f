# INPUTS   the analysis of an experiment, the training curves of its adapters, and a stamp
# OUTPUTS  results/figures/{experiment}.{pdf,png}            a reading per arm
#          results/figures/{experiment}.training.{pdf,png}   loss and reward over steps


rule plot:
    input:
        comparison=analysis_file("comparison.csv"),
        spec=analysis_file("spec.json"),
        stamp=stamp("figures", "{experiment}"),
    output:
        figures=drawn("{experiment}"),
        made=f"{RESULTS}/stamps/figures/{{experiment}}.made.json",
    log:
        f"logs/plot/{study.run.scale}/{{experiment}}.log",
    conda:
        "../envs/workflow.yaml"
    message:
        "Plot: {wildcards.experiment}"
    shell:
        "python scripts/plot.py --comparison {input.comparison:q} --spec @{input.spec:q}"
        " --stamp {input.stamp:q} --made {output.made:q} --out {output.figures[0]:q} --log {log:q}"


rule plot_agreement:
    input:
        comparison=analysis_file("comparison.csv"),
        spec=analysis_file("spec.json"),
        points=analysis_file("points.csv"),
        stamp=stamp("figures", "{agreement}"),
    output:
        figures=drawn("{agreement}"),
        made=f"{RESULTS}/stamps/figures/{{agreement}}.made.json",
    log:
        f"logs/plot_agreement/{study.run.scale}/{{agreement}}.log",
    conda:
        "../envs/workflow.yaml"
    message:
        "Plot agreement: {wildcards.agreement}"
    shell:
        "python scripts/plot_agreement.py --comparison {input.comparison:q} --spec @{input.spec:q}"
        " --points {input.points:q} --stamp {input.stamp:q} --made {output.made:q} --out {output.figures[0]:q}"
        " --log {log:q}"


rule plot_sensitivity:
    input:
        comparison=analysis_file("comparison.csv"),
        spec=analysis_file("spec.json"),
        stamp=stamp("figures", "{sensitivity}"),
    output:
        figures=drawn("{sensitivity}"),
        made=f"{RESULTS}/stamps/figures/{{sensitivity}}.made.json",
    log:
        f"logs/plot_sensitivity/{study.run.scale}/{{sensitivity}}.log",
    wildcard_constraints:
        sensitivity=made_by("plot", "plot_sensitivity"),
    conda:
        "../envs/workflow.yaml"
    message:
        "Plot sensitivity: {wildcards.sensitivity}"
    shell:
        "python scripts/plot_sensitivity.py --comparison {input.comparison:q} --spec @{input.spec:q}"
        " --stamp {input.stamp:q} --made {output.made:q} --out {output.figures[0]:q} --log {log:q}"


rule plot_usage:
    input:
        comparison=analysis_file("comparison.csv"),
        spec=analysis_file("spec.json"),
        stamp=stamp("figures", "{usage}"),
    output:
        figures=drawn("{usage}"),
        made=f"{RESULTS}/stamps/figures/{{usage}}.made.json",
    log:
        f"logs/plot_usage/{study.run.scale}/{{usage}}.log",
    wildcard_constraints:
        usage=made_by("plot", "plot_usage"),
    conda:
        "../envs/workflow.yaml"
    message:
        "Plot field usage: {wildcards.usage}"
    shell:
        "python scripts/plot_usage.py --comparison {input.comparison:q} --spec @{input.spec:q}"
        " --stamp {input.stamp:q} --made {output.made:q} --out {output.figures[0]:q} --log {log:q}"


rule plot_stories:
    input:
        comparison=analysis_file("comparison.csv"),
        spec=analysis_file("spec.json"),
        pages=analysis_file("pages.csv"),
        stamp=stamp("figures", "{stories}"),
    output:
        figures=drawn("{stories}"),
        made=f"{RESULTS}/stamps/figures/{{stories}}.made.json",
    log:
        f"logs/plot_stories/{study.run.scale}/{{stories}}.log",
    wildcard_constraints:
        stories=made_by("plot", "plot_stories"),
    conda:
        "../envs/workflow.yaml"
    message:
        "Plot story coherence: {wildcards.stories}"
    shell:
        "python scripts/plot_stories.py --comparison {input.comparison:q} --spec @{input.spec:q}"
        " --pages {input.pages:q} --stamp {input.stamp:q} --made {output.made:q} --out {output.figures[0]:q}"
        " --log {log:q}"


rule plot_clap:
    input:
        cards=[made.file("card.json") for made in targets.claps().values()],
        stamp=stamp("figures", CLAP_CARD),
    output:
        figures=drawn(CLAP_CARD),
        made=f"{RESULTS}/stamps/figures/{CLAP_CARD}.made.json",
    log:
        f"logs/plot_clap/{study.run.scale}.log",
    conda:
        "../envs/workflow.yaml"
    params:
        cards=[f"{name}={here(made.file('card.json'))}" for name, made in targets.claps().items()],
    message:
        "Plot the cards of the CLAPs"
    shell:
        "python scripts/plot_clap.py --cards {params.cards:q} --stamp {input.stamp:q} --made {output.made:q}"
        " --out {output.figures[0]:q} --log {log:q}"


rule plot_selection:
    input:
        selection=made.file("selection.csv") if (made := study.data.selection) else [],
        stamp=stamp("figures", BEST_OF_N),
    output:
        figures=drawn(BEST_OF_N),
        made=f"{RESULTS}/stamps/figures/{BEST_OF_N}.made.json",
    log:
        f"logs/plot_selection/{study.run.scale}.log",
    conda:
        "../envs/workflow.yaml"
    params:
        scale=study.run.scale,
    message:
        "Plot what best of N buys"
    shell:
        "python scripts/plot_selection.py --selection {input.selection:q} --scale {params.scale:q}"
        " --stamp {input.stamp:q} --made {output.made:q} --out {output.figures[0]:q} --log {log:q}"


rule plot_training:
    input:
        metrics=metrics_files,
        spec=analysis_file("spec.json"),
        stamp=stamp("curves", "{experiment}"),
    output:
        figures=drawn("{experiment}.training"),
        made=f"{RESULTS}/stamps/curves/{{experiment}}.made.json",
    log:
        f"logs/plot_training/{study.run.scale}/{{experiment}}.log",
    conda:
        "../envs/workflow.yaml"
    params:
        arms=metrics_arms,
    message:
        "Plot training curves: {wildcards.experiment}"
    shell:
        "python scripts/plot_training.py --spec @{input.spec:q} --arms {params.arms:q} --metrics {input.metrics:q}"
        " --stamp {input.stamp:q} --made {output.made:q} --out {output.figures[0]:q} --log {log:q}"
