"""GPUs of this machine: a job takes one that no other job of this user has, and keeps it until it ends.

A job takes one only where its torch is a build for GPUs: a CPU build beside a driver would wait in line for a card that
it leaves idle. Under SLURM a job is given its GPUs by SLURM, and nothing is done here.
"""

from __future__ import annotations

import fcntl
import importlib.util
import logging
import os
import re
import tempfile
import time
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import IO

VISIBLE = "CUDA_VISIBLE_DEVICES"
DRIVER = Path("/proc/driver/nvidia/gpus")  # a folder for each GPU
POLL_SECONDS = 1.0
FOR_GPUS = re.compile(r"^(cuda|hip)\b[^=]*= *['\"]", re.MULTILINE)  # in a build's version.py; None in one for CPUs

log = logging.getLogger("vibegrid")
_held: list[IO[str]] = []


def visible() -> list[str]:
    """GPUs that CUDA_VISIBLE_DEVICES names, else all that NVIDIA's driver has, by their number; none without a GPU."""
    given = os.environ.get(VISIBLE)
    if given is not None:
        names = (name.strip() for name in given.split(","))
        return [name for name in takewhile(lambda name: name != "-1", names) if name]  # -1 hides what follows it
    return [str(number) for number in range(sum(1 for _ in DRIVER.glob("*")))]


def usable(python: str | None = None) -> bool:
    """Whether there is a GPU and a torch that is a build for GPUs.

    The build is read from torch's version.py: to import torch takes seconds, and plans ask too.

    Args:
        python: interpreter of the environment whose torch is meant; None is this one.
    """
    return bool(visible()) and _for_gpus(python)


@lru_cache
def _for_gpus(python: str | None) -> bool:
    if python is None:
        spec = importlib.util.find_spec("torch")
        found = [Path(spec.origin).with_name("version.py")] if spec and spec.origin else []
    else:
        found = list(Path(python).parent.parent.glob("lib/python3*/site-packages/torch/version.py"))
    try:
        texts = [path.read_text(encoding="utf-8") for path in found]
    except OSError:
        texts = []
    # Where the file is not to be found, a needless wait is better than two jobs on one GPU.
    return not texts or any(FOR_GPUS.search(text) for text in texts)


def take(python: str | None = None) -> str | None:
    """Make one free GPU the only visible one, for as long as this process lives; wait where none is free.

    To be called before CUDA is asked for anything; a second call gives the same one.

    Args:
        python: interpreter of a child that is to compute on it; None is this process.

    Returns:
        Its name; None where there is none, torch cannot use it, or SLURM has given one.
    """
    return _lock() if usable(python) and "SLURM_JOB_ID" not in os.environ else None


@lru_cache(maxsize=1)
def _lock() -> str:
    gpus = visible()
    folder = Path(tempfile.gettempdir()) / f"vibegrid-gpus-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    waiting = False
    while True:
        for gpu in gpus:
            file = (folder / f"{gpu.replace('/', '_')}.lock").open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            _held.append(file)
            os.environ[VISIBLE] = gpu
            log.info("GPU %s", gpu)
            return gpu
        if not waiting:
            log.info("waiting for one of the GPUs %s", ", ".join(gpus))
        waiting = True
        time.sleep(POLL_SECONDS)
