"""Captions of an agreement analysis, as plain text: who shows them escapes them."""

from __future__ import annotations

from vibegrid.analyses.captions import CAVEATS
from vibegrid.analyses.readings import Reading, Rows
from vibegrid.specs.agreement import ALPHA, AgreementSpec

MOST_PAIRS = 15  # rows of the figure's left panel
STATISTICS = {
    "spearman": "all renders",
    "within_prompt_spearman": "within prompts",
    "between_system_spearman": "between systems",
    ALPHA: "Krippendorff's alpha of the raters",
}
NAMES = {**STATISTICS, "pearson": "all renders (Pearson)", "kendall": "all renders (Kendall's tau-b)"}


def caption(spec: AgreementSpec, rows: Rows) -> str:
    """All that a reader needs: question, scale, primary reading, sizes, interval, test."""
    sentences = [" ".join(text.split()) for text in (spec.question, spec.notes)]
    parts = [text if not text or text[-1] in ".?!" else text + "." for text in sentences]
    parts.append(CAVEATS.get(spec.scale, f"Scale {spec.scale}."))
    parts.append(f"Confirmatory: {NAMES[spec.primary.metric]}, {spec.primary.arm}; the rest is exploratory.")
    row = rows.get(spec.primary.arm, Reading(spec.primary.metric, spec.eval_set))
    runs = sum(len(of_system) for of_system in spec.runs.values())
    parts.append(
        f"Rank correlations (Spearman) over one system's answers to one prompt of {set_name(spec)}, means over the"
        f" system's runs: {len(spec.runs)} systems, {runs} runs"
        + (f", n = {row['n']} in {row['n_clusters']} clusters of prompts." if row else ".")
    )
    parts.append(
        f"95 % intervals by a bootstrap over systems and clusters of prompts ({spec.bootstrap} resamples)."
        " p: two-sided, from permutations of one score's systems and clusters"
        f" ({spec.permutations}), Holm-adjusted over the {len(spec.all_pairs)} pairs."
    )
    return " ".join(part for part in parts if part)


def short_line(spec: AgreementSpec, rows: Rows) -> str:
    """What stands under the figure."""
    parts = [CAVEATS.get(spec.scale, f"Scale {spec.scale}.")]
    row = rows.get(spec.primary.arm, Reading(spec.primary.metric, spec.eval_set))
    size = f"; {len(spec.runs)} systems, n = {row['n']} in {row['n_clusters']} clusters" if row else ""
    parts.append(f"95 % intervals over systems and prompts{size}. Bold: confirmatory.")
    if spec.all_pairs:
        parts.append("Points: a system's answer to a prompt; large: its mean.")
    if len(spec.all_pairs) > MOST_PAIRS:
        parts.append(f"The first {MOST_PAIRS} of {len(spec.all_pairs)} pairs.")
    return " ".join(parts)


def set_name(spec: AgreementSpec) -> str:
    return Reading("", spec.eval_set).set_label
