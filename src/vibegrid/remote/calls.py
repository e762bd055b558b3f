"""The id of a step's call, kept in its work folder from before anyone waits for it until its result is here.

A process that is killed loses nothing: the call goes on, and the next one finds it by its id.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from vibegrid.files import read_json, write_json

NAME = "modal_call.json"


def kept(work: Path) -> str | None:
    """Id of the call of an earlier process, if there is one."""
    path = work / NAME
    return str(read_json(path)["call_id"]) if path.exists() else None


def keep(work: Path, call_id: str, **facts: Any) -> None:
    """Write a call's id, whole, before anyone waits."""
    write_json(work / NAME, {"call_id": call_id, "submitted": round(time.time(), 3), **facts})


def forget(work: Path) -> None:
    """The call has ended, and its result is here or will not come."""
    (work / NAME).unlink(missing_ok=True)
