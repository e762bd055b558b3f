"""Measure what best of N buys: training vibes and scorers in, selection.csv out; a figure reads it."""

from argparse import Namespace
from pathlib import Path

from vibegrid import script
from vibegrid.preload import LANGUAGE_MODEL


def main(options: Namespace) -> None:
    """Ask for N candidates of a sample of vibes, score them raw by each scorer, draw the curve over n."""
    from vibegrid.labels.candidates import open_heard
    from vibegrid.labels.selection import report
    from vibegrid.llm.prompts import read_prompt

    models = dict(script.named_path(pair) for pair in options.models)
    prompts = dict(script.named_path(pair) for pair in options.scorer_prompts)
    heard = []
    for one in options.spec["scorers"]:
        prompt = read_prompt(prompts[one["name"]]).text if one["name"] in prompts else ""
        heard.append(open_heard(one, models.get(one["name"]), prompt, options.store))
    report(
        options.spec,
        train=options.splits / "SFT-Train.jsonl",
        heard=heard,
        prompt=read_prompt(options.prompt),
        store=options.store,
        out=options.out,
    )


if __name__ == "__main__":
    arguments = script.parser(__doc__)
    arguments.add_argument("--splits", type=Path, required=True, help="folder of the splits")
    arguments.add_argument("--prompt", type=Path, required=True, help="system prompt of the teacher")
    arguments.add_argument("--models", nargs="*", default=[], help="name=folder of each scorer that has a model")
    arguments.add_argument("--scorer-prompts", nargs="*", default=[], help="name=file of each scorer that has a prompt")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the results")
    arguments.add_argument("--store", type=Path, default=Path(".cache/llm"), help="store of LLM responses")
    script.run(arguments, main, preload=LANGUAGE_MODEL)
