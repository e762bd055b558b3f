# INPUTS   vibes, labels, embeddings; or a folder of labelled splits
# OUTPUTS  results/splits/{splits,imported}/{SFT-Train,SFT-Val,GRPO,TEST}.jsonl     labelled rows, by source text
#          results/datasets/{dataset}/{SFT-Train,SFT-Val,GRPO}.jsonl       a variant of the training rows


rule split_rows:
    input:
        inputs("splits"),
    output:
        files("splits", "splits"),
    log:
        "logs/split_rows/{splits}.log",
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("splits"),
        vibes=parent("splits", "vibes"),
        labels=parent("splits", "labels"),
        embeddings=parent("splits", "embeddings"),
        out=out("splits"),
    message:
        "Split rows by source text: {wildcards.splits}"
    shell:
        "python scripts/split_rows.py --spec {params.spec:q} --vibes {params.vibes:q} --labels {params.labels:q}"
        " --embeddings {params.embeddings:q} --out {params.out:q} --log {log:q}"


rule import_splits:
    input:
        inputs("splits"),
    output:
        files("splits", "imported", "import_splits"),
    log:
        "logs/import_splits/{imported}.log",
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("splits"),
        labelled=study.data.labelled or "",
        embeddings=parent("splits", "embeddings"),
        out=out("splits"),
    message:
        "Import labelled splits: {wildcards.imported}"
    shell:
        "python scripts/import_splits.py --spec {params.spec:q} --labelled {params.labelled:q}"
        " --embeddings {params.embeddings:q} --out {params.out:q} --log {log:q}"


rule build_dataset:
    input:
        inputs("datasets"),
    output:
        files("datasets", "dataset"),
    log:
        "logs/build_dataset/{dataset}.log",
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("datasets"),
        splits=parent("datasets", "splits"),
        vibes=parent("datasets", "vibes"),
        embeddings=parent("datasets", "embeddings"),
        out=out("datasets"),
    message:
        "Build dataset variant: {wildcards.dataset}"
    shell:
        "python scripts/build_dataset.py --spec {params.spec:q} --splits {params.splits:q}"
        " --vibes {params.vibes:q} --embeddings {params.embeddings:q} --out {params.out:q} --log {log:q}"
