"""GPUs of this machine: a job takes one that no other job of this user has, and keeps it until it ends.

Under SLURM a job is given its GPUs by SLURM, and nothing is done here.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import IO

VISIBLE = "CUDA_VISIBLE_DEVICES"
DRIVER = Path("/proc/driver/nvidia/gpus")  # a folder for each GPU
POLL_SECONDS = 1.0

log = logging.getLogger("vibegrid")
_held: list[IO[str]] = []


def visible() -> list[str]:
    """GPUs that CUDA_VISIBLE_DEVICES names, else all that NVIDIA's driver has, by their number; none without a GPU."""
    given = os.environ.get(VISIBLE)
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    return [str(number) for number in range(sum(1 for _ in DRIVER.glob("*")))]


@lru_cache(maxsize=1)
def take() -> str | None:
    """Make one free GPU the only visible one, for as long as this process lives; wait where none is free.

    To be called before CUDA is asked for anything; a second call gives the same one. None where there is no GPU, or
    SLURM has given one.
    """
    gpus = visible()
    if not gpus or "SLURM_JOB_ID" in os.environ:
        return None
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
