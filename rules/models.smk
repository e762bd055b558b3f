# INPUTS   config/models.yaml; prose for a miniature, a folder for a local model, the hub for the others
# OUTPUTS  results/models/{model}/   a transformers folder: config, tokenizer with chat template, safetensors


def ids_of_step(step):
    """Closed wildcard: the ids of the models that this step makes."""
    found = [identity for identity, made in study.nodes("models").items() if made.step == step]
    return "|".join(re.escape(identity) for identity in found) or "none"


rule pretrain_model:
    input:
        inputs("models"),
    output:
        files("models", "model"),
    params:
        spec=spec("models"),
        prose=source("models", "prose"),
        out=out("models"),
    wildcard_constraints:
        model=ids_of_step("pretrain_model"),
    priority: 100
    log:
        "logs/pretrain_model/{model}.log",
    benchmark:
        "benchmarks/pretrain_model/{model}.tsv"
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
    params:
        spec=spec("models"),
        out=out("models"),
    wildcard_constraints:
        model=ids_of_step("fetch_model"),
    log:
        "logs/fetch_model/{model}.log",
    message:
        "Fetch base model: {wildcards.model}"
    shell:
        "python scripts/fetch_model.py --spec {params.spec:q} --out {params.out:q} --log {log:q}"
