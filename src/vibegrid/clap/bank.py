"""The bank of renders that a mini-CLAP learns from: configs, their frames and acoustic measures.

Half of the configs are uniform over the schema, half as the embedded composer writes them around seven random
decisions, since fields go together in teachers' payloads.
"""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vibegrid.clap.model import COLUMNS
from vibegrid.errors import InputError
from vibegrid.files import read_jsonl, write_csv, write_jsonl
from vibegrid.folders import whole_folder
from vibegrid.llm.payload_writer import random_decisions, write_config
from vibegrid.schema import FIELDS
from vibegrid.sound.clip import Clip
from vibegrid.sound.render import render, seed_of
from vibegrid.specs.clap import BankSpec

log = logging.getLogger(__name__)

FRAMES, CONFIGS, MEASURES = "frames.npy", "configs.jsonl", "measures.csv"


class Bank(NamedTuple):
    """A bank as it is read back."""

    frames: np.ndarray  # float16 (n, frames, 76): `Clip.clap_frames`
    configs: list[dict[str, Any]]


def config_id(config: dict[str, Any]) -> str:
    """Name of a config by its content: 16 hexadecimal digits."""
    return f"{seed_of(config):016x}"


def draw_configs(spec: BankSpec) -> list[dict[str, Any]]:
    """The configs of a bank, all different; odd ones are the composer's, so both halves are held out alike."""
    rng = random.Random(f"bank {spec.seed}")
    configs: dict[str, dict[str, Any]] = {}
    while len(configs) < spec.renders:
        config = write_config(random_decisions(rng), rng) if len(configs) % 2 else _uniform(rng)
        configs.setdefault(config_id(config), config)
    return list(configs.values())


def _uniform(rng: random.Random) -> dict[str, Any]:
    """Each field uniform over its labels; the two registers in order."""
    config = {field: rng.choice(labels) for field, labels in FIELDS.items()}
    low, high = sorted((config["register_min_oct"], config["register_max_oct"]))
    return config | {"register_min_oct": low, "register_max_oct": high}


def render_bank(spec: BankSpec, out: Path) -> None:
    """Render and measure every config: `frames.npy`, `configs.jsonl` (`id`, `config`, `problem`), `measures.csv`.

    A clip with a problem (silent, clipped) stays: captions are true of it all the same.
    """
    configs = draw_configs(spec)
    frames, rows, measures = [], [], []
    for number, config in enumerate(configs, start=1):
        clip = Clip(render(config, spec.seconds))
        frames.append(clip.clap_frames.astype(np.float16))
        rows.append({"id": config_id(config), "config": config, "problem": clip.problem})
        measures.append({"id": rows[-1]["id"], **{name: f"{value:.6g}" for name, value in clip.measures.items()}})
        if number % 100 == 0:
            log.info("%d of %d rendered", number, len(configs))
    with whole_folder(out) as folder:
        np.save(folder / FRAMES, np.stack(frames))
        write_jsonl(folder / CONFIGS, rows)
        write_csv(folder / MEASURES, measures, list(measures[0]))


def load_bank(folder: Path) -> Bank:
    """A bank of `render_bank`, in its order.

    Raises:
        InputError: a file is missing or broken, or the two do not belong together.
    """
    rows = read_jsonl(folder / CONFIGS, required=("id", "config"), unique="id")
    try:
        frames = np.load(folder / FRAMES)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(str(folder / FRAMES), f"cannot be read: {error}", "render the bank again") from None
    if frames.ndim != 3 or frames.shape[2] != COLUMNS or len(frames) != len(rows):
        raise InputError(str(folder / FRAMES), f"shape {frames.shape} where {CONFIGS} has {len(rows)} rows")
    return Bank(frames, [row["config"] for row in rows])
