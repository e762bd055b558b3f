"""Sources of texts and labels: streams in the Common Pile's layout, folders of labelled splits.

Run: pytest tests/test_sources.py
"""

import gzip
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from project import OVERRIDES, copy_sources, planned, snakemake, trim
from pydantic import TypeAdapter, ValidationError

from vibegrid.datasets import embed as vectors
from vibegrid.datasets.labelled import import_splits
from vibegrid.errors import InputError
from vibegrid.files import read_jsonl, write_jsonl
from vibegrid.grid.study import Study
from vibegrid.labels.rows import LABEL_FIELDS
from vibegrid.llm import composer
from vibegrid.specs.datasets import ImportSpec
from vibegrid.specs.texts import CommonPileTexts, FileTexts, LabelledTexts, StreamSpec, TextsSpec
from vibegrid.texts.collect import collect
from vibegrid.vibes.rows import LEVELS, SPLITS, VIBE_FIELDS

ROOT = Path(__file__).resolve().parents[1]
Row = dict[str, Any]


# streams ----------------------------------------------------------------------------------------------------------


def story(shard: int, number: int) -> Row:
    """A row as the Common Pile's files have them; `metadata` differs from shard to shard."""
    return {
        "id": f"{shard}-{number}",
        "text": f"Story {number} of shard {shard}.\u2028It rains. " + "word " * 20,
        "source": "news",
        "added": "2024-05-01T00:00:00",
        "created": f"2023-01-0{number % 9 + 1}" if number % 3 else None,
        "metadata": {"license": "CC BY", "url": f"http://x/{number}"} | ({"author": ["a"]} if shard else {}),
    }


def pile(folder: Path, shards: int = 3, rows: int = 30, change: Callable[[Row], Row] = dict) -> Path:
    for shard in range(shards):
        folder.mkdir(parents=True, exist_ok=True)
        with gzip.open(folder / f"news-{shard:04d}.json.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(change(story(shard, i))) + "\n" for i in range(rows))
    (folder / "README.md").write_text("---\npretty_name: News\n---\n")
    return folder


def drawn(tmp_path: Path, *folders: Path, **spec: Any) -> list[Row]:
    streams = [StreamSpec(path=str(folder), name=folder.name) for folder in folders]
    return collect(CommonPileTexts(streams=tuple(streams), **spec), None, tmp_path / "out")


def test_so_many_texts_of_each_stream_are_drawn_by_the_seed(tmp_path: Path) -> None:
    news, books = pile(tmp_path / "news"), pile(tmp_path / "books")
    rows = drawn(tmp_path, news, books, per_stream=7, buffer=40)
    assert [row["dataset"] for row in rows] == ["news"] * 7 + ["books"] * 7
    assert len({(row["dataset"], row["id_in_dataset"]) for row in rows}) == 14
    written = {f"{shard}-{i}": story(shard, i) for shard in range(3) for i in range(30)}
    for row in rows:
        source = written[row["id_in_dataset"]]
        assert row["text"] == source["text"] and row["created"] == source["created"]
        assert row["metadata"] == {key: source[key] for key in ("source", "added", "metadata")}
    assert rows == read_jsonl(tmp_path / "out" / "texts.jsonl")
    assert drawn(tmp_path, news, books, per_stream=7, buffer=40) == rows
    assert drawn(tmp_path, news, books, per_stream=7, buffer=40, seed=1) != rows
    assert len({row["id_in_dataset"][0] for row in drawn(tmp_path, news, per_stream=30, buffer=90)}) == 3


def test_streamed_texts_are_cut_and_unusable_rows_counted(tmp_path: Path) -> None:
    bad = {1: {"text": " "}, 2: {"text": None}, 3: {"text": "a\0b"}, 4: {"text": "\ud800"}, 5: {"id": "0-0"}}
    folder = pile(tmp_path / "news", 1, 10, lambda row: row | bad.get(int(row["id"][2:]), {}))
    rows = drawn(tmp_path, folder, per_stream=9, max_words=10)
    assert sorted(row["id_in_dataset"] for row in rows) == ["0-0", "0-6", "0-7", "0-8", "0-9"]
    assert all(len(row["text"].split()) == 10 for row in rows)
    report = json.loads((tmp_path / "out" / "texts.json").read_text())
    assert report["cut"] == 5 and report["streams"] == {"news": {"texts": 5, "passed_over": 5}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": ...}, "field 'text' is missing"),
        ({"id": ...}, "field 'id' is missing"),
        ({"text": ""}, "no text in 3 rows"),
    ],
)
def test_a_stream_without_texts_is_one_line(tmp_path: Path, change: Row, message: str) -> None:
    def changed(row: Row) -> Row:
        return {key: value for key, value in (row | change).items() if value is not ...}

    with pytest.raises(InputError, match=message) as caught:
        drawn(tmp_path, pile(tmp_path / "news", 1, 3, changed))
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_a_stream_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    folder = pile(tmp_path / "news", 1, 200)
    data = (folder / "news-0000.json.gz").read_bytes()
    (folder / "news-0000.json.gz").write_bytes(data[: len(data) // 2])
    for path, message in ((folder, "cannot be streamed"), (tmp_path / "none", "no such folder")):
        with pytest.raises(InputError, match=message) as caught:
            drawn(tmp_path, path)
        assert "\n" not in str(caught.value)


def test_offline_is_one_line(tmp_path: Path) -> None:
    """The script itself, so that the library is imported offline as it is in a job."""
    spec = json.dumps({"source": "common_pile", "per_stream": 1})
    command = [
        sys.executable,
        "scripts/collect_texts.py",
        "--spec",
        spec,
        "--texts",
        "",
        "--out",
        str(tmp_path / "out"),
    ]
    log = tmp_path / "log"
    done = subprocess.run([*command, "--log", str(log)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and not (tmp_path / "out").exists()
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("common-pile/news_filtered@") and "HF_HUB_OFFLINE=0" in line


def test_sources_are_told_apart_by_name() -> None:
    parse = TypeAdapter(TextsSpec).validate_python
    assert isinstance(parse({"source": "jsonl", "path": "a"}), FileTexts)
    assert isinstance(parse({"source": "common_pile"}), CommonPileTexts)
    assert isinstance(parse({"source": "labelled", "path": "a"}), LabelledTexts)
    for wrong in ({"source": "labelled"}, {"source": "nowhere"}, {"source": "embedded", "per_stream": 3}):
        with pytest.raises(ValidationError):
            parse(wrong)
    with pytest.raises(ValidationError, match="two streams have one name"):
        parse({"source": "common_pile", "streams": [{"path": "a"}, {"path": "b", "name": "a"}]})


# labelled splits --------------------------------------------------------------------------------------------------


def labelled_row(side: str, text: int, level: str) -> Row:
    vibe = f"{level} of {side} {text}"
    payload = composer.compose(vibe, random.Random(text))
    values = ["d", text, side, 0, 1, "scene", None, level, vibe, vibe, ["a"], ["a"], "m"]
    labels = ["t", [payload], {"format_valid": True}, [1.0], {"clap": [0.1]}, 0, payload, None]
    return dict(zip((*VIBE_FIELDS, *LABEL_FIELDS), [*values, *labels], strict=True)) | {"rated_by": "me"}


def labelled(folder: Path, change: Callable[[Row], Row] = dict) -> Path:
    """Two texts of five rows on each side."""
    for number, side in enumerate(SPLITS):
        rows = [labelled_row(side, 10 * number + text, level) for text in (1, 2) for level in LEVELS]
        write_jsonl(folder / f"{side}.jsonl", map(change, rows))
    return folder


def imported(folder: Path, **spec: Any) -> Row:
    texts = sorted({row["vibe_original"] for side in SPLITS for row in read_jsonl(folder / f"{side}.jsonl")})
    points = np.eye(len(texts), dtype=np.float32)
    vectors.save(folder.parent / "e.npz", texts, points)
    return import_splits(
        ImportSpec(**spec), labelled=folder, embeddings=folder.parent / "e.npz", out=folder.parent / "out"
    )


def test_a_folder_of_labelled_splits_comes_back_unchanged(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "mine")
    report = imported(folder)
    for side in SPLITS:
        assert read_jsonl(tmp_path / "out" / f"{side}.jsonl") == read_jsonl(folder / f"{side}.jsonl")
    assert report["payloads"] == {"counts": {s: {"valid": 10, "invalid": 0, "none": 0} for s in SPLITS}, "examples": []}
    assert report["removed"]["rows"] == {"SFT-Train": 0, "SFT-Val": 0, "GRPO": 0}
    assert (tmp_path / "out" / "pages.jsonl").read_text() == ""
    assert report["texts_on_two_sides"] == 0
    sides = [{tuple(key) for key in keys} for keys in report["texts"].values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 8


def test_pages_of_the_folder_are_taken_along(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "mine")
    pages = [{"dataset": "d", "id_in_dataset": "1", "text_page": 1, "text": "It rained."}]
    write_jsonl(folder / "pages.jsonl", pages)
    imported(folder)
    assert read_jsonl(tmp_path / "out" / "pages.jsonl") == pages


def test_what_is_near_to_test_leaves_the_other_sides(tmp_path: Path) -> None:
    def same(row: Row) -> Row:
        return row | ({"vibe_original": "one vibe for all"} if row["vibe_level"] == "xs" else {})

    report = imported(labelled(tmp_path / "mine", same))
    assert report["removed"]["rows"] == {"SFT-Train": 2, "SFT-Val": 2, "GRPO": 2}
    assert report["removed"]["examples"][0]["test_vibe"] == "one vibe for all"
    assert report["removed"]["max_cosine"] == {"SFT-Train": 0.0, "SFT-Val": 0.0, "GRPO": 0.0}
    assert report["rows"]["TEST"]["rows"] == 10 and report["rows"]["GRPO"]["rows"] == 8


def test_invalid_payloads_are_counted_and_taken_away(tmp_path: Path) -> None:
    def broken(row: Row) -> Row:
        payload = row["config_payload"]
        if row["vibe_level"] == "xl":
            return row | {"config_payload": payload | {"config": payload["config"] | {"tempo": "warp"}}}
        return row | ({"config_payload": None, "config_error": "429"} if row["vibe_level"] == "lg" else {})

    report = imported(labelled(tmp_path / "mine", broken))
    assert report["payloads"]["counts"]["GRPO"] == {"valid": 6, "invalid": 2, "none": 2}
    assert "breaks the schema" in report["payloads"]["examples"][0]["reason"]
    rows = read_jsonl(tmp_path / "out" / "GRPO.jsonl")
    assert [row["config_error"] for row in rows[:3]][1] == "429" and "schema" in rows[0]["config_error"]
    assert rows[0]["config_payload"] is None and rows[2]["config_error"] is None
    assert report["rows"]["GRPO"]["without_payload"] == 4
    with pytest.raises(InputError, match=r"SFT-Train\.jsonl: no row with a valid payload is left"):
        imported(labelled(tmp_path / "other", lambda row: row | {"config_payload": {}}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vibe_model": ...}, r"SFT-Train\.jsonl:1: field 'vibe_model' is missing"),
        ({"config_error": ...}, r"SFT-Train\.jsonl:1: field 'config_error' is missing"),
        ({"vibe_original": " "}, r"SFT-Train\.jsonl:1: field 'vibe_original' is empty"),
        ({"vibe_level": "xxl"}, r"SFT-Train\.jsonl:1: vibe_level 'xxl' is not one of"),
        ({"vibe_level": "xl"}, r"SFT-Train\.jsonl:2: text, page, index, scope, level and character repeat .*:1"),
        ({"id_in_dataset": 1.5}, r"SFT-Train\.jsonl:1: field 'id_in_dataset' must be a text or a whole number"),
        ({"id_in_dataset": 1, "vibe_index": 0}, r"SFT-Train\.jsonl:6: text, page"),
        ({"dataset": 5}, r"SFT-Train\.jsonl:1: field 'dataset' must be a text"),
        ({"text_page": "1"}, r"SFT-Train\.jsonl:1: field 'text_page' must be a whole number, not '1'"),
        ({"tags_original": "a"}, r"SFT-Train\.jsonl:1: field 'tags_original' must be a list of texts"),
        ({"config_payload": "{}"}, r"SFT-Train\.jsonl:1: config_payload must be an object or null"),
        ({"candidate_scores": 1}, r"SFT-Train\.jsonl:1: field 'candidate_scores' must be a list"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, change: Row, message: str) -> None:
    def changed(row: Row) -> Row:
        return {key: value for key, value in (row | change).items() if value is not ...}

    folder = labelled(tmp_path / "mine", changed)
    with pytest.raises(InputError, match=message):
        import_splits(ImportSpec(), labelled=folder, embeddings=tmp_path / "none.npz", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_text_on_two_sides_is_an_error(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "mine")
    rows = read_jsonl(folder / "TEST.jsonl")
    write_jsonl(folder / "TEST.jsonl", [*rows, labelled_row("TEST", 1, "m") | {"id_in_dataset": "1"}])
    with pytest.raises(InputError, match=r"TEST\.jsonl:11: text 'd/1' has rows on two sides, .*SFT-Train\.jsonl:1"):
        imported(folder)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[: len(data) // 2], r"GRPO\.jsonl:\d+: not a JSON object"),
        (lambda data: b"", r"GRPO\.jsonl: the file has no rows"),
        (lambda data: data.replace(b"GRPO 21", b"GRPO\0 21", 1), r"GRPO\.jsonl:1: a NUL byte"),
        (lambda data: data.replace(b"GRPO 21", b"GRPO\xff 21", 1), r"GRPO\.jsonl:1: not UTF-8"),
        (None, r"GRPO\.jsonl: no such file"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, spoil: Callable[[bytes], bytes] | None, message: str) -> None:
    folder = labelled(tmp_path / "mine")
    path = folder / "GRPO.jsonl"
    if spoil is None:
        path.unlink()
    else:
        path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError, match=message):
        import_splits(ImportSpec(), labelled=folder, embeddings=tmp_path / "none.npz", out=tmp_path / "out")


def test_bom_and_crlf_are_fine(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "mine")
    before = read_jsonl(folder / "TEST.jsonl")
    data = (folder / "TEST.jsonl").read_bytes()
    (folder / "TEST.jsonl").write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    imported(folder)
    assert read_jsonl(tmp_path / "out" / "TEST.jsonl") == before


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        import_splits(ImportSpec(), labelled=tmp_path / "none", embeddings=tmp_path / "e", out=tmp_path / "out")


# the workflow on a folder of labelled splits ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = trim(copy_sources(tmp_path_factory.mktemp("labelled") / "project"))
    labelled(made / "mine")
    return made


def test_labelled_splits_are_planned_without_texts_vibes_and_labels(project: Path) -> None:
    made = planned(project, "results/all_tables.csv", "figures", "--config", "labels=mine")
    assert made["Import labelled splits"] and len(made["Embed vibes"]) == 1 and len(made["Build dataset variant"]) == 1
    absent = (
        "Collect texts",
        "Extract",
        "Write payloads",
        "Choose",
        "Split rows",
        "Measure what best of N",
        "Plot what best",
    )
    assert not [step for step in made if step.startswith(absent)]


def test_texts_and_labels_exclude_each_other_and_raw_text_needs_pages(project: Path) -> None:
    with pytest.raises(InputError, match="exclude each other"):
        Study(project, {"scale": "mini", "overrides": OVERRIDES, "labels": "mine", "texts": "a.jsonl"})
    overrides = OVERRIDES | {"sft": OVERRIDES["sft"] | {"dataset": {"representation": "raw_text"}}}
    with pytest.raises(InputError, match=r"mine/pages\.jsonl: no such file, and `raw_text` shows pages"):
        list(Study(project, {"scale": "mini", "overrides": overrides, "labels": "mine"}).all_nodes())
    with pytest.raises(InputError, match=r"none/TEST\.jsonl|none/SFT-Train\.jsonl"):
        list(Study(project, {"scale": "mini", "overrides": OVERRIDES, "labels": "none"}).all_nodes())


def test_an_edited_labelled_file_is_another_split(project: Path) -> None:
    config = {"scale": "mini", "overrides": OVERRIDES, "labels": "mine"}
    before = Study(project, config)
    (project / "mine" / "notes.txt").write_text("not a split file")
    assert Study(project, config).data.splits.id == before.data.splits.id
    path = project / "mine" / "GRPO.jsonl"
    data = path.read_text()
    path.write_text(data.replace("GRPO 21", "GRPO 21!"))
    after = Study(project, config)
    assert after.data.splits.id != before.data.splits.id and after.data.embeddings.id != before.data.embeddings.id
    path.write_text(data)


@pytest.mark.slow
def test_a_variant_is_built_from_labelled_splits(project: Path) -> None:
    found = Study(project, {"scale": "mini", "overrides": OVERRIDES, "labels": "mine"})
    (variant,) = found.nodes("datasets").values()
    snakemake(project, variant.file("card.json"), "--cores", "1", "--config", "labels=mine")
    rows = read_jsonl(project / variant.file("SFT-Train.jsonl"))
    mine = {row["vibe_original"] for row in read_jsonl(project / "mine" / "SFT-Train.jsonl")}
    assert rows and {row["vibe_original"] for row in rows} <= mine and {row["rated_by"] for row in rows} == {"me"}
    assert not any((project / "results" / kind).exists() for kind in ("texts", "vibes", "labels"))
