# INPUTS   results/texts/{texts}/texts.jsonl, the prompts of extractor and teacher
#          (a folder of labelled splits in place of all that; a scorer's model, where a scorer chooses)
# OUTPUTS  results/vibes/{vibes}/{vibes,pages}.jsonl       one row a level and scope; the pages
#          results/labels/{labels,chosen}/labels.jsonl     payloads of each unique vibe, the best one marked
#          results/selections/{selection}/selection.csv    what best of N buys, on a sample
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
    priority: 110
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
        files("labels", "labels", "write_payloads"),
    log:
        "logs/write_payloads/{labels}.log",
    benchmark:
        "benchmarks/write_payloads/{labels}.tsv"
    priority: 110
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


rule choose_payloads:
    input:
        inputs("labels"),
    output:
        files("labels", "chosen", "choose_payloads"),
    log:
        "logs/choose_payloads/{chosen}.log",
    benchmark:
        "benchmarks/choose_payloads/{chosen}.tsv"
    priority: 110
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("labels"),
        labels=parent("labels", "labels"),
        model=parent("labels", "model"),
        prompt=source("labels", "prompt"),
        out=out("labels"),
    message:
        "Choose payloads by a scorer: {wildcards.chosen}"
    shell:
        "python scripts/choose_payloads.py --spec {params.spec:q} --labels {params.labels:q}"
        " --model {params.model:q} --prompt {params.prompt:q} --out {params.out:q} --log {log:q}"


rule measure_selection:
    input:
        inputs("selections"),
    output:
        files("selections", "selection"),
    log:
        "logs/measure_selection/{selection}.log",
    benchmark:
        "benchmarks/measure_selection/{selection}.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("selections"),
        splits=parent("selections", "splits"),
        prompt=source("selections", "prompt"),
        models=models_of("selections"),
        prompts=named_sources("selections", "prompt"),
        out=out("selections"),
    message:
        "Measure what best of N buys: {wildcards.selection}"
    shell:
        "python scripts/measure_selection.py --spec {params.spec:q} --splits {params.splits:q}"
        " --prompt {params.prompt:q} --models {params.models:q} --scorer-prompts {params.prompts:q}"
        " --out {params.out:q} --log {log:q}"


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
        vibes=vibes_folder,
        out=out("embeddings"),
    message:
        "Embed vibes: {wildcards.embeddings}"
    shell:
        "python scripts/embed_vibes.py --vibes {params.vibes:q} --out {params.out:q} --log {log:q}"
