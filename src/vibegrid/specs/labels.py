"""Spec of the labels stage: payloads by the teacher, best of N, and the report of what N buys."""

from pydantic import Field

from vibegrid.specs.base import Spec


class LabelsSpec(Spec):
    """What ``write_payloads`` asks for each unique vibe, and what chooses among the answers."""

    teacher: str = Field(default="embedded/composer-1", description="LiteLLM model that writes the training payloads")
    prompt: str = Field(default="write_payload", description="system prompt, a file of config/prompts")
    candidates: int = Field(default=2, ge=1, le=32, description="payloads a vibe; the best valid one is kept")
    temperature: float = Field(default=0.8, ge=0, le=2, description="sampling temperature of the teacher")
    seed: int = Field(default=0, ge=0, description="seed passed to the teacher")
    scorer: str | None = Field(
        default=None,
        description="scorer of config/scorers.yaml that chooses by sound among the valid ones; null: validity alone",
    )
    scorer_vibes: int | None = Field(
        default=None, ge=1, description="vibes at which it chooses, drawn with `seed`; null: all"
    )


class SelectionSpec(Spec):
    """The report of what best of N buys: more candidates than the labels may have, on a sample of training vibes."""

    vibes: int = Field(default=24, ge=2, description="vibes of SFT-Train, a seeded draw")
    candidates: int = Field(default=5, ge=2, le=32, description="payloads a vibe, the N of the curve")
    scorers: tuple[str, ...] = Field(
        default=("clap_train", "clap_eval"), min_length=1, description="each chooses, and each reads what was chosen"
    )
    seed: int = Field(default=0, ge=0, description="seed of the draw")
