"""Spec of the texts stage: where the source documents come from."""

from typing import Literal

from pydantic import Field

from vibegrid.specs.base import Spec


class TextsSpec(Spec):
    """What ``collect_texts`` reads."""

    source: Literal["embedded", "jsonl"] = Field(default="embedded", description="the repository's prose, or your file")
    path: str = Field(
        default="config/texts/embedded.jsonl", description="JSONL of texts: `dataset`, `id_in_dataset`, `text`"
    )
    limit: int | None = Field(default=None, ge=1, description="number of texts, drawn with `seed`; null takes all")
    max_words: int = Field(default=20_000, ge=10, description="texts are cut after so many words, and counted")
    seed: int = Field(default=0, ge=0, description="seed of the draw")
