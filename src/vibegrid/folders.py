"""A result folder appears whole: written beside its final place, then renamed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(out: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty sibling folder of `out`; on success it takes the place of `out`, by rename.

    A folder that is there already (Snakemake creates the parents of outputs, a forced job finds the old one)
    is moved aside first and removed after. On an error the sibling goes and `out` stays as it was.
    """
    target = Path(out)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp"))
    old = draft.with_suffix(".old")
    try:
        yield draft
        os.chmod(draft, 0o755)
        if target.exists():
            os.rename(target, old)
        os.rename(draft, target)
    except BaseException:
        if old.exists() and not target.exists():
            os.rename(old, target)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
