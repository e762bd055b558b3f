"""What the spec of every analysis that measures units has in common; kinds of analyses add fields of their own."""

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field

from vibegrid.specs.analyses import NAME, read_spec
from vibegrid.specs.base import Spec


class MeasuresSpec(Spec):
    """What table and caption need of such an analysis; its further fields are passed over here."""

    model_config = ConfigDict(extra="ignore")

    scale: str = Field(..., pattern=NAME, description="mini, small or full")
    experiment: str = Field(..., pattern=NAME, description="name of the experiment, and of its files")
    title: str = Field(default="", description="title, shown in tables and figures")
    question: str = Field(default="", description="the question, shown in captions")
    notes: str = Field(default="", description="what a reader must know, shown in captions")
    unit: str = Field(default="unit", min_length=1, description="what an `arm` of its rows is: field, story, system")
    columns: dict[str, str] = Field(
        ...,
        min_length=1,
        description="metrics of the table for reading, with headings; `metric.delta`: the difference to the reference",
    )


def measures_spec(value: "MeasuresSpec | Mapping[str, Any]") -> MeasuresSpec:
    """The spec itself, or the part of an analysis's spec.json that is in it.

    Raises:
        InputError: the first key that is wrong, and what was expected.
    """
    return read_spec(MeasuresSpec, value)
