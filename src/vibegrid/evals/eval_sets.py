"""Eval sets: files of prompts, checked; sets derived from one; and `test`, a stratified sample of the TEST split.

Every prompt is tagged `seen` or `unseen` (see `familiarity`) and gets its `cluster`, the unit of the
statistics: levels of one text and paraphrases of one prompt are not independent.
"""

import logging
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vibegrid.datasets.noise import add_errors
from vibegrid.embeddings import encode_alone
from vibegrid.errors import InputError
from vibegrid.evals.familiarity import familiarity, known_words
from vibegrid.evals.parts import EMBEDDINGS, meant
from vibegrid.files import read_text, write_json, write_jsonl
from vibegrid.schema import FIELDS, Label, is_legal
from vibegrid.specs.evals import EvalSetSpec
from vibegrid.specs.stories import StorySetSpec
from vibegrid.stories.prompts import story_prompts, story_rows
from vibegrid.texts.draws import number, ranked, sample
from vibegrid.texts.rows import check_text, numbered_rows
from vibegrid.vibes.rows import read_vibes, row_key

log = logging.getLogger(__name__)

TRAINING = ("SFT-Train", "GRPO")  # whose vibes make a word `seen`
SHORT_LEVELS = ("sm", "xs")  # their TEST rows are of category `short`, the others `long`
Text = Annotated[str, Field(min_length=1, max_length=20_000)]


class Prompt(BaseModel):
    """A row of a prompt file. Only `id`, `prompt` and `category` must be there."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: Annotated[str, Field(min_length=1, max_length=200)]
    prompt: Text
    category: Literal["short", "long", "ood", "typo", "controllability"]
    subcategory: Literal["tempo", "mode", "rhythm", "texture", "brightness"] | None = None
    expected_fields: dict[str, list[Label]] = Field(default_factory=dict)
    difficulty: Literal["easy", "medium", "hard"] = "medium"
    source: Literal["manual", "llm_generated", "extracted", "corrupted"] = "manual"
    paraphrase_group: str | None = None
    notes: str | None = ""

    @field_validator("expected_fields", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        """One label may stand without its list; null means that nothing is expected."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            return value
        return {field: label if isinstance(label, list) else [label] for field, label in value.items()}


def build(spec: EvalSetSpec, *, source: Path, splits: Path, lexicon_words: Path, out: Path) -> list[dict[str, Any]]:
    """Write `prompts.jsonl`, `embeddings.npy` and `eval_set.json` (counts) to folder `out`; returns the prompts.

    `embeddings.npy` holds MiniLM's embeddings of what the prompts mean, float32 (rows, 384), for the scores of every
    system.

    Args:
        spec: which set. `rows` of it are drawn with `seed`; a file keeps its order, and all its rows without it.
        source: the prompt file; for `test` and stories, the folder of the splits.
        splits: folder of the splits, whose training vibes make words `seen`.
        lexicon_words: the composer's lexicon, TSV with the words in its first column.
        out: folder for the results.
    """
    known = known_words([*lexicon(lexicon_words), *training_vibes(splits)])
    if spec.source == "test":
        rows = sample_test(source / "TEST.jsonl", spec)
    elif spec.source == "stories":
        rows = story_prompts(story_rows(source, **(spec.stories or StorySetSpec()).model_dump()))
    else:
        rows = read_prompts(source)
        if spec.rows is not None:
            rows = sample(rows, spec.rows, lambda row: (row["id"],), "prompts", spec.seed)
        if spec.source == "corrupted":
            rows = [corrupted(row, spec.seed) for row in rows]
    rows = [row | {"familiarity": familiarity(meant(row), known)} for row in rows]
    report = {
        "rows": len(rows),
        "clusters": len({row["cluster"] for row in rows}),
        "familiarity": dict(Counter(row["familiarity"] for row in rows)),
    }
    write_jsonl(out / "prompts.jsonl", rows)
    np.save(out / EMBEDDINGS, np.stack([encode_alone(meant(row)) for row in rows]))
    write_json(out / "eval_set.json", report)
    log.info("eval set %s: %s", spec.name, report)
    return rows


def read_prompts(path: Path) -> list[dict[str, Any]]:
    """The checked rows of a prompt file with their `cluster`: the paraphrase group, or the prompt's own
    id."""
    rows = []
    for where, raw in numbered_rows(path, ("id", "prompt", "category"), unique="id"):
        check_text(where, "prompt", raw["prompt"])
        try:
            row = Prompt.model_validate(raw).model_dump()
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            raise InputError(where, f"{key}: {first['msg']}, not {str(first['input'])[:60]!r}") from None
        _check_expected(where, row["expected_fields"])
        rows.append(row | {"cluster": row["paraphrase_group"] or row["id"]})
    return rows


def corrupted(row: dict[str, Any], seed: int) -> dict[str, Any]:
    """A prompt with the typing errors of a noisy training row, and beside it, as `prompt_original`, what was meant.

    Cluster and familiarity are those of the prompt that it was made from: clean and corrupted are read of one unit.
    """
    group = row["cluster"]
    told = {"category": "typo", "source": "corrupted", "paraphrase_group": group, "cluster": group}
    prompt = {"id": f"typo-{row['id']}", "prompt": add_errors(row["prompt"], seed)}
    return {**row, **prompt, **told, "prompt_original": row["prompt"]}


def _check_expected(where: str, expected: dict[str, list[Label]]) -> None:
    for field, labels in expected.items():
        if field not in FIELDS:
            raise InputError(where, f"expected_fields: no config field {field!r}", f"one of {', '.join(FIELDS)}")
        if not labels:
            raise InputError(where, f"expected_fields.{field}: the list of labels is empty")
        for label in labels:
            if not is_legal(field, label):
                legal = ", ".join(str(value) for value in FIELDS[field])
                raise InputError(where, f"expected_fields.{field}: no label {label!r}", f"one of {legal}")


def sample_test(path: Path, spec: EvalSetSpec) -> list[dict[str, Any]]:
    """A seeded sample of the TEST rows that have a payload, each vibe once, even over levels and scopes."""
    first: dict[str, dict[str, Any]] = {}
    for row in read_vibes(path, ("dataset", "id_in_dataset", "vibe_level", "vibe_scope", "config_payload")):
        if row["config_payload"] is not None:
            first.setdefault(row["vibe_original"], row)
    if not first:
        raise InputError(str(path), "no row has a payload", "a `test` eval set compares with the teacher's payloads")
    rows = list(first.values())
    chosen = stratified(rows, len(rows) if spec.rows is None else spec.rows, spec.seed)
    if spec.rows is not None and len(chosen) < spec.rows:
        log.warning("%s: %d rows were asked for, there are %d", path, spec.rows, len(chosen))
    return [_test_prompt(row) for row in chosen]


def stratified(rows: list[dict[str, Any]], count: int, seed: int) -> list[dict[str, Any]]:
    """Up to `count` rows, in row order: rounds over the strata (scope, level), one row each, until there
    are enough."""
    strata: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in ranked(range(len(rows)), lambda i: row_key(rows[i]), "test", seed):
        strata[rows[i]["vibe_scope"], rows[i]["vibe_level"]].append(i)
    rounds = [
        (turn, number("stratum", seed, *stratum), i)
        for stratum, members in strata.items()
        for turn, i in enumerate(members)
    ]
    return [rows[i] for _, _, i in sorted(sorted(rounds)[:count], key=lambda entry: entry[2])]


def _test_prompt(row: dict[str, Any]) -> dict[str, Any]:
    level, text = row["vibe_level"], f"{row['dataset']}/{row['id_in_dataset']}"
    category = "short" if level in SHORT_LEVELS else "long"
    prompt = Prompt(
        id=f"test-{number(*row_key(row)):016x}",
        prompt=row["vibe_original"],
        category=category,
        source="extracted",
    )
    extra = {"vibe_level": level, "vibe_scope": row["vibe_scope"], "config_payload": row["config_payload"]}
    return prompt.model_dump() | {"cluster": text} | extra


def lexicon(path: Path) -> list[str]:
    """The first column of a TSV, without its heading."""
    words = [line.split("\t")[0].strip() for line in read_text(path).split("\n")[1:] if line.strip()]
    if not words:
        raise InputError(str(path), "no words: a heading and a word a line were expected")
    return words


def training_vibes(splits: Path) -> list[str]:
    """The vibes that a training may read."""
    paths = [splits / f"{name}.jsonl" for name in TRAINING]
    return [row["vibe_original"] for p in paths if not _is_empty(p) for row in read_vibes(p, ("vibe_original",))]


def _is_empty(path: Path) -> bool:
    """A split file without rows: all of them were near to TEST."""
    return path.is_file() and path.stat().st_size == 0
