# INPUTS   the scale's sound and config/scorers.yaml; training rows, for the calibration
# OUTPUTS  results/banks/{bank}/       renders of random configs: log-mel and chroma frames, acoustic measures
#          results/claps/{clap}/       mini-CLAP, trained on a bank, with its card
#          results/scorers/{scorer}/   a scorer with its calibration to [0, 1]
#          results/effects/{effects}/  what each label does to the sound


rule render_bank:
    input:
        inputs("banks"),
    output:
        files("banks", "bank"),
    log:
        "logs/render_bank/{bank}.log",
    benchmark:
        "benchmarks/render_bank/{bank}.tsv"
    priority: 108  # the labels wait for a CLAP, everything waits for the labels
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("banks"),
        out=out("banks"),
    message:
        "Render bank: {wildcards.bank}"
    shell:
        "python scripts/render_bank.py --spec {params.spec:q} --out {params.out:q} --log {log:q}"


rule train_clap:
    input:
        inputs("claps"),
    output:
        files("claps", "clap"),
    log:
        "logs/train_clap/{clap}.log",
    benchmark:
        "benchmarks/train_clap/{clap}.tsv"
    priority: 106
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("claps"),
        bank=parent("claps", "bank"),
        out=out("claps"),
    message:
        "Train CLAP: {wildcards.clap}"
    shell:
        "python scripts/train_clap.py --spec {params.spec:q} --bank {params.bank:q} --out {params.out:q} --log {log:q}"


rule calibrate_scorer:
    input:
        inputs("scorers"),
    output:
        files("scorers", "scorer"),
    log:
        "logs/calibrate_scorer/{scorer}.log",
    benchmark:
        "benchmarks/calibrate_scorer/{scorer}.tsv"
    priority: 60
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("scorers"),
        splits=parent("scorers", "splits"),
        model=parent("scorers", "model"),
        prompt=source("scorers", "prompt"),
        out=out("scorers"),
    message:
        "Calibrate scorer: {wildcards.scorer}"
    shell:
        "python scripts/calibrate_scorer.py --spec {params.spec:q} --splits {params.splits:q}"
        " --model {params.model:q} --prompt {params.prompt:q} --out {params.out:q} --log {log:q}"


rule measure_labels:
    input:
        inputs("effects"),
    output:
        files("effects", "effects"),
    log:
        "logs/measure_labels/{effects}.log",
    conda:
        "../envs/workflow.yaml"
    params:
        bank=parent("effects", "bank"),
        out=out("effects"),
    message:
        "Measure what labels do to the sound: {wildcards.effects}"
    shell:
        "python scripts/measure_labels.py --bank {params.bank:q} --out {params.out:q} --log {log:q}"
