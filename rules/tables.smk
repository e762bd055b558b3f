# INPUTS   the analysis of an experiment, and a stamp of what the table is made of
# OUTPUTS  results/tables/{experiment}.{csv,md,tex}, results/all_tables.csv


rule tabulate:
    input:
        comparison=analysis_file("comparison.csv"),
        spec=analysis_file("spec.json"),
        stamp=stamp("tables", "{experiment}"),
    output:
        tables=multiext(f"{RESULTS}/tables/{{experiment}}", ".csv", ".md", ".tex"),
        made=f"{RESULTS}/stamps/tables/{{experiment}}.made.json",
    log:
        f"logs/tabulate/{study.run.scale}/{{experiment}}.log",
    conda:
        "../envs/workflow.yaml"
    message:
        "Tabulate: {wildcards.experiment}"
    shell:
        "python scripts/tabulate.py --comparison {input.comparison:q} --spec @{input.spec:q}"
        " --stamp {input.stamp:q} --made {output.made:q} --out {output.tables[0]:q} --log {log:q}"


rule tabulate_agreement:
    input:
        comparison=analysis_file("comparison.csv"),
        spec=analysis_file("spec.json"),
        stamp=stamp("tables", "{agreement}"),
    output:
        tables=multiext(f"{RESULTS}/tables/{{agreement}}", ".csv", ".md", ".tex"),
        made=f"{RESULTS}/stamps/tables/{{agreement}}.made.json",
    log:
        f"logs/tabulate_agreement/{study.run.scale}/{{agreement}}.log",
    conda:
        "../envs/workflow.yaml"
    message:
        "Tabulate agreement: {wildcards.agreement}"
    shell:
        "python scripts/tabulate_agreement.py --comparison {input.comparison:q} --spec @{input.spec:q}"
        " --stamp {input.stamp:q} --made {output.made:q} --out {output.tables[0]:q} --log {log:q}"


rule tabulate_stories:
    input:
        comparison=analysis_file("comparison.csv"),
        spec=analysis_file("spec.json"),
        stamp=stamp("tables", "{stories}"),
    output:
        tables=multiext(f"{RESULTS}/tables/{{stories}}", ".csv", ".md", ".tex"),
        made=f"{RESULTS}/stamps/tables/{{stories}}.made.json",
    log:
        f"logs/tabulate_stories/{study.run.scale}/{{stories}}.log",
    wildcard_constraints:
        stories=made_by("tabulate", "tabulate_stories"),
    conda:
        "../envs/workflow.yaml"
    message:
        "Tabulate story coherence: {wildcards.stories}"
    shell:
        "python scripts/tabulate_stories.py --comparison {input.comparison:q} --spec @{input.spec:q}"
        " --stamp {input.stamp:q} --made {output.made:q} --out {output.tables[0]:q} --log {log:q}"


rule tabulate_measures:
    input:
        comparison=analysis_file("comparison.csv"),
        spec=analysis_file("spec.json"),
        stamp=stamp("tables", "{measures}"),
    output:
        tables=multiext(f"{RESULTS}/tables/{{measures}}", ".csv", ".md", ".tex"),
        made=f"{RESULTS}/stamps/tables/{{measures}}.made.json",
    log:
        f"logs/tabulate_measures/{study.run.scale}/{{measures}}.log",
    wildcard_constraints:
        measures=made_by("tabulate", "tabulate_measures"),
    conda:
        "../envs/workflow.yaml"
    message:
        "Tabulate measures: {wildcards.measures}"
    shell:
        "python scripts/tabulate_measures.py --comparison {input.comparison:q} --spec @{input.spec:q}"
        " --stamp {input.stamp:q} --made {output.made:q} --out {output.tables[0]:q} --log {log:q}"


rule collect_tables:
    input:
        identities=targets.identity_files(study.selected),
        tables=[f"{RESULTS}/tables/{name}.csv" for name in study.selected],
        stamp=stamp("all", "all_tables"),
    output:
        table=f"{RESULTS}/all_tables.csv",
        made=f"{RESULTS}/stamps/all/all_tables.made.json",
    log:
        f"logs/collect_tables/{study.run.scale}.log",
    conda:
        "../envs/workflow.yaml"
    message:
        "Collect all tables"
    shell:
        "python scripts/collect_tables.py --tables {input.tables:q} --stamp {input.stamp:q}"
        " --made {output.made:q} --out {output.table:q} --log {log:q}"
