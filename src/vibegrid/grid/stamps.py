"""Stamps: what the plainly named tables and figures are made of.

Snakemake sees neither a changed set of inputs nor a changed figure style behind a file with a plain name. So each
such file takes a stamp as input, a small JSON with the identities and the code that make it. The job that makes
the file leaves a copy of the stamp beside it (``*.made.json``, a declared output). When the workflow is parsed,
a stamp that equals that copy gets an old modification time, and any other a fresh one: the file is remade when,
and only when, it was made of something else; also when a value was changed and changed back in between.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from vibegrid.files import write_text

OLD = 946_684_800  # 2000-01-01, older than any result


def set_stamp(stamp: Path, content: Any) -> None:
    """Write ``stamp`` where its content is new, and date it by whether the copy beside it is the same."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    made = made_path(stamp)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != text:
        write_text(stamp, text)
    current = made.exists() and made.read_text(encoding="utf-8") == text
    modified = stamp.stat().st_mtime
    if current and modified != OLD:
        os.utime(stamp, (OLD, OLD))
    elif not current and (modified == OLD or (made.exists() and modified <= made.stat().st_mtime)):
        now = time.time()
        os.utime(stamp, (now, now))


def made_path(stamp: Path) -> Path:
    """The copy that the job leaves."""
    return stamp.with_suffix(".made.json")
