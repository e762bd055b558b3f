"""Rates and prices: config/rates.yaml and config/prices.yaml, checked. No identity knows of them."""

from __future__ import annotations

import datetime
import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from vibegrid.errors import InputError
from vibegrid.grid.load import parse, read_yaml
from vibegrid.specs.base import Spec
from vibegrid.specs.llms import LimitsSpec, LlmsSpec

RATES, PRICES = "config/rates.yaml", "config/prices.yaml"
FREE = ("embedded/", "local/")  # providers that are programs of this repository or models on this machine


class StepRate(Spec):
    """Seconds of a step: `start`, and `unit` for each unit of its work."""

    start: float = Field(default=0.0, ge=0, description="seconds whatever the work is")
    unit: float = Field(default=0.0, ge=0, description="seconds a unit")


class DeviceRate(Spec):
    """Tokens a second of a language model on a device."""

    train: float = Field(..., gt=0, description="tokens of a training step")
    write: float = Field(..., gt=0, description="tokens written, over a batch")


class ModelRates(Spec):
    """A language model's rates by device."""

    cpu: DeviceRate | None = Field(default=None, description="on one core")
    gpu: DeviceRate | None = Field(default=None, description="on a GPU of speed 1")


class VolumeSpec(Spec):
    """What is assumed of data that are not there yet."""

    words_per_text: float = Field(..., gt=0, description="words of a streamed text")
    vibes_per_page: float = Field(..., gt=0, description="vibe rows of a page")
    unique_share: float = Field(..., gt=0, le=1, description="share of vibes that no other row repeats")
    payload_tokens: float = Field(..., gt=0, description="tokens of a payload, by a real model's tokenizer")
    vibe_tokens: float = Field(..., gt=0, description="tokens of a prompt with its vibe")
    prompt_tokens: dict[str, float] = Field(..., description="tokens that an LLM reads a call: extract, payload, judge")
    answer_tokens: dict[str, float] = Field(..., description="tokens that an LLM writes a call")


class Rates(Spec):
    """config/rates.yaml."""

    date: datetime.date = Field(..., description="when they were measured or estimated")
    spread: float = Field(..., ge=1, description="a step takes between 1/spread and spread times its estimate")
    steps: dict[str, StepRate] = Field(..., description="by step; `other` for the rest")
    models: dict[str, ModelRates] = Field(..., description="by base model; `other` for the rest")
    model_spread: float = Field(..., ge=1, description="the same for language models of real size")
    llm_seconds: float = Field(..., ge=0, description="seconds of one call of a hosted LLM")
    gpu_start: float = Field(..., ge=0, description="seconds until a remote job computes")
    gpu_speed: dict[str, float] = Field(..., description="speed of a GPU relative to the models' figures")
    volume: VolumeSpec = Field(..., description="data that are not there yet")

    def step(self, name: str) -> StepRate:
        """The rate of a step, or that of `other`."""
        return self.steps.get(name) or self.steps["other"]

    def model(self, name: str, gpu: str | None) -> DeviceRate:
        """Tokens a second of a base model on a GPU, or on a core where it is None."""
        for rates in (self.models.get(name), self.models["other"]):
            found = (rates.gpu if gpu else rates.cpu) if rates else None
            if found is not None:
                speed = self.gpu_speed.get(gpu, 1.0) if gpu else 1.0
                return DeviceRate(train=found.train * speed, write=found.write * speed)
        raise InputError(f"{RATES}: models.other", "rates for cpu and gpu were expected")


class Prices(Spec):
    """config/prices.yaml, US dollars."""

    date: datetime.date = Field(..., description="of the price lists")
    gpu_hour: dict[str, float] = Field(..., description="one card, by its name")
    core_hour: float = Field(..., ge=0, description="a processor core")
    gib_hour: float = Field(..., ge=0, description="a GiB of memory")

    def machine_hour(self, gpu: str | None, cores: float, gib: float) -> float:
        """Dollars an hour of a machine; InputError for a GPU without a price."""
        name, _, count = (gpu or "").partition(":")
        if name and name not in self.gpu_hour:
            raise InputError(f"{PRICES}: gpu_hour", f"no price of {name!r}", f"priced: {', '.join(self.gpu_hour)}")
        cards = self.gpu_hour[name] * int(count or 1) if name else 0.0
        return cards + self.core_hour * cores + self.gib_hour * gib


def load_rates(root: Path) -> Rates:
    """The rates of the project in `root`; InputError names file and key of what is wrong."""
    rates = parse(Rates, read_yaml(root / RATES), RATES)
    if "other" not in rates.steps or "other" not in rates.models:
        raise InputError(RATES, "`other` is missing in steps or models")
    return rates


def load_prices(root: Path) -> Prices:
    """The prices of the project in `root`; InputError names file and key of what is wrong."""
    return parse(Prices, read_yaml(root / PRICES), PRICES)


@lru_cache(maxsize=1)
def _litellm_table() -> dict[str, Any]:
    """LiteLLM's local price table, read as the file that it is: importing LiteLLM takes seconds."""
    found = importlib.util.find_spec("litellm")
    if found is None or not found.submodule_search_locations:
        return {}
    path = Path(found.submodule_search_locations[0]) / "model_prices_and_context_window_backup.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def limits(llms: LlmsSpec, model: str) -> LimitsSpec:
    """How a model may be asked."""
    return llms.models.get(model) or llms.default


def token_prices(model: str, llms: LlmsSpec) -> tuple[float, float] | None:
    """Dollars of a token read and of one written; None where nobody knows.

    Args:
        model: LiteLLM's name, with its provider.
        llms: config/llms.yaml, whose prices come first.
    """
    if model.startswith(FREE):
        return 0.0, 0.0
    own = limits(llms, model).price
    if own is not None:
        return own.input / 1e6, own.output / 1e6
    table = _litellm_table()
    entry = table.get(model) or table.get(model.partition("/")[2])
    if not entry or "input_cost_per_token" not in entry:
        return None
    return float(entry["input_cost_per_token"]), float(entry.get("output_cost_per_token") or 0.0)
