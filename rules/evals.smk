# INPUTS   prompts of config/eval_sets and TEST; models, adapters, the retrieval bank
# OUTPUTS  results/eval_sets/{eval_set}/prompts.jsonl           checked, tagged seen or unseen
#          results/generations/{generation}/generations.jsonl   raw outputs of a system on all its sets
#          results/scores/{score}/scores.csv                    one row a prompt and metric
#
# One job a system covers all its eval sets and scorers; the parts that an earlier folder has by identity are kept.


rule build_eval_set:
    input:
        inputs("eval_sets"),
    output:
        files("eval_sets", "eval_set"),
    log:
        "logs/build_eval_set/{eval_set}.log",
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("eval_sets"),
        prompts=source("eval_sets", "prompts"),
        lexicon=source("eval_sets", "lexicon"),
        splits=parent("eval_sets", "splits"),
        out=out("eval_sets"),
    message:
        "Build eval set: {wildcards.eval_set}"
    shell:
        "python scripts/build_eval_set.py --spec {params.spec:q} --prompts {params.prompts:q}"
        " --lexicon {params.lexicon:q} --splits {params.splits:q} --out {params.out:q} --log {log:q}"


rule generate:
    input:
        inputs("generations"),
    output:
        files("generations", "generation"),
    log:
        "logs/generate/{generation}.log",
    benchmark:
        "benchmarks/generate/{generation}.tsv"
    priority: 20
    conda:
        "../envs/workflow.yaml"
    resources:
        gpu=gpu("generations"),
    params:
        python=python("generations"),
        spec=spec("generations"),
        prompts=prompts("generations"),
        model=parent("generations", "model"),
        adapter=parent("generations", "adapter"),
        dataset=parent("generations", "dataset"),
        scorer=scorer("generations"),
        system_prompt=source("generations", "system_prompt"),
        out=out("generations"),
    message:
        "Generate outputs: {wildcards.generation}"
    shell:
        "{params.python} scripts/generate.py --spec {params.spec:q} --prompts {params.prompts:q} --model {params.model:q}"
        " --adapter {params.adapter:q} --dataset {params.dataset:q} --scorer {params.scorer:q} --system-prompt {params.system_prompt:q}"
        " --out {params.out:q} --log {log:q}"


rule score:
    input:
        inputs("scores"),
    output:
        files("scores", "score"),
    log:
        "logs/score/{score}.log",
    benchmark:
        "benchmarks/score/{score}.tsv"
    priority: 30
    conda:
        "../envs/workflow.yaml"
    resources:
        gpu=gpu("scores"),
    params:
        python=python("scores"),
        spec=spec("scores"),
        prompts=prompts("scores"),
        generation=parent("scores", "generation"),
        scorers=scorers("scores"),
        effects=effects_file,
        out=out("scores"),
    message:
        "Score outputs: {wildcards.score}"
    shell:
        "{params.python} scripts/score.py --spec {params.spec:q} --prompts {params.prompts:q}"
        " --generation {params.generation:q} --scorers {params.scorers:q} --effects {params.effects:q}"
        " --out {params.out:q} --log {log:q}"
