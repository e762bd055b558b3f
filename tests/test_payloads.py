"""Parsing of outputs and the schema behind it: known answers, and that nothing raises."""

import json

import pytest
from common.music_schema import MusicConfigPrompt, MusicConfigPromptPayload
from hypothesis import given, settings
from hypothesis import strategies as st

from vibegrid.errors import InputError
from vibegrid.payloads import INVALID, MAX_BYTES, MAX_DEPTH, dumps, load_object, parse_output
from vibegrid.schema import FIELDS, ORDERED, distance, is_legal


def make_payload() -> dict:
    """A valid payload: the first label of every field, 15 different colours."""
    palettes = [
        {"colors": [{"hex": f"#0{p}{c}0a0", "weight": w} for c, w in enumerate(("xl", "lg", "md", "sm", "xs"))]}
        for p in range(3)
    ]
    config = {field: labels[0] for field, labels in FIELDS.items()}
    return {"thinking": "slow, dark", "title": "Harbour Fog", "config": config, "palettes": palettes}


# ---- schema


def test_fields_are_those_of_the_synthesizer():
    assert list(FIELDS) == list(MusicConfigPrompt.model_fields)
    assert len(FIELDS) == 34
    assert FIELDS["tempo"] == ("very_slow", "slow", "medium", "fast", "very_fast")
    assert FIELDS["density"] == (2, 3, 4, 5, 6)
    assert FIELDS["phrase_len_bars"] == (2, 4, 8)
    assert FIELDS["register_min_oct"] == FIELDS["register_max_oct"] == (1, 2, 3, 4, 5, 6, 7, 8)
    assert FIELDS["depth"] == (False, True)
    assert len(FIELDS["root"]) == 12
    assert set(FIELDS) > ORDERED
    assert not ORDERED & {"root", "mode", "rhythm", "texture", "accent", "bass", "pad", "melody", "depth"}


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_every_label_is_legal_to_the_synthesizer(field):
    base = make_payload()["config"]
    for label in FIELDS[field]:
        MusicConfigPrompt.model_validate(base | {field: label}, strict=True)


def test_distance():
    assert distance("tempo", "very_slow", "very_fast") == 4
    assert distance("phrase_len_bars", 2, 8) == 2
    assert distance("rhythm", "none", "brush") == 1
    assert distance("rhythm", "brush", "brush") == 0
    with pytest.raises(InputError, match="no such label: 'warp'"):
        distance("tempo", "warp", "slow")
    with pytest.raises(InputError, match="'speed' does not exist"):
        distance("speed", "slow", "slow")


@pytest.mark.parametrize("value", [True, 2.0, "2", None, [2], {}, 7, float("nan")])
def test_labels_are_typed(value):
    assert not is_legal("density", value)


# ---- known answers


def test_a_valid_payload():
    parsed = parse_output(dumps(make_payload()))
    assert parsed.payload == make_payload()
    assert parsed[1:] == (True, True, True, 1.0, 0.0)


@pytest.mark.parametrize(
    "wrap", ["{}", "  {}\n\n", "```json\n{}\n```", "```\n{}\n```", "\n```JSON\r\n{}\r\n```  "], ids=repr
)
def test_white_space_and_fences_are_tolerated(wrap):
    assert parse_output(wrap.replace("{}", dumps(make_payload()))).schema_valid


@pytest.mark.parametrize(
    "wrap",
    ["Sure! {}", "{} Hope it helps", "```json\n{}", "[{}]", "{}{}", "```python\n{}\n```", "x```\n{}\n```"],
)
def test_anything_else_around_it_is_not(wrap):
    assert parse_output(wrap.replace("{}", dumps(make_payload()))) == INVALID


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "   ",
        "null",
        "[]",
        "3",
        '"{}"',
        "{",
        "{'a': 1}",
        '{"a": 1,}',
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": ' + "9" * 5000 + "}",
        "I cannot help with that.",
        dumps(make_payload())[:-1],
        "\x00",
        "\ufeff{}",
    ],
)
def test_not_one_json_object(raw):
    assert parse_output(raw) == INVALID


def test_an_empty_object():
    assert parse_output("{}")[1:] == (True, False, False, 0.0, 0.0)


@pytest.mark.parametrize("value", [None, 7, b"{}", ["{}"]])
def test_what_is_no_text_is_invalid(value):
    assert parse_output(value) == INVALID


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tempo", "warp"),
        ("density", 3.0),
        ("density", "3"),
        ("register_min_oct", 9),
        ("register_min_oct", True),
        ("register_max_oct", 4.0),
        ("depth", 1),
        ("depth", "true"),
        ("mode", None),
        ("root", ["c"]),
    ],
)
def test_one_wrong_field(field, value):
    payload = make_payload()
    payload["config"][field] = value
    assert parse_output(dumps(payload))[1:] == (True, False, True, 33 / 34, 0.0)


def test_missing_and_extra_keys():
    payload = make_payload()
    del payload["config"]["tempo"]
    assert parse_output(dumps(payload)).valid_field_fraction == 33 / 34
    for where in ("payload", "config", "palette", "color"):
        payload = make_payload()
        {
            "payload": payload,
            "config": payload["config"],
            "palette": payload["palettes"][0],
            "color": payload["palettes"][0]["colors"][0],
        }[where]["mood"] = "x"
        parsed = parse_output(dumps(payload))
        assert not parsed.schema_valid
        assert parsed.palette_valid == (where in ("payload", "config"))
        assert parsed.valid_field_fraction == 1.0


@pytest.mark.parametrize("title", ["", "   ", "one two three four five six seven", "x" * 61, None, 5, "\ud800"])
def test_wrong_titles(title):
    parsed = parse_output(json.dumps(make_payload() | {"title": title}))
    assert parsed.json_valid and not parsed.schema_valid and parsed.palette_valid


def test_palettes():
    payload = make_payload()
    payload["palettes"].pop()
    assert not parse_output(dumps(payload)).palette_valid
    for bad in ("#12345", "red", "#12345g", "#123456\n", None):
        payload = make_payload()
        payload["palettes"][2]["colors"][4]["hex"] = bad
        parsed = parse_output(dumps(payload))
        assert not parsed.palette_valid and not parsed.schema_valid
    payload = make_payload()
    payload["palettes"][0]["colors"].pop()
    assert not parse_output(dumps(payload)).palette_valid


def test_duplicate_colours():
    payload = make_payload()
    payload["palettes"] = [
        {"colors": [{"hex": h, "weight": "md"} for h in hexes]}
        for hexes in (
            ["#aabbcc"] * 5,  # 1 - 1/5
            ["#aabbcc", "#AABBCC", "#000000", "#111111", "#222222"],  # 1 - 4/5
            ["#000000", "#111111", "#222222", "#333333", "#444444"],  # 0
        )
    ]
    assert parse_output(dumps(payload)).duplicate_color_fraction == pytest.approx((0.8 + 0.2) / 3)
    assert parse_output('{"palettes": [{"colors": [{"hex": "red"}]}, 3, {"colors": 1}]}')[5] == 0.0


def test_bounds():
    assert parse_output("x" * 10_000_000) == INVALID
    assert parse_output('{"a":"' + "x" * 10_000_000 + '"}') == INVALID
    assert parse_output('{"a":"' + "é" * (MAX_BYTES // 2) + '"}') == INVALID
    assert parse_output('{"a":"' + "x" * (MAX_BYTES - 8) + '"}').json_valid
    for depth, valid in ((MAX_DEPTH, True), (MAX_DEPTH + 1, False), (50_000, False)):
        assert parse_output('{"a":' * depth + "1" + "}" * depth).json_valid == valid
        assert parse_output('{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}").json_valid == valid
    assert parse_output('{"a":"' + "{[" * 100 + '\\""}').json_valid  # brackets in a string do not nest
    assert parse_output('{"a":[' + ",".join(["{}"] * 100) + "]}").json_valid  # nor do they side by side


# ---- anything at all


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_any_text_is_answered(raw):
    parsed = parse_output(raw)
    assert 0 <= parsed.valid_field_fraction <= 1 and 0 <= parsed.duplicate_color_fraction < 1
    assert (parsed.payload is not None) == parsed.json_valid


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["#aabbcc", "slow", "xl"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
_paths = st.sampled_from(
    [(), ("config",), ("palettes",), ("palettes", 0), ("palettes", 1, "colors"), ("palettes", 2, "colors", 0)]
    + [
        ("title",),
        ("thinking",),
        ("config", "tempo"),
        ("config", "depth"),
        ("palettes", 0, "colors", 0, "hex"),
    ]
)


@given(_paths, _values)
@settings(max_examples=300, deadline=None)
def test_any_value_anywhere_is_answered(path, value):
    payload = make_payload()
    target = payload
    if not path:
        payload = value
    else:
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value
    parsed = parse_output(json.dumps(payload))
    if parsed.schema_valid:
        assert parsed.palette_valid and parsed.valid_field_fraction == 1.0
        MusicConfigPromptPayload.model_validate_json(json.dumps(payload), strict=True)


@given(st.fixed_dictionaries({field: st.sampled_from(labels) for field, labels in FIELDS.items()}))
@settings(max_examples=50, deadline=None)
def test_every_legal_config_is_valid_and_survives_the_round_trip(config):
    payload = make_payload() | {"config": config}
    parsed = parse_output(dumps(payload))
    assert parsed.schema_valid and parsed.payload == payload


# ---- writing


def test_dumps_is_compact_and_ordered():
    payload = make_payload()
    shuffled = {key: payload[key] for key in ("palettes", "title", "thinking")}
    shuffled["config"] = dict(reversed(payload["config"].items()))
    text = dumps(shuffled | {"title": "Été", "note": 1})
    assert text.startswith('{"thinking":"slow, dark","title":"Été","config":{"tempo":"very_slow","root":"c",')
    assert text.endswith(',"note":1}') and "\n" not in text
    assert list(load_object(text)["config"]) == list(FIELDS)
    with pytest.raises(ValueError):
        dumps({"title": float("nan")})
