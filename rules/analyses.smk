# INPUTS   the scores of an experiment's arms
# OUTPUTS  results/analyses/{analysis}/comparison.csv   means, intervals, differences, tests
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


rule list_arms:
    input:
        stamp=f"{RESULTS}/stamps/arms/{{experiment}}.json",
    output:
        arms=f"{RESULTS}/experiments/{{experiment}}/arms.csv",
        made=f"{RESULTS}/stamps/arms/{{experiment}}.made.json",
    log:
        f"logs/list_arms/{study.run.scale}/{{experiment}}.log",
    conda:
        "../envs/workflow.yaml"
    message:
        "List arms: {wildcards.experiment}"
    shell:
        "python scripts/list_arms.py --stamp {input.stamp:q} --out {output.arms:q}"
        " --made {output.made:q} --log {log:q}"
