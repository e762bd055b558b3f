# INPUTS   the analysis of an experiment, the training curves of its adapters, and a stamp
# OUTPUTS  results/figures/{experiment}.{pdf,png}            a reading per arm
#          results/figures/{experiment}.training.{pdf,png}   loss and reward over steps


rule plot:
    input:
        comparison=analysis_file("comparison.csv"),
        spec=analysis_file("spec.json"),
        stamp=f"{RESULTS}/stamps/figures/{{experiment}}.json",
    output:
        figures=multiext(f"{RESULTS}/figures/{{experiment}}", ".pdf", ".png"),
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


rule plot_training:
    input:
        metrics=metrics_files,
        spec=analysis_file("spec.json"),
        stamp=f"{RESULTS}/stamps/curves/{{experiment}}.json",
    output:
        figures=multiext(f"{RESULTS}/figures/{{experiment}}.training", ".pdf", ".png"),
        made=f"{RESULTS}/stamps/curves/{{experiment}}.made.json",
    log:
        f"logs/plot_training/{study.run.scale}/{{experiment}}.log",
    conda:
        "../envs/workflow.yaml"
    message:
        "Plot training curves: {wildcards.experiment}"
    shell:
        "python scripts/plot_training.py --spec @{input.spec:q} --stamp {input.stamp:q}"
        " --made {output.made:q} --out {output.figures[0]:q} --log {log:q}"
