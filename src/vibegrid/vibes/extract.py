"""The vibes stage: each page of each text goes to the extractor, each answer becomes vibe rows.

A page whose extraction fails for good is counted with its reason and leaves no rows; only if every page
fails is the step an error.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vibegrid.errors import InputError
from vibegrid.files import write_json, write_jsonl
from vibegrid.llm.checked import Chat, Checked, complete_checked, repair_chat
from vibegrid.llm.client import Completion, Request, complete_many
from vibegrid.llm.forms import plain_schema, response_format
from vibegrid.llm.prompts import Prompt
from vibegrid.llm.usage import Tally
from vibegrid.specs.vibes import VibesSpec
from vibegrid.texts.collect import read_texts
from vibegrid.texts.markers import marked
from vibegrid.vibes.answers import Answer, parse_answer
from vibegrid.vibes.paginate import page_marker, paginate

log = logging.getLogger(__name__)

MAX_TOKENS = 4_096  # of an answer


class Page(NamedTuple):
    """A page of a text; `number` counts from 1, `of` is the number of pages of the text."""

    dataset: str
    id_in_dataset: str | int
    number: int
    of: int
    text: str


def extract(spec: VibesSpec, *, texts: Path, prompt: Prompt, store: Path, salt: str, out: Path) -> dict[str, Any]:
    """Extract the vibes of all texts and write `vibes.jsonl`, `pages.jsonl` and `extraction.json` to folder
    `out`.

    Args:
        spec: the extractor, its sampling, and the words a page.
        texts: file of the texts stage.
        prompt: the system prompt.
        store: the store of LLM responses; what stands there is not asked again.
        salt: part of each response's identity (a new salt asks again).
        out: folder for the results.

    Returns:
        The counts that are in `extraction.json`.
    """
    pages = pages_of(read_texts(texts), spec.page_words)
    tally = Tally()
    outcomes = ask(spec, pages, prompt=prompt.text, store=store, salt=salt, tally=tally)
    failed = [
        {"dataset": p.dataset, "id_in_dataset": p.id_in_dataset, "text_page": p.number, "reason": o.reason}
        for p, o in zip(pages, outcomes, strict=True)
        if o.value is None
    ]
    if len(failed) == len(pages):
        raise InputError(spec.extractor, f"no page of {len(pages)} could be extracted: {failed[0]['reason']}")
    if failed:
        log.warning("%d of %d pages failed, the first: %s", len(failed), len(pages), failed[0]["reason"])
    rows = [
        row
        for page, outcome in zip(pages, outcomes, strict=True)
        if outcome.value is not None
        for row in vibe_rows(page, outcome.value, spec.extractor)
    ]
    report = {
        "pages": len(pages),
        "answered": len(pages) - len(failed),
        "repaired": sum(outcome.repaired for outcome in outcomes),
        "stored": sum(outcome.completion.stored for outcome in outcomes),
        "failed": failed,
        "vibes": len(rows),
        "llm": {"model": spec.extractor, **prompt.label(), **tally.report()},
    }
    write_jsonl(out / "vibes.jsonl", rows)
    write_jsonl(out / "pages.jsonl", map(_page_row, pages))
    write_json(out / "extraction.json", report)
    return report


def pages_of(texts: Sequence[dict[str, Any]], page_words: int) -> list[Page]:
    """All pages of all texts, in order."""
    found = []
    for row in texts:
        parts = paginate(row["text"], page_words)
        found += [
            Page(row["dataset"], row["id_in_dataset"], number, len(parts), part)
            for number, part in enumerate(parts, start=1)
        ]
    return found


def ask(
    spec: VibesSpec, pages: Sequence[Page], *, prompt: str, store: Path, salt: str, tally: Tally
) -> list[Checked[Answer]]:
    """One request a page, and one more for a page whose answer cannot be used."""
    params = {
        "temperature": spec.temperature,
        "seed": spec.seed,
        "max_tokens": MAX_TOKENS,
        "response_format": response_format("vibes", plain_schema(Answer)),
    }

    def complete(_: Sequence[int], chats: Sequence[Chat]) -> list[Completion]:
        requests = [Request(chat, params) for chat in chats]
        return complete_many(requests, model=spec.extractor, store_path=store, salt=salt, tally=tally)

    chats = [_chat(page, prompt) for page in pages]
    return complete_checked(chats, complete, parse_answer, _repair, tally)


def _chat(page: Page, prompt: str) -> Chat:
    """The marker of the page stands outside `<text>`, where only words of the text stand."""
    content = marked("text", page.text)
    if page.of > 1:
        content = f"{page_marker(page.number)}\n{content}"
    return [{"role": "system", "content": prompt}, {"role": "user", "content": content}]


def _repair(chat: Chat, answer: str, reason: str) -> Chat:
    """The page comes again, last, as it was first."""
    return repair_chat(chat, answer, reason, again=chat[-1]["content"])


def vibe_rows(page: Page, answer: Answer, model: str) -> list[dict[str, Any]]:
    """A row for each scope entry and level; `vibe_index` counts the entries of the page, 0 is the scene."""
    return [
        {
            "dataset": page.dataset,
            "id_in_dataset": page.id_in_dataset,
            "split": "",
            "vibe_index": index,
            "text_page": page.number,
            "vibe_scope": scope,
            "character_name": name,
            "vibe_level": level,
            "vibe_original": vibe,
            "vibe_noisy": vibe,
            "tags_original": list(ladder.tags),
            "tags_noisy": list(ladder.tags),
            "vibe_model": model,
        }
        for index, (scope, name, ladder) in enumerate(answer.ladders())
        for level, vibe in ladder.levels()
    ]


def _page_row(page: Page) -> dict[str, Any]:
    return {
        "dataset": page.dataset,
        "id_in_dataset": page.id_in_dataset,
        "text_page": page.number,
        "text": page.text,
    }
