"""config/vouched.json: edits of code that people promise to change no result (`make vouch`)."""

from pathlib import Path

from vibegrid.errors import InputError
from vibegrid.files import read_json

VOUCHED = "config/vouched.json"


def load_vouched(root: Path) -> dict[str, dict[str, str]]:
    """Step to {digest of the edited code: digest that it stands for}, of config/vouched.json."""
    path = root / VOUCHED
    if not path.exists():
        return {}
    entries = read_json(path)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(VOUCHED, "a list of objects was expected", "`make vouch` writes it")
    vouched: dict[str, dict[str, str]] = {}
    for entry in entries:
        missing = {"step", "edited", "stands_for", "reason"} - set(entry)
        if missing:
            raise InputError(VOUCHED, f"an entry lacks {sorted(missing)[0]!r}")
        known, origin = vouched.setdefault(entry["step"], {}), entry["stands_for"]
        while origin in known:
            origin = known[origin]
        if origin != entry["edited"]:  # else the edit was undone, and the code is what it was
            known[entry["edited"]] = origin
    return vouched
