# INPUTS   the scores of an experiment's arms; or their outputs; or a CLAP and a bank of renders
# OUTPUTS  results/analyses/{analysis}/comparison.csv   means, intervals, differences, tests; or, of scorers that are
#                                                              compared with each other, correlations, and points.csv; or,
#                                                              of config fields, what they change and who uses them
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


rule measure_sensitivity:
    input:
        inputs("analyses"),
    output:
        files("analyses", "analysis", "measure_sensitivity"),
    log:
        "logs/measure_sensitivity/{analysis}.log",
    benchmark:
        "benchmarks/measure_sensitivity/{analysis}.tsv"
    wildcard_constraints:
        analysis=ids_of_step("measure_sensitivity", "analyses"),
    priority: 50
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("analyses"),
        scorer=scorer("analyses"),
        bank=parent("analyses", "bank"),
        out=out("analyses"),
    message:
        "Measure what each config field changes: {wildcards.analysis}"
    shell:
        "python scripts/measure_sensitivity.py --spec {params.spec:q} --scorer {params.scorer:q}"
        " --bank {params.bank:q} --out {params.out:q} --log {log:q}"


rule measure_usage:
    input:
        inputs("analyses"),
    output:
        files("analyses", "analysis", "measure_usage"),
    log:
        "logs/measure_usage/{analysis}.log",
    benchmark:
        "benchmarks/measure_usage/{analysis}.tsv"
    wildcard_constraints:
        analysis=ids_of_step("measure_usage", "analyses"),
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("analyses"),
        generations=generation_folders,
        prompts=prompts("analyses"),
        splits=parent("analyses", "splits"),
        embeddings=parent("analyses", "embeddings"),
        scorer=scorer("analyses"),
        out=out("analyses"),
    message:
        "Measure which fields systems use: {wildcards.analysis}"
    shell:
        "python scripts/measure_usage.py --spec {params.spec:q} --generations {params.generations:q}"
        " --prompts {params.prompts:q} --splits {params.splits:q} --embeddings {params.embeddings:q}"
        " --scorer {params.scorer:q} --out {params.out:q} --log {log:q}"


rule measure_stories:
    input:
        inputs("analyses"),
    output:
        files("analyses", "analysis", "measure_stories"),
    log:
        "logs/measure_stories/{analysis}.log",
    benchmark:
        "benchmarks/measure_stories/{analysis}.tsv"
    wildcard_constraints:
        analysis=ids_of_step("measure_stories", "analyses"),
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("analyses"),
        generations=folders("analyses", "generation"),
        prompts=prompts("analyses"),
        scorer=scorer("analyses"),
        out=out("analyses"),
    message:
        "Measure story coherence: {wildcards.analysis}"
    shell:
        "python scripts/measure_stories.py --spec {params.spec:q} --generations {params.generations:q}"
        " --prompts {params.prompts:q} --scorer {params.scorer:q} --out {params.out:q} --log {log:q}"


rule list_arms:
    input:
        stamp=stamp("arms", "{experiment}"),
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
