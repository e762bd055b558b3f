"""`vibegrid`: what `make plan`, `bench`, `bench-data`, `prune`, `vouch`, `rate` and `docs` call."""

from pathlib import Path
from typing import Annotated

import typer

from vibegrid.errors import InputError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
ROOT = Path()


@app.command()
def plan(
    scale: Annotated[str, typer.Option(help="a file of config/scales")] = "mini",
    experiments: Annotated[str, typer.Option(help="`all`, or names with commas")] = "all",
    cores: Annotated[int | None, typer.Option(min=1, help="local jobs at once; all cores by default")] = None,
    gpus: Annotated[int, typer.Option(min=1, help="remote jobs at once")] = 10,
    why: Annotated[bool, typer.Option("--why", help="the reason of every job")] = False,
    json: Annotated[bool, typer.Option("--json", help="one JSON object in place of tables")] = False,
) -> None:
    """What would run and why, how long it would take, and what it would cost."""
    from vibegrid.commands.plan import show_plan

    show_plan(ROOT, scale, experiments, cores=cores, gpus=gpus, why=why, as_json=json)


@app.command()
def bench() -> None:
    """Where the time of the runs so far went: wall time, imports, jobs a minute, peak memory of each rule."""
    from vibegrid.commands.bench import show_bench

    show_bench(ROOT)


@app.command("bench-data")
def bench_data() -> None:
    """How splits, noise and dedupe grow: 1,000 to 30,000 synthetic vibes, time and peak memory (a minute)."""
    from vibegrid.commands.bench_data import show_bench_data

    show_bench_data()


@app.command()
def prune(
    apply: Annotated[bool, typer.Option("--apply", help="move them to .cache/trash")] = False,
    modal: Annotated[bool, typer.Option("--modal", help="also old apps, checkpoints and weights on Modal")] = False,
) -> None:
    """Results that no experiment of any scale refers to."""
    from vibegrid.commands.prune import prune_results

    prune_results(ROOT, apply=apply, modal=modal)


@app.command()
def vouch(
    step: Annotated[str, typer.Argument(help="a step, the name of its script: train_sft")],
    reason: Annotated[str, typer.Option(help="why the edit changes no result")],
    since: Annotated[str, typer.Option(help="git revision whose results stay valid")] = "HEAD",
) -> None:
    """Record that the edits of a step's code since a revision change none of its results."""
    from vibegrid.commands.vouch import vouch_step

    vouch_step(ROOT, step, reason=reason, since=since)


@app.command()
def rate(
    experiment: Annotated[str, typer.Option(help="an experiment of `kind: human`")] = "human_eval",
    scale: Annotated[str, typer.Option(help="a file of config/scales")] = "mini",
    pack: Annotated[Path | None, typer.Option(help="folder of a pack, in place of the experiment's")] = None,
    ratings: Annotated[Path | None, typer.Option(help="folder that collects the ratings")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8420,
) -> None:
    """Serve a pack on this machine (127.0.0.1) and collect its ratings, until Ctrl-C."""
    from vibegrid.commands.rate import serve_pack

    serve_pack(ROOT, experiment, scale, pack=pack, ratings=ratings, port=port)


@app.command()
def docs(
    check: Annotated[bool, typer.Option("--check", help="only say what is out of date")] = False,
) -> None:
    """Generate config/schemas, docs/configuration.md, docs/experiments.md and the rule graph of the README."""
    from vibegrid.commands.docs import write_docs

    write_docs(ROOT, check=check)


@app.command()
def archive(
    out: Annotated[Path, typer.Option(help="the archive, .tar.gz or .tar")] = Path("results/archive.tar.gz"),
    scale: Annotated[str, typer.Option(help="a file of config/scales; that of config/config.yaml where left out")] = "",
) -> None:
    """Scores, tables, specs and provenance in one file, without weights and audio."""
    from vibegrid.commands.archive import write_archive

    write_archive(ROOT, scale or None, out)


@app.command()
def findings(results: Annotated[str, typer.Option(help="folder of the results")] = "results") -> None:
    """Keep the confirmatory readings of the results in docs/findings.json, for docs/experiments.md."""
    from vibegrid.commands.findings import keep_findings

    typer.echo(f"docs/findings.json: {keep_findings(ROOT, results)} confirmatory readings")


@app.command()
def figures(
    source: Annotated[Path, typer.Option("--from", help="what `vibegrid archive` wrote, or its unpacked folder")],
    to: Annotated[Path, typer.Option(help="folder that gets `results/`")] = ROOT,
) -> None:
    """The tables and figures of an archive, made again: no training, no audio."""
    from vibegrid.commands.archive import remake

    remake(ROOT, source, to)


@app.command()
def export(
    adapter: Annotated[str, typer.Argument(help="experiment:arm, or a folder of results/adapters")],
    out: Annotated[Path | None, typer.Option(help="the folder; exports/<slug> where left out")] = None,
    scale: Annotated[str, typer.Option(help="a file of config/scales; that of config/config.yaml where left out")] = "",
    push: Annotated[str, typer.Option(help="owner/name: upload it to this repository of the hub, private")] = "",
) -> None:
    """An adapter merged into its base model, and by itself, with its card: loads with transformers and peft alone."""
    from vibegrid.commands.export import export_adapter

    export_adapter(ROOT, adapter, scale, out, push)


@app.command("export-map")
def export_map(
    out: Annotated[Path, typer.Option(help="the folder")] = Path("exports/retrieval_map"),
    scale: Annotated[str, typer.Option(help="a file of config/scales; that of config/config.yaml where left out")] = "",
    push: Annotated[str, typer.Option(help="owner/name: upload it to this dataset of the hub, private")] = "",
) -> None:
    """The training rows as a retrieval map: vibe, embedding, payload, with a card."""
    from vibegrid.commands.export import export_map as export_rows

    export_rows(ROOT, scale, out, push)


def main() -> None:
    """Run the command; bad input is one line and exit code 2."""
    try:
        app()
    except InputError as error:
        typer.echo(f"vibegrid: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
