"""Stamps: what the plainly named tables and figures are made of.

Snakemake sees neither a changed set of inputs nor a changed figure style behind a file with a plain name. So each
such file takes a stamp as input, a small JSON with the identities and the code that make it. The job that makes
the file leaves a copy of the stamp beside it (``*.made.json``, a declared output). When the workflow is parsed,
a stamp that equals that copy gets an old modification time, and any other a fresh one: the file is remade when,
and only when, it was made of something else; also when a value was changed and changed back in between.
"""

import json
import os
from pathlib import Path
from typing import Any

from vibegrid.files import write_text

OLD = 946_684_800  # 2000-01-01, older than any result


def set_stamp(stamp: Path, content: Any, made: str | None) -> None:
    """Write ``stamp`` where its content is new, and date it by whether the copy of the job is the same.

    Args:
        stamp: its path.
        content: what it says.
        made: text of the copy; None where there is none.
    """
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != text:
        write_text(stamp, text)
    if made != text:
        os.utime(stamp)
    elif stamp.stat().st_mtime != OLD:
        os.utime(stamp, (OLD, OLD))


def made_path(stamp: str) -> str:
    """The copy that the job leaves."""
    return f"{stamp.removesuffix('.json')}.made.json"
