"""A pack for raters: outputs of several systems in, a static page and its key out.

`page/` is what raters get: it names no system and does not say which trials are checks or repeats. `key.json` beside it
says so, and stays with whoever asks. Blind means: to people. A rater who compares files with those of the listening
page, or reads two of them sample by sample, can tell more.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.errors import InputError
from vibegrid.evals.generate import OUTPUTS, read_rows
from vibegrid.files import read_jsonl, write_json
from vibegrid.folders import whole_folder
from vibegrid.human.key import KEY, Clip, Key, digest
from vibegrid.human.page import write_page
from vibegrid.human.sounds import SPOILT, clip_file, equally_loud, write_clips, write_spoilt
from vibegrid.human.trials import Broken, Unit, draw_forms
from vibegrid.payloads import parse_output
from vibegrid.sound.takes import Studio
from vibegrid.specs.analyses import read_spec
from vibegrid.specs.human import PackSpec, pair_name, pairs_of

if TYPE_CHECKING:
    import numpy as np

PAGE = "page"


Place = tuple[str, str]  # a prompt and a system


class Heard(NamedTuple):
    """What there is to hear."""

    clips: dict[Place, str]  # the clip of what has a sound
    contents: dict[str, str]  # clip to the digest of its config
    spare: list[str]  # names for spoilt clips


def build_pack(spec: Mapping[str, Any], *, generations: Mapping[str, Path], prompts: Path, out: Path) -> None:
    """Write the pack to the folder `out`: `key.json` and `page/`; equal input makes equal bytes.

    Args:
        spec: a PackSpec.
        generations: system to its folder of generations.
        prompts: prompts.jsonl of the eval set.
        out: the folder.

    Raises:
        InputError: a system without outputs, a prompt that was not answered, or nothing to compare.
    """
    wanted = read_spec(PackSpec, spec)
    rows = read_jsonl(prompts, ("id", "prompt"), unique="id")[: wanted.settings.prompts]
    outputs = {system: _outputs(generations, system, wanted.eval_set) for system in wanted.systems}
    with whole_folder(out) as draft:
        page = draft / PAGE
        (page / "audio").mkdir(parents=True)
        heard = _render(wanted, rows, outputs, page)
        key = _key(wanted, rows, heard)
        for name, clip in key.clips.items():
            if clip.of:
                write_spoilt(page, clip.of, name, clip.content, seed=(wanted.settings.seed, int(name[1:])))
        _remove_unused(page, key)
        write_json(draft / KEY, key.json())
        write_page(page, key, wanted.notes)


def _outputs(generations: Mapping[str, Path], system: str, eval_set: str) -> dict[str, str]:
    """Prompt to raw output; InputError where the system has none (its training failed)."""
    folder = generations.get(system)
    if folder is None:
        raise InputError("pack", f"no outputs of system {system!r}")
    rows = {str(row["id"]): row["raw_output"] for row in read_rows(folder / OUTPUTS) if row["eval_set"] == eval_set}
    if not rows:
        raise InputError(str(folder / OUTPUTS), f"no outputs on {eval_set}", f"system {system!r} cannot be heard")
    return rows


def _render(spec: PackSpec, rows: Sequence[Mapping[str, Any]], outputs: Mapping[str, Any], page: Path) -> Heard:
    """Write a clip for every output that has a sound."""
    places = [(str(row["id"]), system) for row in rows for system in spec.systems]
    names = _names(spec, len(places) + _checks(spec))
    numbers = dict(zip(places, names, strict=False))
    studio, heard = Studio(spec.seconds), Heard({}, {}, names[len(places) :])
    for prompt in (str(row["id"]) for row in rows):
        missing = [system for system in spec.systems if prompt not in outputs[system]]
        if missing:
            raise InputError("pack", f"system {missing[0]!r} has no output of prompt {prompt!r}")
        takes = studio.takes([parse_output(outputs[system][prompt]) for system in spec.systems])
        sounds: dict[str, np.ndarray] = {}
        for system, take in zip(spec.systems, takes, strict=True):
            if take is not None and take.clip.problem not in ("nan", "silent"):
                clip = heard.clips[prompt, system] = numbers[prompt, system]
                heard.contents[clip] = digest(take.config)
                sounds[clip] = take.clip.audio
        if sounds:
            write_clips(page, equally_loud(sounds))
    return heard


def _names(spec: PackSpec, count: int) -> list[str]:
    """Names of clips, `c001` and so on, in an order drawn with the seed: they say nothing of what is what."""
    return random.Random(f"clips {spec.settings.seed}").sample([f"c{n:03d}" for n in range(1, count + 1)], count)


def _checks(spec: PackSpec) -> int:
    """Different checks of all forms: those of each two."""
    return spec.settings.checks * ((spec.settings.forms + 1) // 2)


def _key(spec: PackSpec, rows: Sequence[Mapping[str, Any]], heard: Heard) -> Key:
    """Units, checks and forms of what there is to hear."""
    prompts = [str(row["id"]) for row in rows]
    units, same = _units(spec, prompts, heard)
    if not any(units):
        raise InputError("pack", "no two systems sound different on any prompt", "nothing can be compared")
    checks, spoilt = _spoil(spec, heard)
    trials = draw_forms(units, checks, spec.settings)
    clips = {clip: Clip(*place, heard.contents[clip]) for place, clip in heard.clips.items()} | spoilt
    used = {clip for trial in trials for clip in (trial.left, trial.right)}
    values = {
        "experiment": spec.experiment,
        "eval_set": spec.eval_set,
        "systems": list(spec.systems),
        "seconds": spec.seconds,
        "prompts": {str(row["id"]): str(row["prompt"]) for row in rows},
        "clusters": {str(row["id"]): str(row.get("cluster") or row["id"]) for row in rows},
        "unheard": {s: [p for p in prompts if (p, s) not in heard.clips] for s in spec.systems},
        "same": same,
        "clips": {clip: clips[clip]._asdict() for clip in sorted(used)},
        "trials": [trial._asdict() for trial in trials],
    }
    return Key(values)


def _units(spec: PackSpec, prompts: Sequence[str], heard: Heard) -> tuple[list[list[Unit]], dict[str, list[str]]]:
    """The units of each pair, and by pair the prompts on which the two sound the same."""
    units: list[list[Unit]] = []
    same: dict[str, list[str]] = {}
    for first, second in pairs_of(list(spec.systems)):
        units.append([])
        for prompt in prompts:
            left, right = heard.clips.get((prompt, first)), heard.clips.get((prompt, second))
            if left is None or right is None:
                continue
            if heard.contents[left] == heard.contents[right]:
                same.setdefault(pair_name(first, second), []).append(prompt)
            else:
                units[-1].append(Unit(prompt, left, right))
    return units, same


def _spoil(spec: PackSpec, heard: Heard) -> tuple[list[Broken], dict[str, Clip]]:
    """Checks for all forms, of sounds drawn at random, and what their spoilt clips are."""
    places = sorted(heard.clips)
    chosen = random.Random(f"checks {spec.settings.seed}").sample(places, min(_checks(spec), len(places)))
    checks, clips = [], {}
    for number, (place, name) in enumerate(zip(chosen, heard.spare, strict=False)):
        checks.append(Broken(place[0], heard.clips[place], name))
        clips[name] = Clip(place[0], "", SPOILT[number % len(SPOILT)], of=heard.clips[place])
    return checks, clips


def _remove_unused(page: Path, key: Key) -> None:
    wanted = {page / clip_file(clip) for clip in key.clips}
    for path in (page / "audio").iterdir():
        if path not in wanted:
            path.unlink()
