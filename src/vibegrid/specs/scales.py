"""Spec of a scale: how big the study is, which models it uses, where it computes."""

from typing import Literal

from pydantic import Field

from vibegrid.specs.base import Spec
from vibegrid.specs.clap import BankSpec
from vibegrid.specs.datasets import SplitSpec
from vibegrid.specs.grpo import GRPOSpec
from vibegrid.specs.labels import LabelsSpec, SelectionSpec
from vibegrid.specs.remote import RemoteSpec
from vibegrid.specs.scorers import CalibrationSpec
from vibegrid.specs.sft import SFTSpec
from vibegrid.specs.stories import StorySetSpec
from vibegrid.specs.systems import DecodingSpec
from vibegrid.specs.texts import FileTexts, TextsSpec
from vibegrid.specs.vibes import VibesSpec


class SeedsSpec(Spec):
    """Replicates: the seeds of the baseline, and of every other arm."""

    baseline: tuple[int, ...] = Field(default=(42, 43, 44), min_length=1, description="seeds of the baseline arms")
    arm: tuple[int, ...] = Field(default=(42,), min_length=1, description="seeds of every other arm")


class SoundSpec(Spec):
    """How payloads become audio, and the random renders that say what each label does to the sound."""

    seconds: float = Field(default=4.0, ge=1, le=60, description="length of a render")
    bank: BankSpec = Field(default_factory=BankSpec, description="random renders, for acoustic controllability")
    calibration: CalibrationSpec = Field(default_factory=CalibrationSpec, description="raw scores to [0, 1]")


class ListenSpec(Spec):
    """The listening page."""

    experiment: str = Field(default="sft_vs_grpo", description="whose arms can be heard, the first replicate of each")
    eval_set: str = Field(default="short_prompts", description="whose prompts they answered")
    prompts: int = Field(default=12, ge=1, description="the first of its prompts")
    notes: str = Field(default="", description="what a listener must know, shown on the page")


class EvaluationSpec(Spec):
    """What every system is evaluated on, and how outputs are compared."""

    scorers: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="audio scorer of config/scorers.yaml to the eval sets it scores (`*`: all)",
    )
    retrieval_scorer: str = Field(default="clap_train", description="the CLAP of retrieval by sound")
    eval_sets: tuple[str, ...] = Field(default=("test",), description="eval sets of every experiment")
    test_rows: int = Field(default=30, ge=1, description="rows of the `test` sample")
    test_seed: int = Field(default=0, ge=0, description="seed of the `test` sample")
    stories: StorySetSpec = Field(default_factory=StorySetSpec, description="the eval set `story_pages`")
    set_rows: int | None = Field(default=None, ge=1, description="prompts of every other eval set; null: all")
    bootstrap: int = Field(default=2000, ge=100, description="resamples of an interval")
    permutations: int = Field(default=10_000, ge=100, description="random sign flips of a test")
    seed: int = Field(default=0, ge=0, description="seed of both")


class ScaleSpec(Spec):
    """One file of config/scales, and the defaults of what it leaves out."""

    results: str = Field(default="results", pattern=r"^results(/[a-z0-9_-]+)?$", description="folder of the results")
    compute: Literal["local", "modal"] = Field(default="local", description="where GPU steps run")
    remote: RemoteSpec = Field(default_factory=RemoteSpec, description="machines of `compute: modal`")
    experiments: tuple[str, ...] | None = Field(default=None, description="that this scale has; null: all")
    texts: TextsSpec = Field(default_factory=FileTexts, description="source documents")
    vibes: VibesSpec = Field(default_factory=VibesSpec, description="extraction")
    labels: LabelsSpec = Field(default_factory=LabelsSpec, description="the teacher's payloads")
    selection: SelectionSpec | None = Field(
        default_factory=SelectionSpec, description="report of what best of N buys; null: none"
    )
    splits: SplitSpec = Field(default_factory=SplitSpec, description="TEST, SFT-Val, GRPO, SFT-Train")
    sft: SFTSpec = Field(default_factory=SFTSpec, description="the SFT baseline")
    grpo: dict[str, object] = Field(default_factory=dict, description="the GRPO baseline, less its `sft`")
    sound: SoundSpec | None = Field(default=None, description="renders; null: nothing is rendered or heard")
    decoding: DecodingSpec = Field(default_factory=DecodingSpec, description="of every language model evaluated")
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec, description="eval sets and statistics")
    listen: ListenSpec = Field(default_factory=ListenSpec, description="the listening page")
    seeds: SeedsSpec = Field(default_factory=SeedsSpec, description="replicates")

    def grpo_spec(self) -> GRPOSpec:
        """The GRPO baseline, from this scale's SFT baseline; ValidationError for a bad value."""
        return GRPOSpec.model_validate({**self.grpo, "sft": self.sft.model_dump(by_alias=True)})
