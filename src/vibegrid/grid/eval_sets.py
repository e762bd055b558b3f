"""The eval sets of config/eval_sets: files of prompts (`.jsonl`), and sets that are derived from one (`.yaml`)."""

from __future__ import annotations

from pathlib import Path

from vibegrid.errors import InputError
from vibegrid.grid.load import parse, read_yaml
from vibegrid.specs.evals import EvalSetSpec
from vibegrid.specs.stories import STORY_PAGES

FOLDER = "config/eval_sets"
TEST = "test"


def load_eval_sets(root: Path) -> dict[str, EvalSetSpec]:
    """Name to spec, in alphabetical order; `test` and `story_pages`, which the scale describes, are not.

    Raises:
        InputError: a file that is not understood, a name that comes twice, a set derived from none.
    """
    folder = root / FOLDER
    found: dict[str, EvalSetSpec] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".jsonl", ".yaml")):
        name = str(path.relative_to(folder).with_suffix(""))
        if name in (TEST, STORY_PAGES, *found):
            raise InputError(str(path.relative_to(root)), f"another eval set is named {name!r}", "rename it")
        found[name] = EvalSetSpec(name=name) if path.suffix == ".jsonl" else _derived(root, path, name)
    return dict(sorted(found.items()))


def prompts_of(spec: EvalSetSpec) -> str:
    """Path of the file that a set's prompts come from."""
    return f"{FOLDER}/{spec.of or spec.name}.jsonl"


def _derived(root: Path, path: Path, name: str) -> EvalSetSpec:
    where, values = str(path.relative_to(root)), read_yaml(path)
    if "name" in values:
        raise InputError(f"{where}: name", "unknown key", "an eval set has the name of its file")
    spec = parse(EvalSetSpec, {**values, "name": name}, where)
    if spec.of is None:
        raise InputError(f"{where}: of", "the eval set that it is derived from was expected")
    if not (root / prompts_of(spec)).is_file():
        raise InputError(f"{where}: of", f"no file of prompts {prompts_of(spec)}", "it names a .jsonl, less its ending")
    return spec
