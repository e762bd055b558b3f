# INPUTS   the scores of an experiment's arms
# OUTPUTS  results/analyses/{analysis}/comparison.csv   means, intervals, differences, tests; or, of scorers that are
#                                                              compared with each other, correlations, and points.csv
#          results/experiments/{experiment}/arms.csv    which arm is which adapter


rule compare_arms:
    input:
        inputs("analyses"),
    output:
        files("analyses", "analysis"),
    log:
        "logs/compare_arms/{analysis}.log",
    benchmark:
        "benchmarks/compare_arms/{analysis}.tsv"
    wildcard_constraints:
        analysis=ids_of_step("compare_arms", "analyses"),
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("analyses"),
        scores=score_folders,
        out=out("analyses"),
    message:
        "Compare arms: {wildcards.analysis}"
    shell:
        "python scripts/compare_arms.py --spec {params.spec:q} --scores {params.scores:q}"
        " --out {params.out:q} --log {log:q}"


rule measure_agreement:
    input:
        inputs("analyses"),
    output:
        files("analyses", "analysis", "measure_agreement"),
    log:
        "logs/measure_agreement/{analysis}.log",
    benchmark:
        "benchmarks/measure_agreement/{analysis}.tsv"
    wildcard_constraints:
        analysis=ids_of_step("measure_agreement", "analyses"),
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("analyses"),
        scores=score_folders,
        out=out("analyses"),
    message:
        "Measure agreement of scorers: {wildcards.analysis}"
    shell:
        "python scripts/measure_agreement.py --spec {params.spec:q} --scores {params.scores:q}"
        " --out {params.out:q} --log {log:q}"


rule list_arms:
    input:
        stamp=f"{RESULTS}/stamps/arms/{{experiment}}.json",
    output:
        arms=f"{RESULTS}/experiments/{{experiment}}/arms.csv",
        made=f"{RESULTS}/stamps/arms/{{experiment}}.made.json",
    log:
        f"logs/list_arms/{study.run.scale}/{{experiment}}.log",
    wildcard_constraints:
        experiment="|".join(study.selected),
    conda:
        "../envs/workflow.yaml"
    message:
        "List arms: {wildcards.experiment}"
    shell:
        "python scripts/list_arms.py --stamp {input.stamp:q} --out {output.arms:q}"
        " --made {output.made:q} --log {log:q}"
