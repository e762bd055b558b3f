"""What every script of a step shares: arguments, log, one-line errors, and how long its imports took."""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.files import write_json
from vibegrid.redact import redacted

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "MPLBACKEND": "Agg",
}

HANDED_OVER = "VIBEGRID_HANDED_OVER"  # in the environment of a script that a server of preloaded imports runs

log = logging.getLogger("vibegrid")

# Python puts the script's folder first in its path, where scripts/tabulate.py would hide the library `tabulate`.
_FOLDER = str(Path(sys.argv[0]).resolve().parent)
if Path(_FOLDER).name == "scripts":
    sys.path[:] = [entry for entry in sys.path if str(Path(entry or ".").resolve()) != _FOLDER]


class ImportClock:
    """Seconds that this process has spent importing (the outermost imports only)."""

    def __init__(self) -> None:
        self.seconds = time.process_time()
        self._depth = 0
        import _frozen_importlib

        find_and_load: Callable[..., Any] = getattr(_frozen_importlib, "_find_and_load")  # noqa: B009

        def timed(*args: Any, **keywords: Any) -> Any:
            if self._depth:
                return find_and_load(*args, **keywords)
            self._depth, start = 1, time.perf_counter()
            try:
                return find_and_load(*args, **keywords)
            finally:
                self._depth = 0
                self.seconds += time.perf_counter() - start

        setattr(_frozen_importlib, "_find_and_load", timed)  # noqa: B010


def parser(docstring: str | None) -> argparse.ArgumentParser:
    """A parser with ``--spec`` (JSON, or ``@file``) and ``--log``; the script adds its files."""
    made = argparse.ArgumentParser(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--spec", type=spec, default={}, help="the step's spec: JSON, or @file.json")
    made.add_argument("--log", type=Path, default=None, help="log file; the terminal where it is left out")
    return made


def spec(text: str) -> dict[str, Any]:
    """The value of ``--spec``."""
    source = text
    if text.startswith("@"):
        source = Path(text[1:]).read_text(encoding="utf-8")
    try:
        value = json.loads(source)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("a JSON object was expected")
    return value


def run(
    arguments: argparse.ArgumentParser,
    main: Callable[[argparse.Namespace], None],
    preload: Sequence[str] | Callable[[argparse.Namespace], Sequence[str]] = (),
) -> None:
    """Run a step: 0 when it is done, 2 with one line for bad input, 1 for anything else (traceback in the log).

    Args:
        arguments: the parser.
        main: the step.
        preload: libraries that a server shared by all such scripts may import for it (`vibegrid.preload`).
    """
    clock = ImportClock()
    started = time.perf_counter() - clock.seconds  # the process's start, as near as it can tell
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    options = arguments.parse_args()
    started = _preloaded(preload(options) if callable(preload) else preload, started, clock)
    _set_up_log(options.log)
    try:
        main(options)
    except InputError as error:
        log.error("%s", error)
        _say(str(error), options.log)
        sys.exit(2)
    except BaseException as error:
        log.exception("failed")
        where = f" (traceback: {options.log})" if options.log else ""
        _say(f"{type(error).__name__}: {error}{where}", options.log)
        raise SystemExit(1) from None
    if options.log is not None:
        write_json(
            options.log.with_suffix(".timing.json"),
            {
                "step": Path(sys.argv[0]).stem,
                "ended": round(time.time(), 3),
                "wall_s": round(time.perf_counter() - started, 3),
                "imports_s": round(clock.seconds, 3),
                "max_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            },
        )


def _preloaded(modules: Sequence[str], started: float, clock: ImportClock) -> float:
    """Hand over to a server of preloaded imports, or go on here. Returns when the job began, as its process saw it.

    In the server's child the clock holds what the job's process spent on imports and on waiting for the child.
    """
    handed_over = os.environ.pop(HANDED_OVER, None)
    asked, spent = time.perf_counter(), clock.seconds
    if handed_over is not None:
        started, asked, spent = json.loads(handed_over)
    elif modules:
        from vibegrid.preload import hand_over

        hand_over(modules, {HANDED_OVER: json.dumps([started, asked, spent])})
    clock.seconds = spent + time.perf_counter() - asked
    return started


class _WithoutKeys(logging.Formatter):
    """Lines and tracebacks in which no key can be read."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def _set_up_log(path: Path | None) -> None:
    handler: logging.Handler
    if path is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(_WithoutKeys("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    log.setLevel(logging.INFO)
    logging.captureWarnings(True)


def _say(line: str, path: Path | None) -> None:
    """The error on the terminal too, where the log is a file."""
    if path is not None:
        sys.stderr.write(redacted(line) + "\n")


def optional_path(text: str) -> Path | None:
    """A path, or None for an empty argument (a role that this system does not have)."""
    return Path(text) if text else None


def named_path(text: str) -> tuple[str, Path]:
    """``name=path`` of a command line.

    Raises:
        InputError: there is no ``=`` in it.
    """
    name, found, path = text.partition("=")
    if not found or not name or not path:
        raise InputError(text, "name=path was expected")
    return name, Path(path)
