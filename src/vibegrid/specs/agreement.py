"""Spec of an agreement analysis: which scores are compared, over which systems' renders, on which eval set."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from vibegrid.specs.analyses import NAME, read_spec
from vibegrid.specs.base import Spec

PAIR_METRICS = ("spearman", "pearson", "kendall", "within_prompt_spearman", "between_system_spearman")
SCORE_METRICS = ("mean", "sd", "share_of_errors")
ALPHA = "krippendorff_alpha"


class AgreementPrimarySpec(Spec):
    """The confirmatory reading; everything else is exploratory."""

    metric: Literal[
        "spearman", "pearson", "kendall", "within_prompt_spearman", "between_system_spearman", "krippendorff_alpha"
    ] = Field(default="spearman", description="a correlation of a pair, or the agreement of a group of raters")
    arm: str = Field(..., min_length=1, description='the pair ("clap_score ~ judge_final") or the group of raters')


class AgreementSpec(Spec):
    """Everything that an agreement analysis depends on, besides the scores themselves."""

    scale: str = Field(..., pattern=NAME, description="mini, small or full")
    experiment: str = Field(..., pattern=NAME, description="name of the experiment, and of its files")
    title: str = Field(default="", description="title, shown in tables and figures")
    question: str = Field(default="", description="the question, shown in captions")
    notes: str = Field(default="", description="what a reader must know, shown in captions")
    eval_set: str = Field(default="short_prompts", min_length=1, description="the set whose renders are compared")
    pairs: tuple[tuple[str, str], ...] = Field(default=(), description="pairs of metrics of scores.csv")
    scores: tuple[str, ...] = Field(default=(), description="metrics of which all pairs are taken, after `pairs`")
    raters: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="group (such as `all judges`) to metrics that should give one value"
    )
    runs: dict[str, tuple[str, ...]] = Field(
        ..., min_length=1, description="system to the ids of its scored runs (seeds or draws)"
    )
    primary: AgreementPrimarySpec = Field(..., description="the confirmatory reading")
    decoding: str = Field(default="free", description="free, or constrained to the schema")
    bootstrap: int = Field(default=2000, ge=100, description="resamples of an interval")
    permutations: int = Field(default=10000, ge=100, description="random permutations of a test")
    seed: int = Field(default=0, ge=0, description="seed of both")
    subsets: tuple[str, ...] = Field(default=("familiarity",), description="tags by which the eval set is split")

    @property
    def all_pairs(self) -> list[tuple[str, str]]:
        """`pairs`, then the pairs of `scores` that are not among them."""
        named = {frozenset(pair) for pair in self.pairs}
        return [*self.pairs, *(pair for pair in combinations(self.scores, 2) if frozenset(pair) not in named)]

    @property
    def all_scores(self) -> list[str]:
        """Every metric that is named, once, in order."""
        named = [score for pair in self.all_pairs for score in pair]
        return list(
            dict.fromkeys([*named, *self.scores, *(score for group in self.raters.values() for score in group)])
        )

    @model_validator(mode="after")
    def _names(self) -> Self:
        if not (self.all_pairs or self.raters):
            raise ValueError("nothing to compare: `pairs`, two `scores` or `raters` are needed")
        for first, second in self.pairs:
            if first == second:
                raise ValueError(f"pairs: {first!r} is paired with itself")
        if len({frozenset(pair) for pair in self.pairs}) < len(self.pairs):
            raise ValueError("pairs: a pair occurs twice")
        if len(set(self.scores)) < len(self.scores):
            raise ValueError("scores: a score occurs twice")
        for group, scores in self.raters.items():
            if len(set(scores)) < 2:
                raise ValueError(f"raters: {group!r} needs two scores or more")
        runs = [run for of_system in self.runs.values() for run in of_system]
        if len(set(runs)) < len(runs):
            raise ValueError("runs: a run occurs twice")
        arms = list(self.raters) if self.primary.metric == ALPHA else [pair_name(*pair) for pair in self.all_pairs]
        if self.primary.arm not in arms:
            raise ValueError(f"primary.arm: no {self.primary.arm!r} with {self.primary.metric}: {', '.join(arms)}")
        return self


def pair_name(first: str, second: str) -> str:
    """The arm of a pair."""
    return f"{first} ~ {second}"


def agreement_spec(value: "AgreementSpec | Mapping[str, Any]") -> AgreementSpec:
    """The spec itself, or the spec that a JSON object describes.

    Raises:
        InputError: the first key that is wrong, and what was expected.
    """
    return read_spec(AgreementSpec, value)
