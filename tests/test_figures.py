"""Figures: both files, same bytes twice, and input that is odd."""

import numpy as np
import pytest
from analysis_cases import NASTY, experiment

from vibegrid.analyses.compare import compare
from vibegrid.figures import style
from vibegrid.figures.axis import arm_axis, short_number
from vibegrid.figures.experiment import plot
from vibegrid.figures.training_curves import curve, mean_curve, panel_columns, plot_curves
from vibegrid.specs.analyses import analysis_spec

CASES = {
    "sweep": experiment({"r=4": 4, "r=8": 8, "r=16": 16}, "r=8", scale="log", failed=("r=16",)),
    "zero on a log axis": experiment({"0": 0, "0.01": 0.01, "0.1": 0.1, "random": None}, "0.01", scale="log"),
    "categories": experiment({"base": "base", "sft": "sft"}, "sft", control=("tempo", "mode")),
    "one arm": experiment({"only": 1}, "only", scale="linear"),
    "all failed": experiment({"a": 1, "b": 2}, "a", scale="linear", failed=("a", "b")),
    "names": experiment({NASTY: "x", "_hidden": "y", "中文" * 30: "z"}, NASTY, title=NASTY * 3),
}


def draw(case, folder):
    spec, scores, statuses = case
    pdf, png = folder / "f.pdf", folder / "f.png"
    plot(spec, compare(spec, scores, statuses), pdf, png)
    return pdf.read_bytes(), png.read_bytes()


@pytest.mark.parametrize("name", list(CASES))
def test_figures_of_all_kinds(name, tmp_path):
    pdf, png = draw(CASES[name], tmp_path)
    assert pdf.startswith(b"%PDF") and png.startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.pdf", "f.png"]


def test_same_bytes_twice_and_no_date(tmp_path):
    first, second = draw(CASES["sweep"], tmp_path / "1"), draw(CASES["sweep"], tmp_path / "2")
    assert first == second
    assert b"CreationDate" not in first[0] and b"FontFile2" in first[0] and b"matplotlib" not in first[1].lower()
    assert b"numbers exercise the workflow" in first[1]


def test_thirty_arms_and_rows_without_seed_means(tmp_path):
    spec, scores, statuses = experiment({f"arm-{i}-{'x' * 60}": f"v{i}" for i in range(30)}, "")
    rows = [{k: v for k, v in row.items() if k != "seed_means"} for row in compare(spec, scores, statuses)]
    plot(spec, rows, tmp_path / "a.pdf", tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


@pytest.mark.filterwarnings("ignore:Glyph")
def test_nothing_is_drawn_outside_the_figure():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from vibegrid.analyses.readings import Rows, choose
    from vibegrid.figures.experiment import _draw_rows, _draw_sweep, _panel

    for case in CASES.values():
        spec, rows = analysis_spec(case[0]), Rows(compare(*case))
        axis = arm_axis(spec)
        panels = [_panel(spec, rows, reading, axis) for reading in choose(spec, rows)]
        with style.house_style():
            draw_it = _draw_rows if axis.kind == "category" else _draw_sweep
            figure = draw_it(spec, axis, panels, "Title", "A footer.")
            renderer = FigureCanvasAgg(figure).get_renderer()
            figure.draw(renderer)
            box, whole = figure.get_tightbbox(renderer), figure.bbox_inches
        assert box.x0 >= -0.03 and box.y0 >= -0.03, case[0]["title"]
        assert box.x1 <= whole.x1 + 0.03 and box.y1 <= whole.y1 + 0.03, case[0]["title"]


def run_of(seed, steps=20, grpo=False):
    rng = np.random.default_rng(seed)
    rows = [{"step": str(s), "loss": f"{2 / s + rng.random():.4f}", "note": "text"} for s in range(1, steps + 1)]
    return (
        [row | {"reward": "0.5", "reward_format": "1", "reward_std": "2", "kl": ""} for row in rows] if grpo else rows
    )


def test_training_curves(tmp_path):
    spec, _, _ = CASES["sweep"]
    metrics = {"r=4": [run_of(0)], "r=8": [run_of(1), run_of(2, steps=10), run_of(3)]}
    for folder in ("1", "2"):
        plot_curves(spec, metrics, tmp_path / folder / "c.pdf", tmp_path / folder / "c.png")
    for name in ("c.pdf", "c.png"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    plot_curves(spec, {}, tmp_path / "n.pdf", tmp_path / "n.png")
    plot_curves(CASES["names"][0], {NASTY: [run_of(0, grpo=True)]}, tmp_path / "g.pdf", tmp_path / "g.png")


def test_curves_by_hand():
    assert panel_columns([run_of(0, grpo=True)]) == ["loss", "reward", "reward_format"]
    rows = [{"step": 2, "loss": 1}, {"step": 1, "loss": "3"}, {"step": 2, "loss": 5}, {"step": 3, "loss": ""}]
    assert curve(rows, "loss") == [(1.0, 3.0), (2.0, 5.0)]
    assert mean_curve([[(1.0, 1.0), (2.0, 2.0)], [(2.0, 4.0)]]) == [(2.0, 3.0)]


def test_axis_kinds():
    assert arm_axis(analysis_spec(CASES["sweep"][0])).kind == "log"
    assert arm_axis(analysis_spec(CASES["one arm"][0])).kind == "category"
    zero = arm_axis(analysis_spec(CASES["zero on a log axis"][0]))
    assert 0 < zero.places["0"] < 0.01 and zero.names[zero.places["0"]] == "0"
    assert zero.places["random"] > (zero.rest_from or 0) > 0.1
    assert [short_number(v) for v in (16, 0.06, 1e-5, 5e-5, 0, 512)] == [
        "16",
        "0.06",
        "1e-5",
        "5e-5",
        "0",
        "512",
    ]


def test_limits_do_not_magnify_noise():
    low, high = style.limits(1.0, 1.0, (0.0, 1.0))
    assert high - low >= 0.01 and low < 1.0 < high <= 1.01
    assert style.limits(0.2, 0.8)[0] < 0.2
