"""The base of all typed specs: unknown keys and impossible values are errors, values never change."""

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """Frozen, strict about keys; ``model_dump(mode="json", by_alias=True)`` is its canonical form."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False, validate_default=True
    )
