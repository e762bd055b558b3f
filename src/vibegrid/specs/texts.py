"""Specs of the texts stage: where the source documents come from, or the labelled vibes that stand in their place."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from vibegrid.specs.base import Spec

EMBEDDED = "config/texts/embedded.jsonl"


class TextsBase(Spec):
    """What every source of texts has."""

    max_words: int = Field(default=20_000, ge=10, description="texts are cut after so many words, and counted")
    seed: int = Field(default=0, ge=0, description="seed of the draw")


class FileTexts(TextsBase):
    """A JSONL file of texts: the repository's prose (`embedded`), or yours (`jsonl`)."""

    source: Literal["embedded", "jsonl"] = Field(default="embedded", description="the repository's prose, or your file")
    path: str = Field(default=EMBEDDED, description="JSONL of texts: `dataset`, `id_in_dataset`, `text`")
    limit: int | None = Field(default=None, ge=1, description="number of texts, drawn with `seed`; null takes all")


class StreamSpec(Spec):
    """One dataset that is streamed: of the Hugging Face hub at a revision, or a folder of the same layout."""

    path: str = Field(..., min_length=1, description="owner/name of the hub, or a folder")
    revision: str | None = Field(default=None, min_length=1, description="commit; null for a folder")
    name: str | None = Field(default=None, min_length=1, description="`dataset` of its texts; null takes `path`")
    files: str = Field(default="**/*.json*.gz", min_length=1, description="its files: JSON lines, gzipped or not")


class CommonPileTexts(TextsBase):
    """Texts of the Common Pile (Kandpal et al. 2025), streamed by `datasets`, so many of each of its parts."""

    source: Literal["common_pile"] = "common_pile"
    streams: tuple[StreamSpec, ...] = Field(
        default=(
            StreamSpec(path="common-pile/news_filtered", revision="59aaa8f104e189e6fb8033f0ed319c5c343a03b1"),
            StreamSpec(path="common-pile/pressbooks_filtered", revision="1a1d3b50d77f834370f8eb4c0d174668dd1676bb"),
            StreamSpec(
                path="common-pile/project_gutenberg_filtered", revision="3cdf6879c807f4e4e063f2ceb23bc268d8c29ab7"
            ),
        ),
        min_length=1,
        description="datasets to stream, each with `path`, `revision` and `name`",
    )
    per_stream: int = Field(default=100, ge=1, description="texts of each")
    buffer: int = Field(
        default=1_000, ge=1, description="rows held while shuffling; the draw is among the first so many and their like"
    )

    @field_validator("streams")
    @classmethod
    def _names(cls, value: tuple[StreamSpec, ...]) -> tuple[StreamSpec, ...]:
        names = [stream.name or stream.path for stream in value]
        if len(set(names)) < len(names):
            raise ValueError("two streams have one name")
        return value


class LabelledTexts(Spec):
    """A folder of labelled vibes of yours: nothing is extracted, nothing is labelled."""

    source: Literal["labelled"] = "labelled"
    path: str = Field(..., min_length=1, description="folder of SFT-Train, SFT-Val, GRPO and TEST (`.jsonl`)")


TextsSpec = Annotated[FileTexts | CommonPileTexts | LabelledTexts, Field(discriminator="source")]
