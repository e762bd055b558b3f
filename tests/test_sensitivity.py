"""Sensitivity of the synthesizer: planted truths are found, and SALib's indices are what they are said to be."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from vibegrid.errors import InputError
from vibegrid.schema import FIELDS, label_index
from vibegrid.sensitivity.design import Config, draw_stars
from vibegrid.sensitivity.effects import effect_rows, shifts
from vibegrid.sensitivity.indices import FACTORS, all_indices, components
from vibegrid.sensitivity.listening import Heard, listen_to
from vibegrid.sensitivity.measure import analyse
from vibegrid.sound.acoustics import MEASURES
from vibegrid.specs.sensitivity import ALL_FIELDS, ANOTHER_SEED, SensitivitySpec, sensitivity_spec

DEAF = ("swing", "human")  # fields that change nothing in the planted synthesizer
RESEEDED = "echo"  # this one draws other noise, and nothing else
NOISE = 0.3


def spec(**values: Any) -> SensitivitySpec:
    return SensitivitySpec.model_validate(
        {"scale": "mini", "experiment": "synth_sensitivity", "bootstrap": 500, "permutations": 2000, **values}
    )


def weight(field: str) -> float:
    """What the planted measure changes by from the field's first to its last label."""
    return 0.0 if field in (*DEAF, RESEEDED) else 9.0 if field == "tempo" else 2.0


def planted(renders: Sequence[tuple[Config, int]]) -> tuple[Any, Any]:
    """A synthesizer whose one measure is a weighted sum of the labels, and noise that the seed decides.

    `tempo` matters most; the embedding turns by the same sum.
    """
    measures = []
    for config, seed in renders:
        text = json.dumps([seed, config[RESEEDED]])
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
        total = 0.0
        for field in FIELDS:
            place = label_index(field, config[field])
            assert place is not None
            total += place / (len(FIELDS[field]) - 1) * weight(field)
        measures.append([total + NOISE * rng.standard_normal()])
    angles = np.array(measures)[:, 0] / 30
    return np.stack([np.cos(angles), np.sin(angles)], axis=1), measures


@pytest.fixture(scope="module")
def found() -> tuple[list[dict[str, str]], list[dict[str, str]], list[dict[str, str]]]:
    return analyse(spec(design={"bases": 60}), planted, np.array([1.0]), ["loudness"])


def test_the_design_goes_through_all_labels_and_moves_one_field_at_a_time() -> None:
    stars = draw_stars(40, 1)
    for field, labels in FIELDS.items():
        visits = Counter(star.labels[field] for star in stars)
        assert set(visits) >= set(labels) - {labels[0], labels[-1]}, f"{field} misses a label"
        if not field.startswith("register"):
            assert max(visits.values()) - min(visits.values()) <= (3 if len(labels) > 2 else 12), field
    for star in stars:
        renders = star.renders()
        assert len(renders) == len(FIELDS) + 2 and renders[0][0] == renders[1][0] and renders[0][1] != renders[1][1]
        for field, (config, seed) in zip(FIELDS, renders[2:], strict=True):
            assert [key for key in FIELDS if config[key] != star.base[key]] == [field]
            assert seed == renders[1][1]
    assert draw_stars(3, 1) == stars[:3] and draw_stars(3, 2) != stars[:3]


def test_a_field_without_effect_ranks_last_and_is_not_heard(found: Any) -> None:
    rows = {(row["arm"], row["metric"]): row for row in found[0]}
    for metric in ("embedding_shift", "acoustic_shift", "loudness_shift"):
        ranked = sorted(FIELDS, key=lambda field: float(rows[field, metric]["delta"]))
        assert ranked[-1] == "tempo" and set(ranked[:3]) == {*DEAF, RESEEDED}
        for field in DEAF:  # a move that changes nothing is exactly another seed
            assert float(rows[field, metric]["delta"]) == 0 == float(rows[field, metric]["delta_high"])
    for field in (*DEAF, RESEEDED):
        assert rows[field, "heard"]["mean"] == rows[field, "heard_acoustic"]["mean"] == "0.000000"
        row = rows[field, "loudness_shift"]
        assert float(row["delta_low"]) <= 0 <= float(row["delta_high"])
    assert rows["tempo", "heard"]["mean"] == "1.000000" and float(rows["tempo", "embedding_shift"]["p_holm"]) < 0.05
    share = np.mean([float(rows[field, "heard"]["mean"]) for field in FIELDS])
    assert float(rows[ALL_FIELDS, "heard"]["mean"]) == pytest.approx(share, abs=1e-6)


def test_indices_of_a_sum_are_known(found: Any) -> None:
    """Of a sum of independent terms a total index is the term's share of the variance, and that of its noise."""
    rows = {(row["output"], row["arm"]): row for row in found[2]}
    seed = float(rows["loudness", ANOTHER_SEED]["sobol_total"])
    assert seed == pytest.approx(NOISE**2, rel=0.5)
    last = min(FIELDS, key=lambda field: float(rows["loudness", field]["morris_mu_star"]) + 10 * (field not in DEAF))
    assert float(rows["loudness", last]["morris_mu_star"]) == pytest.approx(
        float(rows["loudness", ANOTHER_SEED]["morris_mu_star"])
    )
    for field in ("tempo", "mode", "depth"):
        places = np.arange(len(FIELDS[field])) / (len(FIELDS[field]) - 1) * weight(field)
        low, high = (float(rows["loudness", field][f"sobol_total_{end}"]) for end in ("low", "high"))
        assert low < places.var() + NOISE**2 < high
    ranked = sorted(FIELDS, key=lambda field: float(rows["embedding", field]["sobol_total"]))
    assert set(ranked[:3]) == {*DEAF, RESEEDED} and ranked[-1] == "tempo"


def test_salib_and_the_intervals_speak_of_the_same_numbers() -> None:
    rng = np.random.default_rng(0)
    heard = Heard(rng.standard_normal((12, len(FACTORS) + 1, 5)), rng.standard_normal((12, len(FACTORS) + 1, 2)))
    drawn = np.ones((100, 12))  # every resample is the sample
    for output in all_indices(heard, np.array([1.0, 2.0]), ["a", "b"], drawn).values():
        for value, ends in ((output.mu_star, output.mu_star_interval), (output.total, output.total_interval)):
            assert value == pytest.approx(ends[0]) and value == pytest.approx(ends[1])


def test_components_have_variance_one_and_keep_the_shares() -> None:
    rng = np.random.default_rng(1)
    embeddings = rng.standard_normal((10, 36, 3)) * np.array([3.0, 1.0, 0.01])
    parts, shares = components(embeddings)
    assert parts.shape == (10, 36, 2) and shares.sum() == pytest.approx(1)
    assert parts.reshape(-1, 2).std(axis=0) == pytest.approx([1, 1]) and shares[0] == pytest.approx(0.9, abs=0.03)


def test_a_clip_without_embedding_is_as_far_as_can_be_without_an_error() -> None:
    heard = Heard(np.zeros((2, len(FACTORS) + 1, 3)), np.zeros((2, len(FACTORS) + 1, 1)))
    moved = shifts(heard, np.array([1.0]))
    assert (moved[:, :, 0] == 1).all() and (moved[:, :, 1:] == 0).all()
    assert all(row["mean"] for row in effect_rows(spec(design={"bases": 2}), moved, ["loudness"]))


def test_a_wrong_spec_is_named() -> None:
    with pytest.raises(InputError, match=r"design\.bases"):
        sensitivity_spec({"scale": "mini", "experiment": "x", "design": {"bases": 0}})


@pytest.mark.slow
def test_tempo_moves_the_onsets_and_brightness_the_centroid_of_real_renders() -> None:
    from vibegrid.sound.clip import Clip
    from vibegrid.sound.render import render

    names, fields = list(MEASURES), ("tempo", "brightness", "swing")

    def listen(renders: Sequence[tuple[Config, int]]) -> list[list[float]]:
        return [list(Clip(render(config, 2.0, seed)).measures.values()) for config, seed in renders]

    stars = draw_stars(30, 0)
    chosen = [0, 1, *(2 + list(FIELDS).index(field) for field in fields)]
    measured = np.array([listen([star.renders()[i] for i in chosen]) for star in stars])
    spread = measured[:, 0].std(axis=0)
    changes = np.abs(measured[:, 1:] - measured[:, :1]) / spread
    beyond = (changes[:, 1:] - changes[:, :1]).mean(axis=0)  # (fields, measures)
    assert beyond[0, names.index("onset_rate")] > 0.15
    assert beyond[1, names.index("brightness")] > 0.1
    assert abs(beyond[2, names.index("brightness")]) < 0.1


def test_listening_keeps_the_order_of_the_renders() -> None:
    stars = draw_stars(2, 3)
    heard = listen_to(stars, lambda renders: (np.ones((len(renders), 1)), [[seed % 1000] for _, seed in renders]))
    assert heard.measures[1, 2, 0] == stars[1].seeds[1] % 1000 and heard.measures[1, 0, 0] == stars[1].seeds[0] % 1000
