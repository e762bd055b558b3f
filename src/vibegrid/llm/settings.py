"""How LLMs may be asked in this run: limits, prices, the budget. The workflow puts them into one variable of the
environment, which every job inherits, so that they are no part of any identity."""

from __future__ import annotations

import os

from pydantic import ValidationError

from vibegrid.errors import InputError
from vibegrid.specs.base import Spec
from vibegrid.specs.llms import LimitsSpec, LlmsSpec

VARIABLE = "VIBEGRID_LLMS"  # JSON of RunSettings


class RunSettings(Spec):
    """What the jobs of one run share."""

    run: str = ""  # names the run in the ledger; empty for a script that runs alone
    max_usd: float | None = None
    llms: LlmsSpec = LlmsSpec()

    def limits(self, model: str) -> LimitsSpec:
        """Limits of a model: its own, and the default's where it says nothing."""
        own = self.llms.models.get(model)
        if own is None:
            return self.llms.default
        values = self.llms.default.model_dump(exclude_unset=True) | own.model_dump(exclude_unset=True)
        return LimitsSpec.model_validate(values)


def of_this_run() -> RunSettings:
    """The settings of the environment; the defaults, without a budget, where there are none."""
    text = os.environ.get(VARIABLE)
    if not text:
        return RunSettings()
    try:
        return RunSettings.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{VARIABLE}: {key}", first["msg"], "the workflow sets it: unset it") from None
