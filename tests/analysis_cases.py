"""Small experiments with random scores, for the tests of tables and figures."""

import json

import numpy as np

NASTY = "<script>alert(1)</script> & a|b_c 100% $x$ {y} \\z"


def scores(level, seed, control=()):
    rng, rows = np.random.default_rng(seed), []

    def add(eval_set, number, cluster, metric, value, tags):
        rows.append(
            {
                "eval_set": eval_set,
                "id": f"{eval_set}-{number}",
                "subset_keys": json.dumps(tags),
                "cluster": f"c{cluster}",
                "metric": metric,
                "value": f"{value:.4f}",
            }
        )

    for i in range(12):
        for metric in ("valid_field_fraction", "reward", "title_similarity"):
            add("short_prompts", i, i, metric, np.clip(rng.normal(level, 0.1), 0, 1), {})
        add(
            "test",
            i,
            i // 3,
            "teacher_agreement",
            np.clip(rng.normal(level, 0.1), 0, 1),
            {"vibe_level": "xs"},
        )
        for name in control:
            tags = {"familiarity": "unseen" if i % 3 == 0 else "seen"}
            add(f"controllability/{name}", i, i // 2, "field_match", float(rng.random() < level), tags)
    return rows


def experiment(arms, reference, scale="category", failed=(), control=(), title="A title", name="demo"):
    """(spec, scores, statuses) of arms {name: value}; the reference has three runs."""
    spec = {
        "scale": "mini",
        "experiment": name,
        "title": title,
        "question": "Does it matter?",
        "reference": reference,
        "primary": {"metric": "valid_field_fraction", "eval_set": "short_prompts"},
        "arms": [],
        "axis": {"key": "lora.r", "scale": scale, "label": "rank", "unit": ""},
        "bootstrap": 200,
        "permutations": 200,
    }
    found, statuses = {}, {}
    for number, (arm, value) in enumerate(arms.items()):
        runs = [f"run-{number}-{seed}" for seed in range(3 if arm == reference else 1)]
        spec["arms"].append({"arm": arm, "system": "sft", "value": value, "status": "ok", "runs": runs})
        for seed, run in enumerate(runs):
            status = "failed" if arm in failed else "ok"
            statuses[run] = {"status": status, "reason": "", "n_dropped": number, "steps": 40, "tokens": 99}
            if status == "ok":
                found[run] = scores(0.3 + 0.1 * min(number, 5) + 0.02 * seed, 10 * number + seed, control)
    return spec, found, statuses
