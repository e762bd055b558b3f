"""The composer and the payload writer: valid payloads, determined answers, labels that are spread."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import astuple, fields

import pytest
from common.music_schema import MusicConfigPromptPayload
from hypothesis import given
from hypothesis import strategies as st

from vibegrid.llm import composer, payload_writer


def ask(vibe: str, temperature: float = 0.0, seed: int | None = None) -> str:
    messages = [
        {"role": "system", "content": "Write a payload."},
        {"role": "user", "content": f"Here: <vibe>{vibe}</vibe>"},
    ]
    return composer.respond(messages, temperature, seed)


def check(payload: dict) -> None:
    """What holds of every payload beyond the schema."""
    MusicConfigPromptPayload.model_validate(payload)
    config = payload["config"]
    assert list(payload) == ["thinking", "title", "config", "palettes"]
    assert tuple(config) == payload_writer.CONFIG_FIELDS
    assert config["register_min_oct"] < config["register_max_oct"]
    known = {colour.hex for colour in payload_writer.colours()}
    for palette in payload["palettes"]:
        assert tuple(colour["weight"] for colour in palette["colors"]) == payload_writer.WEIGHTS
        codes = {colour["hex"] for colour in palette["colors"]}
        assert len(codes) == 5 and codes <= known


def varied_vibes(count: int) -> list[str]:
    rng = random.Random(11)
    known = list(composer.lexicon())
    plain = ["the", "a", "under", "figure", "coffee", "pavement", "hand", "paper", "way", "line", "and"]
    vibes = []
    for _ in range(count):
        words = rng.sample(known, rng.choice((1, 1, 2, 2, 3, 4, 7))) + rng.sample(plain, rng.randint(0, 5))
        rng.shuffle(words)
        vibes.append(" ".join(words))
    return vibes


def test_the_data_files_are_as_promised() -> None:
    colours = payload_writer.colours()
    assert len({colour.hex for colour in colours}) == len({colour.name for colour in colours}) == 64
    assert all(colour.hex == colour.hex.lower() for colour in colours)
    assert 380 <= len(composer.lexicon()) <= 470
    for word, weights in composer.lexicon().items():
        assert word == word.lower() and len(weights) == len(composer.AXES)
        assert any(weights) and all(-2 <= weight <= 2 for weight in weights)


def test_every_label_has_a_place() -> None:
    assert set(composer.RHYTHM_PLACES) == set(payload_writer.RHYTHMS)
    assert set(composer.TEXTURE_PLACES) == set(payload_writer.TEXTURES)
    assert set(composer.MODES_BY_VALENCE) == set(payload_writer.MODES)


@given(st.integers(0, 2**32), st.lists(st.text(max_size=60), max_size=12), st.text(max_size=200))
def test_a_written_payload_is_valid_and_keeps_its_decisions(seed: int, keywords: list[str], title: str) -> None:
    rng = random.Random(seed)
    decisions = payload_writer.random_decisions(rng)
    payload = payload_writer.write_payload(decisions, keywords, title, rng)
    check(payload)
    assert tuple(payload["config"][field.name] for field in fields(decisions)) == astuple(decisions)


def test_thinking_names_the_decisions() -> None:
    decisions = payload_writer.Decisions("very_slow", "dark", "minor", "vast", 2, "none", "stars")
    expected = (
        "tempo very_slow, brightness dark, mode minor, space vast, density 2, rhythm none, texture stars: hush, harbour"
    )
    assert payload_writer.write_thinking(decisions, ["hush", "harbour"]) == expected


@given(st.text(max_size=400), st.floats(0, 2), st.integers(0, 2**31))
def test_a_composed_payload_is_valid(vibe: str, temperature: float, seed: int) -> None:
    payload = composer.compose(vibe, random.Random(seed), temperature)
    check(payload)


def test_an_answer_is_determined_by_vibe_temperature_and_seed() -> None:
    assert ask("lonely neon rain") == ask("lonely neon rain", seed=5)
    warm = [ask("lonely neon rain", 0.8, seed) for seed in range(8)]
    assert warm == [ask("lonely neon rain", 0.8, seed) for seed in range(8)]
    assert len(set(warm)) == 8


def test_temperature_moves_the_decisions_only_a_little() -> None:
    vibes = varied_vibes(300)
    cold = [json.loads(ask(vibe))["config"]["tempo"] for vibe in vibes]
    warm = [json.loads(ask(vibe, 0.8, 1))["config"]["tempo"] for vibe in vibes]
    order = payload_writer.TEMPOS
    steps = [abs(order.index(a) - order.index(b)) for a, b in zip(cold, warm, strict=True)]
    assert 0 < sum(step > 0 for step in steps) / len(steps) < 0.4
    assert max(steps) <= 2


def test_words_point_where_one_expects() -> None:
    def decisions(vibe: str) -> payload_writer.Decisions:
        return composer.decide(composer.weigh(vibe))

    assert decisions("frantic chase").tempo == "very_fast"
    assert decisions("sleeping, drifting").tempo == "very_slow"
    assert decisions("gloom in the cellars").brightness == "very_dark"
    assert decisions("a sunny, gleaming beach").brightness == "very_bright"
    assert decisions("grief").mode == "minor"
    assert decisions("joyful laughter").mode == "major"
    assert decisions("oceans under the sky").space == "vast"


@pytest.mark.parametrize(
    ("word", "entry"),
    [
        ("drifting", "drift"),
        ("humming", "hum"),
        ("gliding", "glide"),
        ("skies", "sky"),
        ("echoes", "echo"),
        ("quietly", "quiet"),
        ("burned", "burn"),
        ("waves", "wave"),
        ("flower", "flower"),
        ("spreadsheet", None),
        ("s", None),
    ],
)
def test_suffixes_are_stripped(word: str, entry: str | None) -> None:
    assert composer.look_up(word) == entry


def test_labels_are_spread_over_varied_vibes() -> None:
    made = [composer.decide(composer.weigh(vibe)) for vibe in varied_vibes(2000)]
    for name, labels in payload_writer.LABELS.items():
        shares = Counter(getattr(decisions, name) for decisions in made)
        assert set(shares) == set(labels)
        if name in ("tempo", "brightness"):
            assert all(0.08 <= shares[label] / len(made) <= 0.40 for label in labels)


def test_a_vibe_without_a_known_word_stays_near_the_middle_and_varies() -> None:
    made = [composer.decide(composer.weigh(f"spreadsheet number {n} zz{n}q")) for n in range(200)]
    assert {decisions.tempo for decisions in made} <= {"slow", "medium", "fast"}
    assert len(set(made)) > 20


@pytest.mark.parametrize("content", ["a vibe without markers", "<vibe>half", "half</vibe>", "</vibe><vibe>", "", None])
def test_without_markers_it_refuses(content: str | None) -> None:
    assert composer.respond([{"role": "user", "content": content}]) == composer.REFUSAL
    assert composer.respond([]) == composer.REFUSAL


def test_the_last_marked_vibe_of_the_last_user_message_counts() -> None:
    messages = [
        {"role": "user", "content": "<vibe>storm</vibe>"},
        {"role": "assistant", "content": "..."},
        {"role": "user", "content": "For example <vibe>noon</vibe>. Now: <vibe> hush </vibe>"},
    ]
    assert composer.find_vibe(messages) == "hush"


@pytest.mark.parametrize(
    "vibe", ["", "雨", "<script>alert(1)</script>", "a" * 100_000, "\x00\ud800", "=cmd()", "rain " * 5000]
)
def test_odd_vibes_get_a_valid_payload(vibe: str) -> None:
    answer = ask(vibe)
    assert "\n" not in answer
    answer.encode("utf-8")
    check(json.loads(answer))
