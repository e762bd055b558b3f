# INPUTS   outputs and scores of the systems of one experiment, and a stamp
# OUTPUTS  results/listen/    a static page: every system's render of a prompt, side by side
#          results/stories/   the same of stories: the pages of a text as one continuous piece


rule build_listen:
    input:
        [path for pair in targets.heard().values() for made in pair for path in targets.outputs(made)],
        [path for scorer in targets.listen_scorers() for path in targets.outputs(scorer)],
        prompts=listen_prompts,
        stamp=stamp("listen", "listen"),
    output:
        page=[f"{RESULTS}/listen/{name}" for name in ("index.html", "listen.js", "listen.css", "data.js")],
        audio=directory(f"{RESULTS}/listen/audio"),
        made=f"{RESULTS}/stamps/listen/listen.made.json",
    log:
        f"logs/build_listen/{study.run.scale}.log",
    conda:
        "../envs/workflow.yaml"
    params:
        spec=lambda wildcards: json.dumps(targets.listen_spec()),
        systems=[
            f"{name}={here(made.folder)}={here(scored.folder)}" for name, (made, scored) in targets.heard().items()
        ],
        scorers=[here(scorer.folder) for scorer in targets.listen_scorers()],
        out=lambda wildcards, output: os.path.dirname(output.page[0]),
    message:
        "Build the listening page"
    shell:
        "python scripts/build_listen.py --spec {params.spec:q} --systems {params.systems:q} --prompts {input.prompts:q}"
        " --scorers {params.scorers:q} --stamp {input.stamp:q} --made {output.made:q} --out {params.out:q} --log {log:q}"


rule build_stories:
    input:
        [path for made in targets.told().values() for path in targets.outputs(made)],
        prompts=story_pages,
        stamp=stamp("listen", "stories"),
    output:
        page=[f"{RESULTS}/stories/{name}" for name in ("index.html", "listen.js", "listen.css", "data.js")],
        audio=directory(f"{RESULTS}/stories/audio"),
        made=f"{RESULTS}/stamps/listen/stories.made.json",
    log:
        f"logs/build_stories/{study.run.scale}.log",
    conda:
        "../envs/workflow.yaml"
    params:
        spec=json.dumps(targets.story_spec()),
        systems=[f"{name}={here(made.folder)}" for name, made in targets.told().items()],
        out=lambda wildcards, output: os.path.dirname(output.page[0]),
    message:
        "Build the listening page of stories"
    shell:
        "python scripts/build_stories.py --spec {params.spec:q} --systems {params.systems:q} --prompts {input.prompts:q}"
        " --stamp {input.stamp:q} --made {output.made:q} --out {params.out:q} --log {log:q}"
