"""Tables: columns, determinism, captions, and names that are markup."""

import csv
import re

import pytest
from analysis_cases import NASTY, experiment

from vibegrid.analyses.compare import COLUMNS, ROW_COLUMNS, compare
from vibegrid.errors import InputError
from vibegrid.files import read_csv, write_csv
from vibegrid.tables.all_tables import write_all_tables
from vibegrid.tables.escape import latex, markdown, markdown_paragraph
from vibegrid.tables.experiment import write_tables


def tables(tmp_path, case):
    spec, scores, statuses = case
    return spec, [path.read_text() for path in write_tables(spec, compare(spec, scores, statuses), tmp_path)]


def test_tables_of_a_sweep(tmp_path):
    case = experiment({"r=4": 4, "r=8": 8, "r=16": 16}, "r=8", failed=("r=16",))
    _, (long, wide, tex) = tables(tmp_path, case)
    assert long.splitlines()[0] == ",".join(COLUMNS)
    assert wide.startswith("# A title\n")
    lines = [line for line in wide.splitlines() if line.startswith("| r=")]
    assert [line.split(" | ")[0] for line in lines] == ["| r=4", "| r=8 (reference)", "| r=16 (failed)"]
    assert re.search(r"\| r=4 \| 1 \| 12 \(12\) \| 0\.\d{3} \\\[0\.\d{3}, 0\.\d{3}\\\] \|", lines[0])
    assert len({line.count(" | ") for line in lines}) == 1
    for text in (
        "numbers exercise the workflow",
        "p compares two adapters, not two settings",
        "Failed: r=16",
    ):
        assert text in wide and text in tex
    assert "n = 12 prompts in 12 clusters, 1–3 seeds an arm (reference: 3)" in wide
    assert r"\toprule" in tex and r"\label{tab:demo}" in tex and tex.count("{") == tex.count("}")


def test_no_caveat_at_full_scale(tmp_path):
    spec, scores, statuses = experiment({"a": 1, "b": 2}, "a")
    _, (_, wide, _) = tables(tmp_path, (spec | {"scale": "full"}, scores, statuses))
    assert "exercise" not in wide and "Scale full." in wide


def test_seen_and_unseen_words_have_a_table(tmp_path):
    case = experiment({"a": 1, "b": 2}, "a", control=("tempo", "mode"))
    _, (_, wide, tex) = tables(tmp_path, case)
    assert "seen and unseen words" in wide and "mode, seen | mode, unseen | tempo, seen" in wide
    assert tex.count(r"\begin{tabular}") == 2


def test_markup_in_names_is_text(tmp_path):
    case = experiment({NASTY: 1, "=cmd()": 2}, NASTY, title=NASTY)
    _, (long, wide, tex) = tables(tmp_path, case)
    assert "<script>" not in wide and "<script>" not in tex
    assert r"a\|b\_c 100% \$x\$" in wide
    assert r"\textless{}script\textgreater{}" in tex and r"\& a\textbar{}b\_c 100\% \$x\$ \{y\}" in tex
    body = [line for line in wide.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in body}) == 1
    assert "'=cmd()" in {row[2] for row in csv.reader(long.splitlines())}


def test_rows_read_back_give_the_same_tables(tmp_path):
    spec, scores, statuses = experiment({"=cmd()": 1, "b": 2}, "b")
    rows = compare(spec, scores, statuses)
    write_csv(tmp_path / "rows.csv", rows, ROW_COLUMNS)
    first = [path.read_bytes() for path in write_tables(spec, rows, tmp_path / "one")]
    again = write_tables(spec, read_csv(tmp_path / "rows.csv"), tmp_path / "two")
    assert first == [path.read_bytes() for path in again]


def test_all_tables(tmp_path):
    names, total = ("zeta", "alpha"), 0
    for name in names:
        spec, scores, statuses = experiment({"a": 1, "b": 2}, "a", name=name)
        rows = compare(spec, scores, statuses)
        total += len(rows)
        write_tables(spec, rows, tmp_path)
    paths = [tmp_path / f"{name}.csv" for name in names]
    assert write_all_tables(paths, tmp_path / "all.csv") == total
    text = (tmp_path / "all.csv").read_text()
    write_all_tables(reversed(paths), tmp_path / "again.csv")
    assert text == (tmp_path / "again.csv").read_text() and text.count("p_holm") == 1
    assert [row["experiment"] for row in read_csv(tmp_path / "all.csv")] == sorted(
        row["experiment"] for path in paths for row in read_csv(path)
    )
    (tmp_path / "bad.csv").write_text("x,y\n1,2\n")
    with pytest.raises(InputError, match=r"bad\.csv"):
        write_all_tables([*paths, tmp_path / "bad.csv"], tmp_path / "all.csv")
    with pytest.raises(InputError, match="as well"):
        (tmp_path / "copy.csv").write_text(paths[0].read_text())
        write_all_tables([*paths, tmp_path / "copy.csv"], tmp_path / "all.csv")
    assert (tmp_path / "all.csv").read_text() == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# a\n\nb", r"\# a b"),
        ("- x", r"\- x"),
        ("1. x", r"1\. x"),
        ("[l](javascript:x)", r"\[l\](javascript:x)"),
        ("https://a.b", r"https\://a.b"),
        ("\u202eevil\x00", "evil"),
    ],
)
def test_markdown_paragraphs_hold_no_markup(text, expected):
    assert markdown_paragraph(text) == expected


def test_escapes():
    assert markdown("<b>&*`") == r"&lt;b&gt;&amp;\*\`"
    assert latex("a_b^~\\#") == r"a\_b\textasciicircum{}\textasciitilde{}\textbackslash{}\#"
    assert latex("é 中") == r"é \texttt{U+4E2D}"
