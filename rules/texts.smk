# INPUTS   a JSONL of texts (the embedded corpus, or yours); or streams of the hub, which the spec names
# OUTPUTS  results/texts/{texts}/texts.jsonl


rule collect_texts:
    input:
        inputs("texts"),
    output:
        files("texts", "texts"),
    log:
        "logs/collect_texts/{texts}.log",
    priority: 110
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("texts"),
        texts=source("texts", "texts"),
        out=out("texts"),
    message:
        "Collect texts: {wildcards.texts}"
    shell:
        "python scripts/collect_texts.py --spec {params.spec:q} --texts {params.texts:q}"
        " --out {params.out:q} --log {log:q}"
