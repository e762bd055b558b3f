# INPUTS   results/texts/{texts}/texts.jsonl, the prompts of extractor and teacher
# OUTPUTS  results/vibes/{vibes}/{vibes,pages}.jsonl       one row a level and scope; the pages
#          results/labels/{labels}/labels.jsonl            payloads of each unique vibe, the best one marked
#          results/embeddings/{embeddings}/embeddings.npz  MiniLM embedding of each unique vibe


rule extract_vibes:
    input:
        inputs("vibes"),
    output:
        files("vibes", "vibes"),
    log:
        "logs/extract_vibes/{vibes}.log",
    benchmark:
        "benchmarks/extract_vibes/{vibes}.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("vibes"),
        texts=parent("vibes", "texts"),
        prompt=source("vibes", "prompt"),
        out=out("vibes"),
    message:
        "Extract vibes: {wildcards.vibes}"
    shell:
        "python scripts/extract_vibes.py --spec {params.spec:q} --texts {params.texts:q}"
        " --prompt {params.prompt:q} --out {params.out:q} --log {log:q}"


rule write_payloads:
    input:
        inputs("labels"),
    output:
        files("labels", "labels"),
    log:
        "logs/write_payloads/{labels}.log",
    benchmark:
        "benchmarks/write_payloads/{labels}.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("labels"),
        vibes=parent("labels", "vibes"),
        prompt=source("labels", "prompt"),
        out=out("labels"),
    message:
        "Write payloads, best of N: {wildcards.labels}"
    shell:
        "python scripts/write_payloads.py --spec {params.spec:q} --vibes {params.vibes:q}"
        " --prompt {params.prompt:q} --out {params.out:q} --log {log:q}"


rule embed_vibes:
    input:
        inputs("embeddings"),
    output:
        files("embeddings", "embeddings"),
    log:
        "logs/embed_vibes/{embeddings}.log",
    benchmark:
        "benchmarks/embed_vibes/{embeddings}.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        vibes=parent("embeddings", "vibes"),
        out=out("embeddings"),
    message:
        "Embed vibes: {wildcards.embeddings}"
    shell:
        "python scripts/embed_vibes.py --vibes {params.vibes:q} --out {params.out:q} --log {log:q}"
