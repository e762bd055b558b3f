"""The systems without a neural model: valid payloads, determinism, known answers."""

import json
from collections import Counter

import pytest

from vibegrid.errors import InputError
from vibegrid.payloads import dumps, parse_output
from vibegrid.schema import FIELDS, is_legal
from vibegrid.systems import random_uniform, retrieval, rule_based

HOSTILE = [
    "",
    "   ",
    "😀",
    "<script>alert(1)</script>",
    "\ud800",
    "x" * 5000,
    "slow " * 3000,
    "ß" * 200,
    "a\nb\0c",
]
PROMPTS = ["lonely neon rain", "slow dark church bells", *HOSTILE]


@pytest.mark.parametrize("system", [random_uniform, rule_based], ids=lambda system: system.__name__)
def test_every_output_is_valid(system):
    outputs = system.generate(PROMPTS, seed=1)
    assert len(outputs) == len(PROMPTS)
    for output in outputs:
        assert parse_output(output).schema_valid and "\n" not in output
    assert system.generate([], seed=1) == []


def test_random_depends_on_seed_and_prompt_only():
    first = random_uniform.generate(["a", "b"], seed=1)
    assert random_uniform.generate(["b", "a"], seed=1) == first[::-1]
    assert random_uniform.generate(["a", "b"], seed=2) != first
    assert first[0] != first[1]


def test_random_is_uniform_over_every_field():
    outputs = random_uniform.generate([str(i) for i in range(1200)], seed=0)
    configs = [json.loads(output)["config"] for output in outputs]
    for field, labels in FIELDS.items():
        counts = Counter(config[field] for config in configs)
        assert set(counts) == set(labels)
        expected = len(configs) / len(labels)
        # chi-square over its degrees of freedom: 1 by chance, 12 has p < 0.001 even with two labels
        assert sum((n - expected) ** 2 / expected for n in counts.values()) / (len(labels) - 1) < 12


def test_random_says_that_it_is_random():
    payload = json.loads(random_uniform.generate(["x"], seed=0)[0])
    assert "random" in payload["thinking"].lower() and "random" in payload["title"].lower()


def test_rules_are_many_and_legal():
    rules = rule_based.load_rules()
    assert len(rules.keywords) >= 130
    assert set(rules.defaults) == set(FIELDS)
    for settings in rules.keywords.values():
        assert settings and all(is_legal(field, value) for field, value in settings.items())


def test_rules_apply_first_word_first():
    config = json.loads(rule_based.generate(["Adagio for two bells, fast!"])[0])["config"]
    assert (config["tempo"], config["accent"]) == ("slow", "bells")  # adagio before fast; the plural s goes
    assert config["motion"] == "fast"  # what adagio left free
    payload = json.loads(rule_based.generate(["zzz qqq"])[0])
    assert payload["config"] == rule_based.load_rules().defaults
    assert payload["title"] == "Zzz Qqq"
    assert json.loads(rule_based.generate([""])[0])["title"] == "Untitled"


def test_broken_rules_are_one_line(tmp_path, monkeypatch):
    good = rule_based.KEYWORDS_FILE.read_text(encoding="utf-8")
    path = tmp_path / "rules.yaml"
    monkeypatch.setattr(rule_based, "KEYWORDS_FILE", path)
    for text, problem in (
        (
            good.replace("dim: {brightness: dark}", "dim: {brightness: dusky}"),
            "dim.brightness: no such label",
        ),
        (good.replace("dim: {brightness: dark}", "dim: {gloom: dark}"), "'gloom' does not exist"),
        (good.replace("  root: c\n", ""), "exactly the 34 config fields"),
        (good.replace("#0b0c10", "#0b0c1"), "palettes.very_dark"),
        (good.replace("keywords:", "words:"), "expected the keys"),
        ("a: [", "not YAML"),
    ):
        path.write_text(text, encoding="utf-8")
        rule_based.load_rules.cache_clear()
        with pytest.raises(InputError, match=problem) as error:
            rule_based.load_rules()
        assert "\n" not in str(error.value)
    rule_based.load_rules.cache_clear()


def test_retrieval_copies_the_nearest():
    bank = ["heavy rain in the city", "a church organ", "a summer beach", "a church organ"]
    payloads = [json.loads(output) for output in random_uniform.generate(["0", "1", "2", "3"], seed=0)]
    outputs = retrieval.generate(
        ["organ in the cathedral", "sand and sun by the sea", "heavy rain in the city"],
        seed=0,
        bank_vibes=bank,
        bank_payloads=payloads,
    )
    assert outputs == [dumps(payloads[1]), dumps(payloads[2]), dumps(payloads[0])]
    assert retrieval.generate([], seed=0, bank_vibes=bank, bank_payloads=payloads) == []


@pytest.mark.parametrize(("vibes", "payloads"), [([], []), (["a"], []), (["a"], [{}, {}])])
def test_retrieval_needs_a_bank(vibes, payloads):
    with pytest.raises(InputError, match="retrieval bank"):
        retrieval.generate(["x"], seed=0, bank_vibes=vibes, bank_payloads=payloads)
