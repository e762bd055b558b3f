"""Metrics and reward: known answers, a contract over every registered metric, and nothing that crashes."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibegrid.errors import InputError
from vibegrid.evals.acoustics import SOUND_METRICS
from vibegrid.evals.metrics import METRICS, score_outputs
from vibegrid.payloads import dumps, parse_output
from vibegrid.rewards.formula import reward, wants_audio
from vibegrid.schema import FIELDS
from vibegrid.specs.metrics import METRIC_NAMES
from vibegrid.specs.reward import RewardSpec
from vibegrid.systems import random_uniform, rule_based

NO_AUDIO = RewardSpec(format=0.4, schema=0.6, audio=0.0)
PAYLOAD = json.loads(rule_based.generate(["slow dark church bells"])[0])
GARBAGE = [
    "",
    "null",
    "{}",
    "no",
    '{"config": 3}',
    '{"config": {"tempo": []}, "title": {}}',
    '{"title": "' + "x" * 99,
]


def row(raw, **more):
    return {"id": "1", "prompt": "slow dark church bells", "raw_output": raw} | more


def score(raw, **more):
    return score_outputs([row(raw, **more)])[0]


def changed(**fields):
    return dumps(PAYLOAD | {"config": PAYLOAD["config"] | fields})


def test_a_perfect_output():
    scores = score(dumps(PAYLOAD), config_payload=PAYLOAD, expected_fields={"tempo": ["slow", "very_slow"]})
    assert scores.pop("id") == "1"
    assert set(scores) == set(METRICS)
    assert scores == pytest.approx(dict.fromkeys(METRICS, 1.0), abs=1e-6)


def test_what_does_not_apply_is_none():
    for nothing in ({}, {"expected_fields": {}, "config_payload": None}, {"config_payload": ""}):
        scores = score(dumps(PAYLOAD), **nothing)
        none = {name for name, value in scores.items() if value is None}
        assert none == {"teacher_agreement", "field_match", "field_match_near"}


@pytest.mark.parametrize(
    ("tempo", "exact", "near"),
    [("slow", 1, 1), ("very_slow", 1, 1), ("medium", 0, 1), ("fast", 0, 0), ("warp", 0, 0), (None, 0, 0)],
)
def test_field_match_of_ordered_labels(tempo, exact, near):
    scores = score(changed(tempo=tempo), expected_fields={"tempo": ["very_slow", "slow"]})
    assert (scores["field_match"], scores["field_match_near"]) == (exact, near)


def test_field_match_of_unordered_labels_and_means():
    scores = score(changed(rhythm="minimal"), expected_fields={"rhythm": "none"})  # a neighbour in the list
    assert (scores["field_match"], scores["field_match_near"]) == (0, 0)
    scores = score(changed(tempo="medium"), expected_fields={"tempo": "slow", "mode": "minor"})
    assert (scores["field_match"], scores["field_match_near"]) == (0.5, 1)


def test_teacher_agreement():
    raw = changed(tempo="fast", density=2 if PAYLOAD["config"]["density"] != 2 else 3)
    assert score(raw, config_payload=PAYLOAD)["teacher_agreement"] == pytest.approx(32 / 34)
    assert score(raw, config_payload=dumps(PAYLOAD))["teacher_agreement"] == pytest.approx(32 / 34)
    both_wrong = json.loads(changed(tempo="warp"))
    assert score(dumps(both_wrong), config_payload=both_wrong)["teacher_agreement"] == pytest.approx(33 / 34)


def test_title_similarity():
    good = score(dumps(PAYLOAD | {"title": "Dim Cathedral Chimes"}))["title_similarity"]
    poor = score(dumps(PAYLOAD | {"title": "Beach Party"}))["title_similarity"]
    assert good > poor + 0.2
    for title in (None, 3, "", "   ", "slow dark church bells " * 2, "x" * 61):
        assert score(json.dumps(PAYLOAD | {"title": title}))["title_similarity"] == 0


def test_titles_are_matched_to_their_own_prompt():
    prompts = ["rain", "organ", "beach"]
    rows = [row(dumps(PAYLOAD | {"title": p.upper()})) | {"id": p, "prompt": p} for p in prompts]
    rows.insert(1, row("broken") | {"id": "x"})
    scores = score_outputs(rows)
    assert [s["id"] for s in scores] == ["rain", "x", "organ", "beach"]
    assert [round(s["title_similarity"], 4) for s in scores] == [1, 0, 1, 1]


def test_specs_may_name_every_metric_and_no_other() -> None:
    assert set(METRIC_NAMES) == {*METRICS, *SOUND_METRICS, "reward", "audio_score"}


@pytest.mark.parametrize("name", METRICS)
def test_contract(name):
    metric = METRICS[name]
    assert metric.direction in ("higher", "lower")
    assert metric.range[0] < metric.range[1]
    assert metric.description and "\n" not in metric.description
    more = {"config_payload": PAYLOAD, "expected_fields": {"tempo": ["slow"]}}
    outputs = random_uniform.generate([str(i) for i in range(5)], seed=0)
    for raw in [*GARBAGE, *outputs, None]:
        value = score(raw, **more)[name]
        assert isinstance(value, float) and metric.range[0] <= value <= metric.range[1]
        assert json.dumps(value)


@pytest.mark.parametrize("raw", ["", "no", None, "[]"])
def test_an_invalid_output_scores_nought(raw):
    scores = score(raw, config_payload=PAYLOAD, expected_fields={"tempo": ["slow"]})
    assert {value for name, value in scores.items() if name != "id"} == {0.0}


@given(st.text())
@settings(max_examples=100, deadline=None)
def test_any_text_is_scored(raw):
    scores = score(raw, config_payload=PAYLOAD, expected_fields={"tempo": ["slow"]})
    assert all(math.isfinite(value) for name, value in scores.items() if name != "id")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"expected_fields": {"speed": ["slow"]}}, "'speed' does not exist"),
        ({"expected_fields": {"tempo": ["warp"]}}, "no such label: 'warp'"),
        ({"expected_fields": {"tempo": []}}, "an empty list"),
        ({"expected_fields": "tempo"}, "an object was expected"),
        ({"config_payload": "{"}, "a payload with a config was expected"),
    ],
)
def test_a_bad_eval_set_is_one_line(change, problem):
    with pytest.raises(InputError, match=problem):
        score(dumps(PAYLOAD), **change)


def test_a_row_without_a_field_is_one_line():
    with pytest.raises(InputError, match="output row 2: field 'raw_output' is missing"):
        score_outputs([row("x"), {"id": "2", "prompt": "y"}])


def test_no_rows():
    assert score_outputs([]) == []


# ---- reward


def test_reward_without_audio():
    assert reward(parse_output(dumps(PAYLOAD)), NO_AUDIO) == {
        "format": 0.4,
        "schema": 0.6,
        "audio": 0.0,
        "duplicates": 0.0,
        "reward": 1.0,
    }
    assert reward(parse_output("{}"), NO_AUDIO)["reward"] == 0.4
    assert reward(parse_output("no"), NO_AUDIO)["reward"] == 0


def test_reward_with_audio():
    weights = RewardSpec(audio_scorer="clap_train")
    parsed = parse_output(dumps(PAYLOAD))
    assert reward(parsed, weights, 0.6)["reward"] == pytest.approx(0.2 + 0.3 + 0.3)
    with pytest.raises(InputError, match="name an audio_scorer"):
        reward(parsed, weights)
    with pytest.raises(InputError, match="name an audio_scorer"):
        reward(parse_output("no"), RewardSpec())  # found out at the first output, valid or not
    for bad in (1.2, -0.1, float("nan")):
        with pytest.raises(InputError, match="expected 0 to 1"):
            reward(parsed, weights, bad)


def test_audio_counts_only_above_half_of_the_fields():
    weights = RewardSpec(audio_scorer="clap_train")
    names = list(FIELDS)
    for legal, counts in ((17, False), (18, True)):
        config = {name: PAYLOAD["config"][name] for name in names[:legal]}
        parsed = parse_output(dumps(PAYLOAD | {"config": config}))
        assert wants_audio(parsed, weights) == counts
        assert reward(parsed, weights, 1.0)["audio"] == (0.5 if counts else 0.0)
    assert reward(parse_output("no"), weights)["reward"] == 0  # not rendered, so no score is needed
    assert not wants_audio(parse_output(dumps(PAYLOAD)), NO_AUDIO)


def test_repeated_colours_cost():
    grey = {"colors": [{"hex": "#808080", "weight": "md"}] * 5}
    parts = reward(parse_output(dumps(PAYLOAD | {"palettes": [grey] * 3})), NO_AUDIO)
    assert parts["duplicates"] == pytest.approx(-0.2 * 0.8)
    assert parts["reward"] == pytest.approx(1 - 0.16)


def test_weights_are_checked():
    assert RewardSpec().model_dump(mode="json", by_alias=True) == {
        "format": 0.2,
        "schema": 0.3,
        "audio": 0.5,
        "duplicate_penalty": 0.2,
        "audio_scorer": None,
    }
    for wrong in ({"audio": 1.5}, {"format": -1}, {"sound": 1}, {"schema": float("nan")}):
        with pytest.raises(ValueError):
            RewardSpec(**wrong)
