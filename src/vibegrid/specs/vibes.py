"""Spec of the vibes stage: pagination and extraction."""

from pydantic import Field

from vibegrid.specs.base import Spec


class VibesSpec(Spec):
    """What ``extract_vibes`` asks for each page."""

    extractor: str = Field(default="embedded/extractor-1", description="LiteLLM model that extracts vibes")
    prompt: str = Field(default="extract_vibes", description="system prompt, a file of config/prompts")
    page_words: int = Field(
        default=100, ge=10, description="words a page; a last page of under a third joins the one before"
    )
    temperature: float = Field(default=0.0, ge=0, le=2, description="sampling temperature of the extractor")
    seed: int = Field(default=0, ge=0, description="seed passed to the extractor")
