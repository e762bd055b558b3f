"""LLM calls of a run: its settings for every job, and what they cost in the end."""

from __future__ import annotations

import os
import time
from pathlib import Path

from vibegrid.grid.load import RunConfig, load_llms
from vibegrid.llm.ledger import Ledger, ledger_path
from vibegrid.llm.settings import VARIABLE, RunSettings, of_this_run

STORE = ".cache/llm"  # as the scripts have it


def offer_settings(root: Path, run: RunConfig) -> None:
    """Put budget and limits into the environment that jobs inherit; no part of any identity.

    A Snakemake that runs a job of another one (on a cluster) keeps the name of that one's run, and so its budget.

    Raises:
        InputError: config/llms.yaml is wrong.
    """
    outer = of_this_run().run
    name = outer or f"{time.strftime('%Y-%m-%dT%H:%M:%S')}-{os.getpid()}"
    settings = RunSettings(run=name, max_usd=run.budget.max_usd, llms=load_llms(root))
    os.environ[VARIABLE] = settings.model_dump_json(exclude_unset=True)


def cost_line(root: Path) -> str:
    """What the LLM calls of this run cost, in one line; empty where no hosted model was asked."""
    path = ledger_path(root / STORE)
    if not path.exists():
        return ""
    with Ledger(path, of_this_run().run) as ledger:
        spent = ledger.spent()
    if not spent.calls:
        return ""
    unknown = f", {spent.unknown} of them of unknown price" if spent.unknown else ""
    return f"LLM calls of this run: {spent.calls}{unknown}; {spent.usd:.4f} USD"
