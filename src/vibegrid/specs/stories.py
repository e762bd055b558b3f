"""Spec of the analysis of stories: which systems scored the pages of which texts, and how pages are compared."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from vibegrid.specs.analyses import NAME, read_spec
from vibegrid.specs.base import Spec

KINDS = ("clap", "acoustic", "config")  # what two pages are compared by
CONTRASTS = ("neighbour_vs_shuffled", "neighbour_vs_others")  # with a permutation test each
CONTRAST_METRICS = tuple(f"{contrast}_{kind}" for contrast in CONTRASTS for kind in KINDS)
STORY_PAGES = "story_pages"  # the eval set
NEIGHBOUR, OTHERS, HEARD = "neighbour_similarity", "others_similarity", "pages_heard"


def jump_metric(jump: int) -> str:
    """Similarity of pages so many pages apart; `neighbour_similarity` is that of 1."""
    return f"jump_{jump}_similarity"


class StorySetSpec(Spec):
    """The eval set of stories: scenes of consecutive pages of texts that no training reads."""

    level: Literal["xl", "lg", "m", "sm", "xs"] = Field(default="m", description="vibe level of every page")
    stories: int | None = Field(default=None, ge=2, description="most texts, of TEST first, then SFT-Val; null for all")
    pages: int = Field(default=8, ge=2, description="most pages of a text, from its first")
    seed: int = Field(default=0, ge=0, description="seed of the order of the texts")


class StoriesSettings(Spec):
    """What an experiment of `kind: stories` is told."""

    teacher: bool = Field(default=True, description="the teacher's own payloads for the pages are a system too")
    arm: str = Field(..., min_length=1, description="system of the confirmatory reading: an arm, or `teacher`")
    clap: str = Field(default="clap_eval", description="scorer whose embeddings of the audio are compared")
    jumps: int = Field(default=5, ge=1, description="greatest distance of two pages that has a row")
    pieces: int = Field(default=4, ge=1, description="stories on the listening page")
    overlap: float = Field(default=1.0, ge=0, le=30, description="seconds of a crossfade there")


class StoriesPrimarySpec(Spec):
    """The confirmatory reading; everything else is exploratory."""

    metric: str = Field(default="neighbour_vs_others_clap", description="a contrast and what pages are compared by")
    arm: str = Field(..., min_length=1, description="the system")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.metric not in CONTRAST_METRICS:
            raise ValueError(f"metric: {self.metric!r} is not one of {', '.join(CONTRAST_METRICS)}")
        return self


class StoriesSpec(Spec):
    """Everything that an analysis of stories depends on, besides the outputs themselves."""

    scale: str = Field(..., pattern=NAME, description="mini, small or full")
    experiment: str = Field(..., pattern=NAME, description="name of the experiment, and of its files")
    title: str = Field(default="", description="title, shown in tables and figures")
    question: str = Field(default="", description="the question, shown in captions")
    notes: str = Field(default="", description="what a reader must know, shown in captions")
    eval_set: str = Field(default=STORY_PAGES, min_length=1, description="the set whose prompts are pages")
    runs: dict[str, tuple[str, ...]] = Field(
        ..., min_length=1, description="system to the ids of its generations (seeds); none for `teacher`"
    )
    order: tuple[str, ...] = Field(default=(), description="systems in the order of tables and figures")
    teacher: str | None = Field(default="teacher", description="system that is the eval set's own payloads; or null")
    clap: str = Field(default="clap_eval", description="the scorer whose embeddings of the audio are compared")
    seconds: float = Field(default=4.0, gt=0, le=120, description="length of a render")
    jumps: int = Field(default=5, ge=1, description="greatest distance of two pages that has a row")
    primary: StoriesPrimarySpec = Field(..., description="the confirmatory reading")
    decoding: Literal["free", "constrained"] = Field(default="free", description="free, or constrained to the schema")
    bootstrap: int = Field(default=2000, ge=100, description="resamples of an interval")
    permutations: int = Field(default=10000, ge=100, description="random orders of a test")
    seed: int = Field(default=0, ge=0, description="seed of both")

    @property
    def systems(self) -> list[str]:
        """Systems in the order of tables and figures: the teacher first."""
        return [*([self.teacher] if self.teacher else []), *(self.order or self.runs)]

    @model_validator(mode="after")
    def _names(self) -> Self:
        if self.teacher in self.runs:
            raise ValueError(f"runs: {self.teacher!r} is the name of the teacher")
        if self.order and sorted(self.order) != sorted(self.runs):
            raise ValueError(f"order: {', '.join(self.order)} are not the systems of `runs`: {', '.join(self.runs)}")
        if self.primary.arm not in self.systems:
            raise ValueError(f"primary.arm: no system {self.primary.arm!r}: {', '.join(self.systems)}")
        return self


def stories_spec(value: "StoriesSpec | Mapping[str, Any]") -> StoriesSpec:
    """The spec itself, or the spec that a JSON object describes.

    Raises:
        InputError: the first key that is wrong, and what was expected.
    """
    return read_spec(StoriesSpec, value)
