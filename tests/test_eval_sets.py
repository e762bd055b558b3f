"""The packaged eval sets: fields, groups, labels, balance, and the share of unseen prompts."""

import re
from collections import Counter
from pathlib import Path

import pytest

from vibegrid.evals.familiarity import content_words, familiarity, known_words, stem
from vibegrid.files import read_jsonl, read_text
from vibegrid.schema import FIELDS, ORDERED, is_legal
from vibegrid.texts.rows import check_text

ROOT = Path(__file__).parents[1]
SETS = ROOT / "config" / "eval_sets"
LEXICON = ROOT / "src" / "vibegrid" / "llm" / "data" / "composer_lexicon.tsv"
CORPUS = ROOT / "config" / "texts" / "embedded.jsonl"
CONTROLLABILITY = ("tempo", "mode", "brightness", "rhythm", "texture")
KEYS = [
    "id",
    "prompt",
    "category",
    "subcategory",
    "expected_fields",
    "difficulty",
    "source",
    "paraphrase_group",
    "notes",
]
PLAIN = [SETS / f"{name}_prompts.jsonl" for name in ("short", "long", "ood")]
PATHS = PLAIN + [SETS / "controllability" / f"{name}_prompts.jsonl" for name in CONTROLLABILITY]


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Stems of the composer's lexicon and of every word of the embedded corpus, from which vibes are made."""
    entries = [line.split("\t")[0] for line in read_text(LEXICON).splitlines() if not line.startswith("#")]
    return known_words(entries + [row["text"] for row in read_jsonl(CORPUS)])


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_rows(path):
    rows = read_jsonl(path, required=KEYS, unique="id")
    assert all(list(row) == KEYS for row in rows)
    assert len({row["prompt"].lower() for row in rows}) == len(rows)
    assert {row["source"] for row in rows} == {"manual"}
    assert {row["difficulty"] for row in rows} <= {"easy", "medium", "hard"}


@pytest.mark.parametrize(("name", "count", "fewest", "most"), [("short", 30, 1, 6), ("long", 24, 60, 150)])
def test_short_and_long_prompts(name, count, fewest, most):
    rows = read_jsonl(SETS / f"{name}_prompts.jsonl")
    assert len(rows) == count
    for row in rows:
        assert fewest <= len(row["prompt"].split()) <= most
        assert (row["category"], row["subcategory"], row["expected_fields"]) == (name, None, {})
        assert row["paraphrase_group"] is None


def test_ood_prompts_are_of_eight_kinds():
    rows = read_jsonl(SETS / "ood_prompts.jsonl")
    assert len(rows) == 24 and {row["category"] for row in rows} == {"ood"}
    kinds = Counter(re.split(r"[:,]| and | alone", row["notes"])[0] for row in rows)
    prompts = [row["prompt"] for row in rows]
    assert kinds.keys() >= {"another language", "emoji", "code", "abstract", "contradictory", "empty-ish"}
    assert kinds["another language"] == 5 and kinds["instruction-like"] == kinds["empty-ish"] == 3
    assert any(prompt.count("\n") >= 3 for prompt in prompts)  # a list
    assert all(check_text("row", "prompt", prompt) for prompt in prompts)


@pytest.mark.parametrize("name", CONTROLLABILITY)
def test_controllability(name):
    rows = read_jsonl(SETS / "controllability" / f"{name}_prompts.jsonl")
    assert len(rows) == 20
    groups: dict[str, list[dict]] = {}
    for row in rows:
        assert (row["category"], row["subcategory"]) == ("controllability", name)
        assert list(row["expected_fields"]) == [name]
        labels = row["expected_fields"][name]
        assert labels and len(set(labels)) == len(labels) and all(is_legal(name, label) for label in labels)
        assert len(labels) <= (2 if name in ORDERED or len(FIELDS[name]) < 5 else 4)
        groups.setdefault(row["paraphrase_group"], []).append(row)
    assert len(groups) == 10
    for first, second in groups.values():
        assert first["expected_fields"] == second["expected_fields"]
        assert first["difficulty"] == second["difficulty"]


@pytest.mark.parametrize("name", ["tempo", "brightness"])
def test_ordered_sets_are_balanced(name):
    rows = read_jsonl(SETS / "controllability" / f"{name}_prompts.jsonl")
    labels = FIELDS[name]
    sides = Counter()
    for row in rows:
        places = [labels.index(label) - 2 for label in row["expected_fields"][name]]
        sides[(sum(places) > 0) - (sum(places) < 0)] += 1
    assert sides[-1] == 8 and sides[1] == 10 and sides[0] == 2  # of ten groups; plain words for a medium are rare


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_at_least_forty_per_cent_are_unseen(path, known):
    rows = read_jsonl(path)
    tags = [familiarity(row["prompt"], known) for row in rows]
    share = tags.count("unseen") / len(tags)
    assert 0.4 <= share <= 0.8, [row["prompt"] for row, tag in zip(rows, tags, strict=True) if tag == "seen"]
    kinds: dict[str, set[str]] = {}
    for row, tag in zip(rows, tags, strict=True):
        if row["paraphrase_group"]:
            kinds.setdefault(row["paraphrase_group"], set()).add(tag)
    assert all(len(kind) == 1 for kind in kinds.values()), {g: k for g, k in kinds.items() if len(k) > 1}


def test_stems_and_content_words():
    for words in ("glow glows glowing glowed", "star stars starry", "run running runs", "lonely loneliness"):
        assert len({stem(word) for word in words.split()}) == 1, words
    assert content_words("The RAIN, and it's 3 a.m. on the sea!") == {"rain", "sea"}
    assert content_words("") == set()
    assert familiarity("Shining", {"shin"}) == "seen"
    assert familiarity("with the", {"rain"}) == "unseen"
