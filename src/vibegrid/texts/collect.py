"""The texts stage: source documents from a JSONL file or from streams, checked, drawn and cut."""

import importlib
import logging
import re
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.files import write_json, write_jsonl
from vibegrid.specs.texts import CommonPileTexts, FileTexts
from vibegrid.texts.draws import sample
from vibegrid.texts.registry import SOURCES
from vibegrid.texts.rows import check_text, numbered_rows, text_key

log = logging.getLogger(__name__)

REQUIRED = ("dataset", "id_in_dataset", "text")
OPTIONAL = ("created", "metadata")


def collect(spec: FileTexts | CommonPileTexts, source: Path | None, out: Path) -> list[dict[str, Any]]:
    """Draw texts, cut each at `spec.max_words`, write them to folder `out`.

    A file's rows stay in its order, `spec.limit` of them; a stream's in the order in which they were drawn.
    Writes `texts.jsonl` (`id_in_dataset` as it was) and `texts.json` (counts).

    Args:
        spec: which texts.
        source: file of the texts; none for streams, which the spec names.
        out: folder of the results.

    Raises:
        InputError: names the file and line of a row that cannot be read, is empty or repeats another, or the
            dataset that cannot be streamed.
    """
    report: dict[str, Any] = {}
    if isinstance(spec, CommonPileTexts):
        rows, report["streams"] = importlib.import_module(SOURCES[spec.source]).draw(spec)
    else:
        rows = read_texts(_file(source))
        report["in_source"] = len(rows)
        if spec.limit is not None:
            rows = sample(rows, spec.limit, text_key, "texts", spec.seed)
    cut = [row | {"text": cut_words(row["text"], spec.max_words)} for row in rows]
    n_cut = sum(after["text"] != before["text"] for after, before in zip(cut, rows, strict=True))
    if n_cut:
        log.warning("%d of %d texts were cut after %d words", n_cut, len(rows), spec.max_words)
    words = sum(len(row["text"].split()) for row in cut)
    report |= {"texts": len(cut), "cut": n_cut, "words": words}
    log.info("texts: %s", report)
    write_jsonl(out / "texts.jsonl", cut)
    write_json(out / "texts.json", report)
    return cut


def _file(source: Path | None) -> Path:
    if source is None:
        raise InputError("--texts", "a file of texts was expected", "only streams need none")
    return source


def read_texts(path: Path) -> list[dict[str, Any]]:
    """The text rows of a file, each with `dataset`, `id_in_dataset`, `text` and what it has of the optional
    ones."""
    rows = []
    for where, row in numbered_rows(path, REQUIRED, unique="dataset+id_in_dataset"):
        check_text(where, "dataset", row["dataset"])
        identifier = row["id_in_dataset"]
        if isinstance(identifier, bool) or not isinstance(identifier, int | str):
            raise InputError(where, "field 'id_in_dataset' must be a text or a whole number")
        check_text(where, "id_in_dataset", str(identifier))
        check_text(where, "text", row["text"])
        rows.append({field: row[field] for field in (*REQUIRED, *OPTIONAL) if field in row})
    return rows


def cut_words(text: str, max_words: int) -> str:
    """The text up to the end of its `max_words`-th word; the text itself where it has no more."""
    end = 0
    for count, match in enumerate(re.finditer(r"\S+", text), start=1):
        if count > max_words:
            return text[:end]
        end = match.end()
    return text
