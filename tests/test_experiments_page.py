"""docs/experiments.md and the findings that it quotes; captions of the report."""

import json
from pathlib import Path

import pytest
from docutils.core import publish_parts

from vibegrid.analyses.compare import COLUMNS
from vibegrid.commands.experiments import experiments_page
from vibegrid.commands.findings import FINDINGS, as_json, keep_findings, read_findings, sentence
from vibegrid.errors import InputError
from vibegrid.figures.captions import Captions, rst
from vibegrid.files import write_csv
from vibegrid.grid.load import load_experiments

ROOT = Path(__file__).resolve().parents[1]


def row(arm, **cells):
    base = {"scale": "mini", "experiment": "x", "subset": "all", "status": "ok", "primary": "confirmatory"}
    return dict.fromkeys(COLUMNS, "") | base | {"arm": arm, "metric": "reward", "eval_set": "short_prompts"} | cells


def test_every_experiment_has_its_paragraph():
    page = experiments_page(ROOT)
    titles = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert titles == sorted(load_experiments(ROOT))
    assert page == (ROOT / "docs/experiments.md").read_text(encoding="utf-8")
    assert page.count("**What mini shows:**") == page.count("**What full needs:**") == len(titles)


def test_findings_keep_confirmatory_rows_and_other_scales(tmp_path):
    reference = row("a", reference="a", mean="0.5", ci_low="0.4", ci_high="0.6")
    other = row("@b", reference="a", mean="0.7", delta="0.2", delta_low="0.1", delta_high="0.3", p_holm="0.01")
    extra = [row("a", primary="exploratory"), row("a", subset="seen")]
    write_csv(tmp_path / "results/all_tables.csv", [reference, other, *extra], COLUMNS)
    assert keep_findings(tmp_path, "results") == 2
    write_csv(tmp_path / "results/small/all_tables.csv", [row("c", scale="small", mean="1")], COLUMNS)
    assert keep_findings(tmp_path, "results/small") == 1
    found = read_findings(tmp_path)
    assert set(found) == {"mini", "small"} and [each["arm"] for each in found["mini"]["x"]] == ["a", "@b"]
    said = sentence(found["mini"]["x"])
    assert said == (
        "reward on short prompts: a 0.500 [0.400, 0.600]; against it @b +0.200 [+0.100, +0.300] (p = 0.01)."
    )


def test_findings_are_kept_a_reading_a_line():
    text, found = (ROOT / FINDINGS).read_text(encoding="utf-8"), read_findings(ROOT)
    assert text == as_json(found) + "\n"  # what is kept is what would be written
    rows = [one for of_scale in found.values() for experiment in of_scale.values() for one in experiment]
    lines = [json.loads(line.strip().rstrip(",")) for line in text.splitlines() if '"arm"' in line]
    assert lines == rows and len(text.splitlines()) < 2 * len(rows)
    assert json.loads(as_json({"mini": {"x": []}, "full": {}})) == {"mini": {"x": []}, "full": {}}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row("x ~ y", mean="0.25", p_holm="0.5")], "reward on short prompts: x ~ y 0.25 (p = 0.5)."),
        ([row("x", status="no scores")], "reward on short prompts: x no scores."),
        ([row("a", reference="a", status="failed")], "reward on short prompts: a failed."),
    ],
)
def test_findings_of_analyses_and_failures(rows, said):
    assert sentence(rows) == said


def test_without_results_there_is_nothing_to_keep(tmp_path):
    with pytest.raises(InputError, match=r"all_tables\.csv"):
        keep_findings(tmp_path, "results")
    assert read_findings(tmp_path) == {}


@pytest.mark.parametrize(
    "text", ["*a* _b_ `c` |d| [e]_ <script>", ".. raw:: html", "- item", "1. one", "a::", "x\\y", ":role:`z`", ""]
)
def test_a_caption_is_one_paragraph_of_text(text):
    body = publish_parts(rst(text), writer="html")["body"]
    assert body.count("<p>") == (1 if text else 0)
    assert "<script>" not in body and "<li>" not in body and "<em>" not in body and "system-message" not in body
    plain = body.replace("<p>", "").replace("</p>", "").strip()
    assert plain.replace("&lt;", "<").replace("&gt;", ">") == text


def test_captions_are_read_from_the_figure(tmp_path):
    from vibegrid.figures import style

    with style.house_style():
        figure, _, _ = style.new_figure(3, 2, "Title", "footer")
        style.save(figure, tmp_path / "a.pdf", tmp_path / "a.png", "Title", "A caption – with *stars*.")
    assert Captions()[str(tmp_path / "a.png")] == r"\ A caption – with \*stars\*."
