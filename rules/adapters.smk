# INPUTS   a base model, a dataset variant; for GRPO the SFT adapter it starts from and a scorer
# OUTPUTS  results/adapters/{sft,grpo}/{id}/   adapter, spec, training curve, versions, status


rule train_sft:
    input:
        inputs("adapters/sft"),
    output:
        files("adapters/sft", "sft"),
    log:
        "logs/train_sft/{sft}.log",
    benchmark:
        "benchmarks/train_sft/{sft}.tsv"
    priority: 50
    conda:
        "../envs/workflow.yaml"
    resources:
        gpu=gpu("adapters/sft"),
    params:
        python=python("adapters/sft"),
        spec=spec("adapters/sft"),
        model=parent("adapters/sft", "model"),
        dataset=parent("adapters/sft", "dataset"),
        system_prompt=source("adapters/sft", "system_prompt"),
        work=work("adapters/sft"),
        out=out("adapters/sft"),
    message:
        "Train SFT adapter: {wildcards.sft}"
    shell:
        "{params.python} scripts/train_sft.py --spec {params.spec:q} --model {params.model:q}"
        " --dataset {params.dataset:q} --system-prompt {params.system_prompt:q}"
        " --work {params.work:q} --out {params.out:q} --log {log:q}"


rule train_grpo:
    input:
        inputs("adapters/grpo"),
    output:
        files("adapters/grpo", "grpo"),
    log:
        "logs/train_grpo/{grpo}.log",
    benchmark:
        "benchmarks/train_grpo/{grpo}.tsv"
    priority: 40
    conda:
        "../envs/workflow.yaml"
    resources:
        gpu=gpu("adapters/grpo"),
    params:
        python=python("adapters/grpo"),
        spec=spec("adapters/grpo"),
        model=parent("adapters/grpo", "model"),
        dataset=parent("adapters/grpo", "dataset"),
        sft=parent("adapters/grpo", "sft"),
        scorer=scorer("adapters/grpo"),
        system_prompt=source("adapters/grpo", "system_prompt"),
        work=work("adapters/grpo"),
        out=out("adapters/grpo"),
    message:
        "Train GRPO adapter: {wildcards.grpo}"
    shell:
        "{params.python} scripts/train_grpo.py --spec {params.spec:q} --model {params.model:q}"
        " --dataset {params.dataset:q} --sft-adapter {params.sft:q} --system-prompt {params.system_prompt:q}"
        " --scorer {params.scorer:q}"
        " --work {params.work:q} --out {params.out:q} --log {log:q}"
