"""The page that raters use: static, from file:// or from `vibegrid rate`; it holds trials and no word of the key."""

from __future__ import annotations

import shutil
from pathlib import Path

from vibegrid.files import write_text
from vibegrid.human.key import Key
from vibegrid.human.sounds import clip_file
from vibegrid.listen import scripts
from vibegrid.listen.cards import MAX_PROMPT, clean

FILES = ("index.html", "rate.css", "rate.js")  # in `data`
LOOK = "listen.css"  # of the listening page
TRIALS = "trials.js"


def write_page(folder: Path, key: Key, notes: str) -> None:
    """Write index.html, its styles and script, and trials.js beside the clips that are there.

    Args:
        folder: of the page.
        key: of the pack.
        notes: what a rater must know.
    """
    forms: dict[int, list[dict[str, str]]] = {}
    for trial in key.trials.values():
        shown = {
            "id": trial.id,
            "prompt": clean(key.prompts[trial.prompt], MAX_PROMPT),
            "a": clip_file(trial.left),
            "b": clip_file(trial.right),
        }
        forms.setdefault(trial.form, []).append(shown)
    data = {
        "pack": key.pack,
        "notes": clean(notes, MAX_PROMPT),
        "seconds": key.seconds,
        "forms": [forms[number] for number in sorted(forms)],
    }
    write_text(folder / TRIALS, scripts.as_script(data, "RATE"))
    for name in FILES:
        shutil.copyfile(Path(__file__).parent / "data" / name, folder / name)
    shutil.copyfile(Path(scripts.__file__).parent / "data" / LOOK, folder / LOOK)
