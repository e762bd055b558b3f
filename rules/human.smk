# INPUTS   outputs and scores of the systems that people compare, and their ratings where there are any
# OUTPUTS  results/packs/{pack}/page/           what raters get: a static page, its trials and sounds
#          results/packs/{pack}/key.json        what the names on it mean
#          results/analyses/{ratings}/          what ratings say, or how many are needed
#          results/figures/{human}.{pdf,png}    win rates, and how many ratings settle which difference


rule build_pack:
    input:
        inputs("packs"),
    output:
        files("packs", "pack"),
        audio=directory(f"{RESULTS}/packs/{{pack}}/page/audio"),
    log:
        "logs/build_pack/{pack}.log",
    benchmark:
        "benchmarks/build_pack/{pack}.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("packs"),
        generations=heard_folders,
        prompts=parent("packs", "prompts"),
        out=out("packs"),
    message:
        "Build a pack for raters: {wildcards.pack}"
    shell:
        "python scripts/build_pack.py --spec {params.spec:q} --generations {params.generations:q}"
        " --prompts {params.prompts:q}/prompts.jsonl --out {params.out:q} --log {log:q}"


rule analyze_ratings:
    input:
        inputs("analyses"),
    output:
        files("analyses", "ratings", "analyze_ratings"),
    log:
        "logs/analyze_ratings/{ratings}.log",
    benchmark:
        "benchmarks/analyze_ratings/{ratings}.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        spec=spec("analyses"),
        pack=parent("analyses", "pack"),
        scores=rated_scores,
        ratings=source("analyses", "ratings"),
        out=out("analyses"),
    message:
        "Analyze ratings: {wildcards.ratings}"
    shell:
        "python scripts/analyze_ratings.py --spec {params.spec:q} --pack {params.pack:q} --scores {params.scores:q}"
        " --ratings {params.ratings:q} --out {params.out:q} --log {log:q}"


rule plot_ratings:
    input:
        comparison=analysis_file("comparison.csv"),
        spec=analysis_file("spec.json"),
        stamp=stamp("figures", "{human}"),
    output:
        figures=drawn("{human}"),
        made=f"{RESULTS}/stamps/figures/{{human}}.made.json",
    log:
        f"logs/plot_ratings/{study.run.scale}/{{human}}.log",
    wildcard_constraints:
        human=made_by("plot", "plot_ratings"),
    conda:
        "../envs/workflow.yaml"
    message:
        "Plot ratings: {wildcards.human}"
    shell:
        "python scripts/plot_ratings.py --comparison {input.comparison:q} --spec @{input.spec:q}"
        " --stamp {input.stamp:q} --made {output.made:q} --out {output.figures[0]:q} --log {log:q}"
