"""The scorer's end of the pipe to `laion_worker`: starts it, asks it, and says in one line what went wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vibegrid import gpus
from vibegrid.errors import InputError
from vibegrid.scorers import laion_worker
from vibegrid.scorers.laion_worker import DIM

VARIABLE = "VIBEGRID_CLAP_PYTHON"  # the Python of envs/clap.yaml
WHERE = "LAION-CLAP"
HINT = "docs/laion_clap.md says how to make its environment"
GRACE = 10.0  # seconds that a worker without input may take to end


def command(python: str | None, amodel: str, tokenizer: Path, checkpoint: Path | None) -> list[str]:
    """Command line of a worker; without a checkpoint its weights are random, for a check of the wiring.

    Args:
        python: interpreter of envs/clap.yaml; None takes that of the variable VIBEGRID_CLAP_PYTHON.
        amodel: audio tower, as laion_clap calls it.
        tokenizer: folder of vocab.json and merges.txt.
        checkpoint: file of the weights.

    Raises:
        InputError: no interpreter is named, or there is none of that name.
    """
    chosen = python or os.environ.get(VARIABLE)
    if not chosen:
        raise InputError(WHERE, f"no Python is named for it: the variable {VARIABLE} is not set", HINT)
    found = shutil.which(chosen)
    if found is None:
        raise InputError(f"{WHERE}: {chosen}", "no such Python, or it cannot be run", HINT)
    weights = ["--checkpoint", str(checkpoint)] if checkpoint else ["--random-weights"]
    # -I keeps PYTHONPATH, and this folder whose modules could hide others, out of the worker's path
    return [found, "-I", laion_worker.__file__, "--amodel", amodel, "--tokenizer", str(tokenizer), *weights]


class Worker:
    """A worker process: one for all requests; it ends with this object, and with this process however that ends.

    Where its torch can use a GPU, this process takes one for it: the worker sees no other.

    Args:
        arguments: its command line.
        timeout: seconds that an answer may take; the first one waits for the model to be loaded.

    Raises:
        InputError: it does not start, or cannot load its model.
    """

    def __init__(self, arguments: Sequence[str], timeout: float) -> None:
        self._timeout = timeout
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        pipe = subprocess.PIPE
        gpus.take(arguments[0])
        try:
            self._process = subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=self._log)
        except OSError as error:
            raise InputError(f"{WHERE}: {arguments[0]}", f"cannot be started: {error.strerror}", HINT) from None
        self.close = weakref.finalize(self, _end, self._process)
        self.about: dict[str, str] = self._exchange(None)[0].get("ready", {})  # device and versions

    def ask(self, header: dict[str, Any], arrays: Sequence[np.ndarray] = (), *, rows: int) -> np.ndarray:
        """The embeddings that answer one request: float32 (rows, 512).

        Raises:
            InputError: the worker answers with an error, dies, takes too long, or sends something else.
        """
        answer = self._exchange((header, arrays))[1]
        if len(answer) != 1 or answer[0].size != rows * DIM or not np.isfinite(answer[0]).all():
            sizes = [array.size for array in answer]
            raise InputError(WHERE, f"the worker sent arrays of {sizes}, not {rows} rows of {DIM} finite numbers")
        return answer[0].reshape(rows, DIM)

    def _exchange(self, request: tuple[dict[str, Any], Sequence[np.ndarray]] | None) -> laion_worker.Message:
        """Send a request, or none; wait for the next message."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        overdue = threading.Event()
        timer = threading.Timer(self._timeout, lambda: (overdue.set(), self._process.kill()))
        timer.daemon = True
        timer.start()
        try:
            if request is not None:
                laion_worker.send(stdin, *request)
            message = laion_worker.receive(stdout)
        except (OSError, EOFError, ValueError, TypeError, KeyError):  # a broken pipe, or no message of ours
            message = None
        finally:
            timer.cancel()
        if message is None:
            raise InputError(WHERE, self._death(overdue.is_set()), HINT)
        if "error" in message[0]:
            raise InputError(WHERE, f"the worker says: {message[0]['error']}", HINT)
        return message

    def _death(self, overdue: bool) -> str:
        """Why there was no answer: the exit code and the last line of standard error."""
        self.close()
        if overdue:
            return f"no answer in {self._timeout:g} s; the worker was ended"
        self._log.seek(0)
        lines = [line.strip() for line in self._log.read().decode("utf-8", "replace").splitlines() if line.strip()]
        return f"the worker died (exit code {self._process.returncode}): {lines[-1][:300] if lines else 'no message'}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close the worker's pipes, which ends it; kill it where it does not."""
    for stream in (process.stdin, process.stdout):
        try:
            if stream is not None:
                stream.close()
        except OSError:  # what was still to be sent has no reader
            continue
    try:
        process.wait(timeout=GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
