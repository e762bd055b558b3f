"""`python -m vibegrid.remote.run --call JSON script ARGUMENTS`: a step's script on Modal, as if it ran here.

The rules put it in the place of `python` where the scale says `compute: modal`. Output folder, log and exit code are
those of the script. Ctrl-C cancels the call; a killed process leaves it running, and the next one waits for it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.evals.parts import find_parts
from vibegrid.llm.settings import VARIABLE as LLMS
from vibegrid.remote.preflight import check_installed, one_line_errors
from vibegrid.specs.remote import RemoteSpec

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, 2 for bad input, 130 after Ctrl-C, 1 for anything else."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--call", type=json.loads, required=True, help="inputs, weights, machine: JSON")
    parser.add_argument("script", type=Path, help="the step's script")
    parser.add_argument("argv", nargs=argparse.REMAINDER, help="its arguments")
    options = parser.parse_args(arguments)
    where = argument(options.argv, "--log")
    lines = _set_up_log(Path(where) if where else None)
    log = logging.getLogger("vibegrid.remote")
    try:
        check_installed()
        with one_line_errors():
            line = run(options.call, options.script, options.argv, lines)
        sys.stderr.write(f"{line}\n" if line else "")
        return 2 if line else 0
    except InputError as error:
        log.error("%s", error)
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        log.exception("failed")
        sys.stderr.write(f"{type(error).__name__}: {error}" + (f" (log: {where})" if where else "") + "\n")
        return 1


def run(call: dict[str, Any], script: Path, argv: list[str], lines: logging.Logger) -> str:
    """Run the script with its declared files; parts of earlier folders that it may keep go with them.

    Returns:
        The line of its error where its input is bad; else nothing.
    """
    from vibegrid.remote import client

    log_file = argument(argv, "--log") or f"logs/{script.stem}/remote.log"
    parts = json.loads(argument(argv, "--spec") or "{}").get("parts", {})
    kept = find_parts(Path(call["out"]).parent, parts).values() if parts else ()
    sent = {
        "step": script.stem,
        "argv": argv if argument(argv, "--log") else [*argv, "--log", log_file],
        "out": call["out"],
        "work": call["work"],
        "log": log_file,
        "weights": call["weights"],
        "llms": os.environ.get(LLMS, ""),
    }
    inputs = sorted({*call["inputs"], *(str(path) for path in kept)})
    return client.run(Path.cwd(), sent, inputs, RemoteSpec.model_validate(call["machine"]), lines.info)


def argument(argv: list[str], name: str) -> str | None:
    """The value after an option of the script, if it is given."""
    return argv[argv.index(name) + 1] if name in argv[:-1] else None


def _set_up_log(path: Path | None) -> logging.Logger:
    """Our lines with their time, and a logger for those of the remote log, which have one."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    stream = path.open("w", encoding="utf-8") if path else sys.stderr
    handler, plain = logging.StreamHandler(stream), logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("vibegrid").setLevel(logging.INFO)
    logging.captureWarnings(True)
    lines = logging.getLogger("vibegrid.remote.lines")
    lines.handlers, lines.propagate = [plain], False
    return lines


if __name__ == "__main__":
    sys.exit(main())
