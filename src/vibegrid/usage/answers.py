"""What systems and the teacher wrote, as arrays: one row a prompt, the same prompts for every system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.datasets.embed import load as load_embeddings
from vibegrid.errors import InputError
from vibegrid.evals.generate import OUTPUTS, read_rows
from vibegrid.evals.parts import EMBEDDINGS, PARTS
from vibegrid.files import read_json, read_jsonl
from vibegrid.payloads import parse_output
from vibegrid.specs.usage import UsageSpec
from vibegrid.texts.draws import sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SPLITS = ("SFT-Train", "SFT-Val", "GRPO", "TEST")


class Vibes(NamedTuple):
    """Vibes that are answered, each once."""

    texts: list[str]
    clusters: list[str]  # of the statistics: a source text, a group of paraphrases
    eval_sets: list[str]
    embeddings: Floats  # (P, 384)


class Answers(NamedTuple):
    """Configs of one run, in the order of the vibes; None where the output holds no object."""

    run: str
    configs: list[dict[str, Any] | None]


def read_prompts(files: Mapping[str, Path]) -> tuple[Vibes, dict[tuple[str, str], int]]:
    """Prompts of the eval sets; equal ones count once, where they stand first. Place of each (eval set, id)."""
    import numpy as np

    first: dict[str, int] = {}
    places: dict[tuple[str, str], int] = {}
    rows: list[tuple[str, str, str, Any]] = []
    for name, path in files.items():
        prompts = read_jsonl(path, ("id", "prompt", "cluster"), unique="id")
        for row, vector in zip(prompts, np.load(path.with_name(EMBEDDINGS)), strict=True):
            if row["prompt"] not in first:
                first[row["prompt"]] = len(rows)
                rows.append((row["prompt"], str(row["cluster"]), name, vector))
                places[name, str(row["id"])] = first[row["prompt"]]
    texts, clusters, eval_sets, vectors = zip(*rows, strict=True)
    return Vibes(list(texts), list(clusters), list(eval_sets), np.stack(vectors).astype(np.float64)), places


def read_answers(
    spec: UsageSpec, folders: Mapping[str, Path], places: Mapping[tuple[str, str], int]
) -> dict[str, list]:
    """System to the answers of its runs; a run whose training failed is left out.

    Raises:
        InputError: a run did not answer one of the prompts.
    """
    found: dict[str, list[Answers]] = {}
    for system, runs in spec.runs.items():
        found[system] = []
        for run in runs:
            if read_json(folders[run] / PARTS)["run"]["status"] == "failed":
                continue
            outputs = {
                (row["eval_set"], str(row["id"])): row["raw_output"] for row in read_rows(folders[run] / OUTPUTS)
            }
            missing = [key for key in places if key not in outputs]
            if missing:
                raise InputError(
                    f"experiment {spec.experiment}: {run}",
                    f"no answer to {missing[0][1]} of {missing[0][0]}",
                    "delete that generations folder",
                )
            found[system].append(Answers(run, [_config(outputs[key]) for key in places]))
    return found


def _config(raw: str) -> dict[str, Any] | None:
    config = (parse_output(raw).payload or {}).get("config")
    return config if isinstance(config, dict) else None


def read_teacher(splits: Path, embeddings: Path) -> tuple[Vibes, Answers]:
    """The teacher's payloads, one a vibe, of all four splits.

    Raises:
        InputError: a file is missing or broken, or no row has a payload.
    """
    import numpy as np

    rows: dict[str, dict[str, Any]] = {}
    for name in SPLITS:
        for row in read_jsonl(
            splits / f"{name}.jsonl", ("vibe_original", "config_payload", "dataset", "id_in_dataset")
        ):
            if row["config_payload"] is not None:
                rows.setdefault(row["vibe_original"], row | {"split": name})
    if not rows:
        raise InputError(str(splits), "no row has a payload of the teacher")
    texts = list(rows)
    clusters = [f"{row['dataset']}:{row['id_in_dataset']}" for row in rows.values()]
    vectors = load_embeddings(embeddings).covering(texts).of(texts).astype(np.float64)
    vibes = Vibes(texts, clusters, [row["split"] for row in rows.values()], vectors)
    return vibes, Answers("teacher", [row["config_payload"].get("config") for row in rows.values()])


def draw(vibes: Vibes, answers: Answers, size: int, seed: int) -> tuple[Vibes, Answers]:
    """A sample of at most `size` rows, in the order of the draw."""
    chosen = sample(list(range(len(vibes.texts))), size, lambda i: (vibes.texts[i],), "field usage", seed)
    return pick(vibes, chosen), Answers(answers.run, [answers.configs[i] for i in chosen])


def pick(vibes: Vibes, chosen: Sequence[int]) -> Vibes:
    """Some of the vibes, in that order."""
    return Vibes(
        [vibes.texts[i] for i in chosen],
        [vibes.clusters[i] for i in chosen],
        [vibes.eval_sets[i] for i in chosen],
        vibes.embeddings[list(chosen)],
    )
