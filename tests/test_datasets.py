"""Splits, noise, dedupe, variants on made-up rows and vectors. Run: pytest tests/test_datasets.py"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibegrid.commands.bench_data import STEPS, growth, measure
from vibegrid.datasets import embed as vectors
from vibegrid.datasets.dedupe import dedupe
from vibegrid.datasets.near import near_any
from vibegrid.datasets.noise import add_errors, noisy_rows
from vibegrid.datasets.split import farthest_points, sizes, split
from vibegrid.datasets.variant import build
from vibegrid.errors import InputError
from vibegrid.files import read_jsonl, write_jsonl
from vibegrid.labels.rows import LABEL_FIELDS
from vibegrid.specs.datasets import SplitSpec, VariantSpec
from vibegrid.vibes.rows import LEVELS, SPLITS, VIBE_FIELDS

DIM = 8
REPRESENTATIONS = (
    "raw_text",
    "scene_only",
    "character_only",
    "both_scopes",
    "xl_only",
    "xs_only",
    "all_levels",
)


def unit(rng: np.random.Generator, n: int, dim: int = DIM) -> np.ndarray:
    points = rng.normal(size=(n, dim)).astype(np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def vibe_row(text: int, page: int, scope: str, level: str) -> dict[str, Any]:
    vibe = f"{scope} {level} of page {page} in text {text}"
    values = [
        "d",
        text,
        "",
        int(scope == "character"),
        page,
        scope,
        None,
        level,
        vibe,
        vibe,
        ["a"],
        ["a"],
        "m",
    ]
    return dict(zip(VIBE_FIELDS, values, strict=True))


def label(vibe: str, payload: dict[str, Any] | None) -> dict[str, Any]:
    values = ["t", [payload], {}, [1.0], {}, 0, payload, None if payload else "429"]
    return {"vibe_original": vibe} | dict(zip(LABEL_FIELDS, values, strict=True))


def study(folder: Path, n_texts: int = 12, seed: int = 0, unlabelled: tuple[int, ...] = ()) -> Path:
    """A folder with vibes, labels, pages and embeddings of two pages a text, two scopes, five levels."""
    rows = [
        vibe_row(text, page, scope, level)
        for text in range(n_texts)
        for page in (1, 2)
        for scope in ("scene", "character")
        for level in LEVELS
    ]
    pages = [
        {"dataset": "d", "id_in_dataset": t, "text_page": p, "text": f"Page {p} of {t}."}
        for t in range(n_texts)
        for p in (1, 2)
    ]
    labels = [
        label(row["vibe_original"], None if i in unlabelled else {"title": f"t{i}"}) for i, row in enumerate(rows)
    ]
    write_jsonl(folder / "vibes.jsonl", rows)
    write_jsonl(folder / "labels.jsonl", labels)
    write_jsonl(folder / "pages.jsonl", pages)
    texts = sorted({row["vibe_original"] for row in rows} | {page["text"] for page in pages})
    vectors.save(folder / "e.npz", texts, unit(np.random.default_rng(seed), len(texts)))
    return folder


def run_split(folder: Path, **spec: Any) -> dict[str, Any]:
    return split(
        SplitSpec(**spec),
        vibes=folder / "vibes.jsonl",
        labels=folder / "labels.jsonl",
        embeddings=folder / "e.npz",
        out=folder / "splits",
    )


def run_variant(folder: Path, **spec: Any) -> dict[str, Any]:
    return build(
        VariantSpec(**spec),
        splits=folder / "splits",
        pages=folder / "pages.jsonl",
        embeddings=folder / "e.npz",
        out=folder / "variant",
    )


def vibes_of(path: Path, field: str = "vibe_original") -> list[str]:
    return [row[field] for row in read_jsonl(path)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = study(tmp_path_factory.mktemp("study"), unlabelled=(0, 25, 47, 103))
    run_split(folder, leakage_threshold=0.95)
    return folder


@settings(max_examples=15, deadline=None)
@given(n_texts=st.integers(4, 25), seed=st.integers(0, 5), threshold=st.sampled_from([0.6, 0.8, 0.95, 1.0]))
def test_no_text_on_two_sides_and_nothing_near_test(
    tmp_path_factory: pytest.TempPathFactory, n_texts: int, seed: int, threshold: float
) -> None:
    folder = study(tmp_path_factory.mktemp("s"), n_texts, seed)
    try:
        report = run_split(folder, seed=seed, leakage_threshold=threshold)
    except InputError as error:
        assert "all SFT-Train rows are within" in str(error)
        return
    owners: dict[int, set[str]] = {}
    total = sum(report["removed"]["rows"].values())
    stored = vectors.load(folder / "e.npz")
    test = stored.of(vibes_of(folder / "splits" / "TEST.jsonl"))
    for name in SPLITS:
        text = (folder / "splits" / f"{name}.jsonl").read_text()
        rows = [json.loads(line) for line in text.splitlines()]
        total += len(rows)
        assert all(tuple(row) == (*VIBE_FIELDS, *LABEL_FIELDS) and row["split"] == name for row in rows)
        for row in rows:
            owners.setdefault(row["id_in_dataset"], set()).add(name)
        if name != "TEST" and rows and threshold < 1:
            assert (stored.of([row["vibe_original"] for row in rows]) @ test.T).max() < threshold
    assert all(len(names) == 1 for names in owners.values()) and report["texts_on_two_sides"] == 0
    # the report's cosines are rounded: .79998 reads .8
    assert threshold == 1 or all(top is None or top <= threshold for top in report["removed"]["max_cosine"].values())
    assert total == n_texts * 20
    texts = report["texts"]
    assert all(texts[name] for name in SPLITS)
    assert sum(len(keys) for keys in texts.values()) == n_texts


def test_shares_and_too_few_texts() -> None:
    assert sizes(SplitSpec(), 100) == (15, 5, 25)
    assert sizes(SplitSpec(), 4) == (1, 1, 1)
    for few in (1, 3):
        with pytest.raises(InputError, match=rf"{few} texts .* at least 4 texts are needed"):
            sizes(SplitSpec(), few)


def test_rows_without_payload_stay_and_are_counted(made: Path) -> None:
    report = json.loads((made / "splits" / "split.json").read_text())
    assert sum(part["without_payload"] for part in report["rows"].values()) == 4
    rows = [row for name in SPLITS for row in read_jsonl(made / "splits" / f"{name}.jsonl")]
    assert sum(row["config_error"] == "429" for row in rows) == 4


def test_a_vibe_without_label_is_an_error(tmp_path: Path) -> None:
    study(tmp_path, 4)
    write_jsonl(tmp_path / "labels.jsonl", read_jsonl(tmp_path / "labels.jsonl")[1:])
    with pytest.raises(InputError, match=r"labels\.jsonl: no label for the vibe 'scene xl of page 1 in text 0'"):
        run_split(tmp_path)


def test_equal_texts_leak_even_at_one(tmp_path: Path) -> None:
    study(tmp_path, 4)
    rows = read_jsonl(tmp_path / "vibes.jsonl")
    for row in rows:
        if row["vibe_level"] == "xs" and row["vibe_scope"] == "scene":
            row["vibe_original"] = rows[4]["vibe_original"]
    write_jsonl(tmp_path / "vibes.jsonl", rows)
    report = run_split(tmp_path, leakage_threshold=1.0)
    assert report["removed"]["rows"] == {"SFT-Train": 2, "SFT-Val": 2, "GRPO": 2}
    assert report["removed"]["examples"][0]["cosine"] == 1.0


def test_farthest_points_cover_clusters() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(DIM)[:4]
    points = np.repeat(centres, 5, axis=0) + 0.01 * rng.normal(size=(20, DIM))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    picked = farthest_points(points, 4)
    assert sorted(i // 5 for i in picked) == [0, 1, 2, 3]
    assert sorted(farthest_points(np.ones((6, 1)), 6)) == list(range(6))


def test_splits_and_variants_are_the_same_bytes_again(tmp_path: Path) -> None:
    seen = []
    for name in ("a", "b"):
        folder = study(tmp_path / name)
        run_split(folder)
        run_variant(folder, error_rate=0.3, size=20)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        seen.append({str(path.relative_to(folder)): path.read_bytes() for path in files})
    assert seen[0] == seen[1]


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_representations(made: Path, representation: str) -> None:
    card = run_variant(made, representation=representation, error_rate=0.0, dedupe_threshold=1.0)
    rows = read_jsonl(made / "variant" / "SFT-Train.jsonl")
    source = [row for row in read_jsonl(made / "splits" / "SFT-Train.jsonl") if row["config_payload"]]
    scopes = {representation.removesuffix("_only")} & {"scene", "character"} or {"scene", "character"}
    levels = {representation.removesuffix("_only")} & set(LEVELS) or set(LEVELS)
    if representation == "raw_text":
        scopes, levels = {"scene"}, {"xl"}
        assert all(row["vibe_original"].startswith("Page ") for row in rows)
    expected = [row for row in source if row["vibe_scope"] in scopes and row["vibe_level"] in levels]
    assert [row["config_payload"] for row in rows] == [row["config_payload"] for row in expected]
    assert all(tuple(row) == (*VIBE_FIELDS, *LABEL_FIELDS) for row in rows)
    assert all(row["vibe_noisy"] == row["vibe_original"] for row in rows)
    assert card["splits"]["SFT-Train"]["rows"] == card["available"] == len(rows)
    assert all(value < 0.95 for value in card["leakage"]["max_cosine"].values())


def test_a_page_equal_to_a_test_page_is_taken_out(tmp_path: Path) -> None:
    study(tmp_path)
    run_split(tmp_path)
    pages = read_jsonl(tmp_path / "pages.jsonl")
    write_jsonl(tmp_path / "pages.jsonl", [page | {"text": "Page 1 of 1."} for page in pages])
    with pytest.raises(InputError, match="leaves no training row"):
        run_variant(tmp_path, representation="raw_text")


def test_noise_is_nested_in_the_rate_and_only_in_training_prompts(made: Path) -> None:
    clean = read_jsonl(made / "splits" / "SFT-Val.jsonl")
    before: dict[str, str] = {}
    for rate in (0.0, 0.05, 0.15, 0.30, 1.0):
        card = run_variant(made, error_rate=rate, dedupe_threshold=1.0)
        rows = read_jsonl(made / "variant" / "SFT-Train.jsonl")
        noisy = {r["vibe_original"]: r["vibe_noisy"] for r in rows if r["vibe_noisy"] != r["vibe_original"]}
        assert len(noisy) == card["noise"]["SFT-Train"]["rows"] == round(rate * len(rows))
        assert before.items() <= noisy.items()
        before = noisy
        assert vibes_of(made / "variant" / "SFT-Val.jsonl", "vibe_noisy") == [
            row["vibe_original"] for row in clean if row["config_payload"]
        ]
    assert vibes_of(made / "variant" / "GRPO.jsonl") != vibes_of(made / "variant" / "GRPO.jsonl", "vibe_noisy")


@given(st.text(min_size=1), st.integers(0, 3))
def test_errors_change_the_text_a_little_and_always_the_same(text: str, seed: int) -> None:
    noisy = add_errors(text, seed)
    assert noisy != text and noisy == add_errors(text, seed)
    assert abs(len(noisy) - len(text)) <= max(1, round(0.06 * len(text)))


@given(st.lists(st.text(max_size=4), max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_noisy_rows_are_nested(vibes: list[str], a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert noisy_rows(vibes, low, 0) <= noisy_rows(vibes, high, 0)
    assert len(noisy_rows(vibes, high, 0)) == round(high * len(vibes))


@given(st.lists(st.integers(0, 12), max_size=60), st.sampled_from([0.3, 0.7, 0.9, 1.0]), st.integers(0, 9))
def test_dedupe_keeps_no_near_pair_and_removes_nothing_else(ids: list[int], threshold: float, seed: int) -> None:
    table = unit(np.random.default_rng(seed), 13, 3)
    texts, points = [str(i) for i in ids], table[ids].reshape(-1, 3)
    found = dedupe(texts, points, threshold)
    assert sorted(found.kept + [i for i, _, _ in found.removed]) == list(range(len(ids)))
    kept = points[found.kept]
    if threshold < 1 and len(kept) > 1:
        assert (kept @ kept.T - 2 * np.eye(len(kept))).max() < threshold + 1e-6
    for i, j, cosine in found.removed:
        assert j in found.kept and j < i
        assert texts[i] == texts[j] or points[i] @ points[j] >= threshold - 1e-6
        assert cosine >= threshold - 1e-6
    exact = dedupe(texts, points, 1.0)
    assert set(found.kept) <= set(exact.kept) == {texts.index(text) for text in set(texts)}


def brute_force(texts: list[str], points: np.ndarray, threshold: float) -> list[int]:
    """Dedupe as it is defined, every row with every kept one, in twice the precision."""
    cosines = points.astype(np.float64) @ points.astype(np.float64).T
    kept: list[int] = []
    for i, text in enumerate(texts):
        near = threshold < 1 and (cosines[i, kept] >= threshold).any()
        if not near and text not in texts[:i]:
            kept.append(i)
    return kept


@pytest.mark.parametrize("threshold", [0.8, 0.95, 1.0])
def test_dedupe_is_exact_on_two_thousand(threshold: float) -> None:
    rng = np.random.default_rng(1)
    points = unit(rng, 2000, 32)
    near = rng.choice(2000, 900, replace=False)
    points[near] = points[rng.integers(0, 2000, 900)] + rng.uniform(0, 0.15, (900, 1)) * unit(rng, 900, 32) * 4
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    texts = [f"vibe {number}" for number in rng.integers(0, 1900, 2000)]
    first = {text: i for i, text in reversed(list(enumerate(texts)))}
    points = points[[first[text] for text in texts]]  # equal texts have equal vectors
    found = dedupe(texts, points, threshold)
    assert found.kept == brute_force(texts, points, threshold)
    assert 100 < len(found.removed) < 1900 and len(found.kept) + len(found.removed) == 2000


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), max_size=40), st.sampled_from([0.4, 0.7, 0.9, 1.0]), st.integers(0, 99))
def test_dedupe_is_exact_on_small_ones(ids: list[int], threshold: float, seed: int) -> None:
    table = unit(np.random.default_rng(seed), 31, 3)
    texts, points = [str(i) for i in ids], table[ids].reshape(-1, 3)
    assert dedupe(texts, points, threshold).kept == brute_force(texts, points, threshold)


def test_a_block_compares_with_all_blocks_before_it() -> None:
    points = np.repeat(unit(np.random.default_rng(0), 400, 64), 4, axis=0)
    found = dedupe([str(i) for i in range(1600)], points, 0.999)
    assert found.kept == list(range(0, 1600, 4))


def test_one_means_equal_text_not_equal_vectors() -> None:
    same = np.ones((3, 1), dtype=np.float32)
    assert dedupe(["a", "b", "a"], same, 1.0) == ([0, 1], [(2, 0, 1.0)])
    assert near_any(["a", "b"], same[:2], ["b"], same[:1], 1.0).hit.tolist() == [False, True]
    assert near_any(["a"], same[:1], [], same[:0], 0.5).hit.tolist() == [False]


def test_both_scopes_is_all_levels() -> None:
    both, levels = (VariantSpec(representation=name) for name in ("both_scopes", "all_levels"))
    assert both == levels and both.model_dump() == levels.model_dump()


def test_the_card_counts_what_was_written(made: Path) -> None:
    card = run_variant(made, error_rate=0.3, dedupe_threshold=0.7, size=50)
    assert card == json.loads((made / "variant" / "card.json").read_text())
    for name, part in card["splits"].items():
        rows = read_jsonl(made / "variant" / f"{name}.jsonl")
        assert part["rows"] == len(rows) == sum(part["by_scope"].values()) == sum(part["by_level"].values())
        assert part["noisy"] == sum(row["vibe_noisy"] != row["vibe_original"] for row in rows)
        assert part["lengths"]["prompt_words"]["max"] == max(len(row["vibe_noisy"].split()) for row in rows)
    train = card["splits"]["SFT-Train"]
    source = read_jsonl(made / "splits" / "SFT-Train.jsonl")
    assert train["rows"] == 50 and train["without_payload"] == sum(row["config_payload"] is None for row in source)
    assert card["available"] + card["duplicates"]["removed"] + train["without_payload"] == len(source)
    assert 0 < len(card["duplicates"]["examples"]) <= 5 and all(
        e["cosine"] >= 0.7 for e in card["duplicates"]["examples"]
    )
    stored, files = vectors.load(made / "e.npz"), (*card["splits"],)
    test = stored.of(vibes_of(made / "splits" / "TEST.jsonl"))
    sides = [{row["id_in_dataset"] for row in read_jsonl(made / "splits" / "TEST.jsonl")}]
    for name in files:
        sides.append({row["id_in_dataset"] for row in read_jsonl(made / "variant" / f"{name}.jsonl")})
        assert (stored.of(vibes_of(made / "variant" / f"{name}.jsonl")) @ test.T).max() < 0.95
    assert card["leakage"]["texts"] == len(set.union(*sides)) == sum(len(side) for side in sides)


def test_the_card_for_people_shows_it_and_escapes_what_it_shows(tmp_path: Path) -> None:
    study(tmp_path)
    rows = read_jsonl(tmp_path / "vibes.jsonl")
    evil = "<script>alert(1)</script> | a *bold* ```vibe\n# heading"
    for row in rows:
        row["vibe_original"] = evil if row["vibe_level"] == "xs" else row["vibe_original"]
    write_jsonl(tmp_path / "vibes.jsonl", rows)
    write_jsonl(tmp_path / "labels.jsonl", [*read_jsonl(tmp_path / "labels.jsonl"), label(evil, {"title": "t"})])
    texts = sorted({row["vibe_original"] for row in rows})
    vectors.save(tmp_path / "e.npz", texts, unit(np.random.default_rng(0), len(texts)))
    run_split(tmp_path)
    removed = json.loads((tmp_path / "splits" / "split.json").read_text())["removed"]["rows"]["SFT-Train"]
    assert removed > 0  # TEST has that text too
    write_jsonl(tmp_path / "splits" / "TEST.jsonl", read_jsonl(tmp_path / "splits" / "TEST.jsonl")[:4])
    train = read_jsonl(tmp_path / "splits" / "SFT-Train.jsonl")
    repeated = [row | {"vibe_original": evil} for row in train[:2]]
    write_jsonl(tmp_path / "splits" / "SFT-Train.jsonl", [*train, *repeated])
    run_variant(tmp_path, error_rate=1.0)
    shown = (tmp_path / "variant" / "card.md").read_text()
    assert "<script>" not in shown and "&lt;script&gt;" in shown and "\n# heading" not in shown
    assert f"| SFT-Train | {removed} | 0 |" in shown
    for heading in ("## Rows", "## Lengths", "## Duplicates", "## Noise", "## Leakage"):
        assert heading in shown


def test_a_text_on_two_sides_is_no_variant(tmp_path: Path) -> None:
    study(tmp_path)
    run_split(tmp_path)
    test = read_jsonl(tmp_path / "splits" / "TEST.jsonl")
    moved = [row | {"vibe_original": "scene xl of page 1 in text 0"} for row in test[:1]]
    write_jsonl(tmp_path / "splits" / "SFT-Val.jsonl", moved)
    write_jsonl(tmp_path / "splits" / "TEST.jsonl", test[1:4])
    with pytest.raises(InputError, match=r"text d/\d+ has rows in SFT-Val and in TEST"):
        run_variant(tmp_path)
    assert not (tmp_path / "variant").exists()


def test_dedupe_is_monotone_on_real_like_rows(made: Path) -> None:
    available = [run_variant(made, dedupe_threshold=t)["available"] for t in (0.5, 0.7, 0.9, 1.0)]
    assert available == sorted(available) and available[0] < available[-1]


def test_sizes_are_nested_and_draws_differ(made: Path) -> None:
    def subset(size: int | None, draw: int = 0) -> list[str]:
        run_variant(made, size=size, draw=draw, dedupe_threshold=1.0)
        return vibes_of(made / "variant" / "SFT-Train.jsonl")

    everything = subset(None)
    for draw in (0, 1, 2):
        previous: set[str] = set()
        for size in (1, 5, 20, 100):
            chosen = subset(size, draw)
            assert len(chosen) == size and previous <= set(chosen) <= set(everything)
            assert chosen == [vibe for vibe in everything if vibe in set(chosen)]
            previous = set(chosen)
    assert len({tuple(subset(5, draw)) for draw in (0, 1, 2)}) == 3
    assert subset(None, 2) == everything


def test_a_size_beyond_the_rows_names_their_number(made: Path) -> None:
    there = run_variant(made, dedupe_threshold=1.0)["available"]
    assert run_variant(made, dedupe_threshold=1.0, size=there)["splits"]["SFT-Train"]["rows"] == there
    with pytest.raises(InputError, match=rf"{there + 1} rows were asked for, there are {there}"):
        run_variant(made, dedupe_threshold=1.0, size=there + 1)


def test_embeddings_come_back_and_are_the_same_bytes(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "vibes.jsonl", [vibe_row(1, 1, "scene", level) for level in ("m", "xs", "m")])
    assert vectors.embed(tmp_path, tmp_path / "a.npz") == 2
    vectors.embed(tmp_path, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    stored = vectors.load(tmp_path / "a.npz")
    assert list(stored.place) == sorted(stored.place)
    wider = stored.covering(["rain", "scene m of page 1 in text 1"])
    assert wider.of(["rain"]).shape == (1, 384)
    assert np.array_equal(wider.of(list(stored.place)), stored.vectors)


def test_a_truncated_file_of_embeddings_is_an_error(tmp_path: Path) -> None:
    vectors.save(tmp_path / "a.npz", ["a"], np.ones((1, 4)))
    data = (tmp_path / "a.npz").read_bytes()
    for cut in (0, 10, len(data) // 2, len(data) - 5):
        (tmp_path / "b.npz").write_bytes(data[:cut])
        with pytest.raises(InputError, match=r"b\.npz"):
            vectors.load(tmp_path / "b.npz")


def test_growth_is_the_slope_on_logarithms() -> None:
    assert growth([10, 100, 1000], [0.1, 1.0, 10.0]) == pytest.approx(1.0)
    assert growth([10, 100, 1000], [2.0, 200.0, 20_000.0]) == pytest.approx(2.0)


def test_the_benchmark_runs_every_step_on_vibes_that_dedupe_can_thin() -> None:
    found = measure(600)
    assert found["removed"] > 0 and found["peak_mib"] > 0
    assert all(found[step] > 0 for step in STEPS)
