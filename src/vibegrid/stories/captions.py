"""Captions of an analysis of stories, as plain text: who shows them escapes them."""

from __future__ import annotations

from vibegrid.analyses.captions import CAVEATS
from vibegrid.analyses.readings import Reading, Rows
from vibegrid.specs.stories import HEARD, NEIGHBOUR, StoriesSpec

CONTRAST_NAMES = {
    "neighbour_vs_others": "neighbours less pages of other texts",
    "neighbour_vs_shuffled": "neighbours less shuffled pages of the same text",
}
KIND_NAMES = {"clap": "CLAP cosine", "acoustic": "acoustic ranks", "config": "share of equal fields"}


def metric_name(metric: str) -> str:
    """A metric for people: "neighbours less pages of other texts, CLAP cosine"."""
    base, _, kind = metric.rpartition("_")
    return f"{CONTRAST_NAMES.get(base, base.replace('_', ' '))}, {KIND_NAMES.get(kind, kind)}"


def caption(spec: StoriesSpec, rows: Rows) -> str:
    """All that a reader needs: question, scale, primary reading, sizes, interval, tests, what is missing."""
    sentences = [" ".join(text.split()) for text in (spec.question, spec.notes)]
    parts = [text if not text or text[-1] in ".?!" else text + "." for text in sentences]
    parts.append(CAVEATS.get(spec.scale, f"Scale {spec.scale}."))
    parts.append(f"Confirmatory: {metric_name(spec.primary.metric)}, {spec.primary.arm}; the rest is exploratory.")
    parts.append(f"A page's prompt is the vibe of its scene; {sizes(spec, rows)}.")
    parts.append(
        "Compared are the CLAP embeddings of the audio (cosine), the ranks of acoustic measures (1 less their mean"
        " difference) and configs (share of equal fields). Other texts: page k and another text's page k + 1. Shuffled:"
        " all pairs of the same text; a text of two pages has one pair and takes no part."
    )
    parts.append(
        f"95 % intervals by a bootstrap over stories and runs ({spec.bootstrap} resamples). p: two-sided, from"
        f" {spec.permutations} permutations of pages, within each text or among texts at each position; Holm-adjusted"
        f" over the {len(spec.systems)} systems."
    )
    if spec.teacher:
        parts.append(f"{spec.teacher}: the payloads that trainings are made of.")
    return " ".join(part for part in parts if part)


def short_line(spec: StoriesSpec, rows: Rows) -> str:
    """What stands under the figure."""
    scale = CAVEATS.get(spec.scale, f"Scale {spec.scale}.")
    return f"{scale} 95 % intervals over stories and runs; {sizes(spec, rows)}. Bold panel: confirmatory."


def sizes(spec: StoriesSpec, rows: Rows) -> str:
    """Of the first system that has numbers: "30 pages of 10 texts, 20 pairs of neighbours"."""
    for system in spec.systems:
        pages = rows.get(system, Reading(HEARD, spec.eval_set))
        pairs = rows.get(system, Reading(f"{NEIGHBOUR}_config", spec.eval_set))
        if pages is not None and pairs is not None:
            return f"{pages['n']} pages of {pages['n_clusters']} texts, {pairs['n']} pairs of neighbours"
    return "no page was heard"
