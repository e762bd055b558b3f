# INPUTS   config/models.yaml; prose for a miniature, a folder for a local model, the hub for the others
# OUTPUTS  results/models/{model}/   a transformers folder: config, tokenizer with chat template, safetensors


rule pretrain_model:
    input:
        inputs("models"),
    output:
        files("models", "model"),
    log:
        "logs/pretrain_model/{model}.log",
    benchmark:
        "benchmarks/pretrain_model/{model}.tsv"
    wildcard_constraints:
        model=ids_of_step("pretrain_model"),
    priority: 100
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("models"),
        prose=source("models", "prose"),
        out=out("models"),
    message:
        "Pretrain miniature: {wildcards.model}"
    shell:
        "python scripts/pretrain_model.py --spec {params.spec:q} --prose {params.prose:q}"
        " --out {params.out:q} --log {log:q}"


rule fetch_model:
    input:
        inputs("models"),
    output:
        files("models", "model"),
    log:
        "logs/fetch_model/{model}.log",
    wildcard_constraints:
        model=ids_of_step("fetch_model"),
    priority: 101  # what SmolLM2 writes takes minutes: it begins early
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("models"),
        out=out("models"),
    message:
        "Fetch base model: {wildcards.model}"
    shell:
        "python scripts/fetch_model.py --spec {params.spec:q} --out {params.out:q} --log {log:q}"
