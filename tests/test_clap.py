"""mini-CLAP: captions that are true, banks that differ, towers that do not mind the batch, a card that is right."""

import json
import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibegrid.clap import formula
from vibegrid.clap.bank import config_id, draw_configs, load_bank, render_bank
from vibegrid.clap.captions import LABELS, MAIN, draw_caption, heard, load_phrases
from vibegrid.clap.card import recall_at
from vibegrid.errors import InputError
from vibegrid.evals.familiarity import content_words
from vibegrid.figures.clap import plot_clap
from vibegrid.ranking import auc
from vibegrid.schema import FIELDS, is_legal
from vibegrid.sound.clip import Clip
from vibegrid.sound.render import SAMPLE_RATE
from vibegrid.specs.clap import BankSpec, CaptionSpec, ClapSpec

FILES = ("captions_train", "captions_eval", "probes")
BANK = BankSpec(renders=40, held_out=12, seconds=1, seed=3)
SPEC = ClapSpec(bank=BANK, captions=CaptionSpec(pool=24), epochs=2, batch_size=14, text_epochs=2)


def words(name):
    phrases, templates = load_phrases(name)
    return set().union(*(content_words(text) for text in [*(p.text for p in phrases), *templates]))


def config_of(**fields):
    return draw_configs(BankSpec(renders=4, held_out=2))[0] | fields


@pytest.mark.parametrize(("a", "b"), list(combinations(FILES, 2)))
def test_no_content_word_is_in_two_files(a, b):
    assert words(a) and not words(a) & words(b)


@pytest.mark.parametrize("name", FILES)
def test_poles_have_enough_phrases(name):
    phrases, _ = load_phrases(name)
    assert len({(p.attribute, p.labels, p.text) for p in phrases}) == len(phrases)
    for attribute in MAIN:
        poles = {p.labels for p in load_phrases("probes")[0] if p.attribute == attribute}
        assert len(poles) == 2
        for pole in poles:  # a phrase may be true of part of a pole only
            count = sum(p.attribute == attribute and p.labels <= pole for p in phrases)
            assert count >= (6 if name == "probes" else 12), (attribute, pole)


def test_labels_of_phrases_are_labels_that_can_be_heard():
    found = {}
    for config in draw_configs(BankSpec(renders=600, held_out=2, seed=9)):
        for attribute, label in heard(config).items():
            found.setdefault(attribute, set()).add(label)
    assert {attribute: set(labels) for attribute, labels in LABELS.items()} == found
    for name in FILES:
        for phrase in load_phrases(name)[0]:
            assert phrase.labels <= found[phrase.attribute], phrase


@pytest.mark.parametrize(
    ("density", "rhythm", "texture", "melody"),
    [(2, "none", "none", True), (3, "none", "none", False), (4, "military", "none", False)],
)
def test_layers_that_density_leaves_out_are_not_heard(density, rhythm, texture, melody):
    labels = heard(config_of(density=density, rhythm="military", texture="stars"))
    assert (labels["rhythm"], labels["texture"], labels["melody"] == "absent") == (rhythm, texture, melody)


@given(seed=st.integers(0, 10_000), variant=st.sampled_from(FILES[:2]))
def test_captions_say_only_what_is_true(seed, variant):
    rng = random.Random(seed)
    labels = heard(CONFIGS[seed % len(CONFIGS)])
    phrases, templates = load_phrases(variant)
    caption = draw_caption(labels, phrases, templates, rng, fewest=2, most=6)
    chosen = [phrases[i] for i in caption.phrases]
    assert 2 <= len(chosen) <= 6 and len({p.attribute for p in chosen}) == len(chosen)
    assert all(labels[p.attribute] in p.labels and p.text in caption.text for p in chosen)
    assert caption == draw_caption(labels, phrases, templates, random.Random(seed), fewest=2, most=6)


CONFIGS = draw_configs(BankSpec(renders=60, held_out=2, seed=5))


def test_banks_are_legal_reproducible_and_disjoint():
    first, second = (draw_configs(BankSpec(renders=1500, seed=seed)) for seed in (0, 1))
    assert first == draw_configs(BankSpec(renders=1500, seed=0))
    for config in first:
        assert set(config) == set(FIELDS) and all(is_legal(*item) for item in config.items())
        assert config["register_min_oct"] <= config["register_max_oct"]
    ids = [{config_id(config) for config in bank} for bank in (first, second)]
    assert len(ids[0]) == len(ids[1]) == 1500 and not ids[0] & ids[1]


def test_impossible_specs():
    with pytest.raises(ValueError, match="held_out"):
        BankSpec(renders=10, held_out=9)
    with pytest.raises(ValueError, match="fewest"):
        CaptionSpec(fewest=4, most=3)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    out = tmp_path_factory.mktemp("clap") / "bank"
    render_bank(BANK, out)
    return out


@pytest.fixture(scope="module")
def model(bank):
    from vibegrid.clap.train import train

    train(SPEC, bank=bank, out=bank.parent / "model")
    return bank.parent / "model"


def test_a_bank_has_the_same_bytes_twice(bank, tmp_path):
    spec = BankSpec(renders=4, held_out=2, seconds=1, seed=3)
    for name in ("1", "2"):
        render_bank(spec, tmp_path / name)
    files = {path.name: path.read_bytes() for path in (tmp_path / "1").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "2").iterdir()}
    assert sorted(files) == ["configs.jsonl", "frames.npy", "measures.csv"]
    frames, configs = load_bank(bank)
    assert frames.dtype == np.float16 and frames.shape[0] == len(configs) == 40 and frames.shape[2] == 76
    assert np.isfinite(frames).all()


def test_the_chroma_is_that_of_the_chord():
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * time) for note in (72, 76, 79))
    clip = Clip(0.2 * chord)
    assert set(np.argsort(clip.chroma)[-3:]) == {0, 4, 7}
    assert np.allclose(clip.chroma, Clip(0.02 * chord).chroma, atol=1e-3)
    assert clip.clap_frames.shape == (len(clip.log_mel), 76) and not Clip(np.zeros(9000)).chroma.any()


def test_a_broken_bank_is_one_line(bank, tmp_path):
    lines = (bank / "configs.jsonl").read_text().splitlines()
    (tmp_path / "configs.jsonl").write_text("\n".join(lines[:5]))
    (tmp_path / "frames.npy").write_bytes((bank / "frames.npy").read_bytes())
    with pytest.raises(InputError, match=r"frames.npy: shape .* 5 rows"):
        load_bank(tmp_path)
    (tmp_path / "frames.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="cannot be read"):
        load_bank(tmp_path)


def test_training_gives_the_same_bytes(bank, model, tmp_path):
    from vibegrid.clap.train import train

    train(SPEC, bank=bank, out=tmp_path / "again")
    files = sorted(path.name for path in model.iterdir())
    assert files == ["card.json", "config.json", "model.safetensors"]
    for name in files:
        assert (model / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    with pytest.raises(InputError, match="40 renders"):
        train(SPEC.model_copy(update={"bank": BankSpec()}), bank=bank, out=tmp_path / "other")


def test_the_card(model):
    card = json.loads((model / "card.json").read_text())
    assert card["held_out"] == 12 and set(card["recall"]) == set(card["chance"]) == {"@1", "@10"}
    assert set(card["probes"]) == set(MAIN)
    for probe in card["probes"].values():
        assert len(probe["high"]) >= 6 and len(probe["low"]) >= 6
        assert probe["auc"] is None or 0 <= probe["auc"] <= 1


def test_embeddings_do_not_depend_on_the_batch(model):
    from vibegrid.clap.model import MiniClap

    clap = MiniClap.load(model)
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(frames, 76)).astype(np.float32) for frames in (44, 173, 3, 44)]
    together = clap.embed_audio(clips)
    assert together.shape == (4, clap.dim) and np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for row, clip in zip(together, clips, strict=True):
        assert row.tobytes() == clap.embed_audio([clip])[0].tobytes()
    assert clap.embed_audio(clips[::-1])[::-1].tobytes() == together.tobytes()
    texts = rng.normal(size=(5, 384)).astype(np.float32)
    assert clap.embed_text(texts)[2].tobytes() == clap.embed_text(texts[2:3])[0].tobytes()
    assert clap.embed_audio([]).shape == (0, clap.dim)
    pairs = clap.similarity(together, together)
    assert np.allclose(pairs, 1, atol=1e-5) and (clap.score(together, together) <= pairs + 1e-6).all()
    for frames in (np.zeros((0, 76)), np.zeros((9, 64)), np.full((9, 76), np.nan)):
        with pytest.raises(InputError, match="clip 0"):
            clap.embed_audio([frames])


def test_a_broken_model_is_one_line(model, tmp_path):
    from vibegrid.clap.model import MiniClap

    (tmp_path / "config.json").write_bytes((model / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes()[:500])
    with pytest.raises(InputError, match="train it again"):
        MiniClap.load(tmp_path)


def test_the_formula_by_hand():
    axes = np.eye(3, dtype=np.float32)
    text, bad = axes[[0, 0, 2]], axes[2]
    audio = np.array([[1, 0, 0], [0.6, 0, 0.8], [0, 0, 1]], dtype=np.float32)
    # no badness; a badness of 0.8 that nobody asked for; a badness that the text asks for
    assert np.allclose(formula.clap_score(text, audio, bad), [1.0, 0.6 - 0.8, 1.0])
    assert np.allclose(formula.mean_direction(axes[:2]), np.array([1, 1, 0]) / np.sqrt(2))
    assert len(set(formula.bad_sound_phrases())) == len(formula.bad_sound_phrases()) >= 5


def test_recall_and_auc_by_hand():
    similarities = np.array([[3, 1, 0], [2, 1, 0], [5, 5, 5]])
    assert recall_at(similarities, (1, 2, 3)) == {1: 1 / 3, 2: 2 / 3, 3: 1.0}
    scores, high = np.array([3.0, 1.0, 1.0, 0.0]), np.array([True, True, False, False])
    assert auc(scores[high], scores[~high]) == (2 + 0.5 + 1) / 4
    assert auc(scores[high], scores[high & ~high]) is None


def test_the_figure(tmp_path):
    probes = {name: {"auc": value} for name, value in zip(MAIN, (0.9, 0.8, 0.5, None, 0.99, 0.2, 0.7), strict=True)}
    card = {"recall": {"@1": 0.1, "@10": 0.4}, "chance": {"@1": 0.005, "@10": 0.05}, "probes": probes}
    cards = {"clap_train": card, "clap_eval": card, "<script>$x$": card}
    for name in ("1", "2"):
        plot_clap(cards, tmp_path / name / "c.pdf")
    for name in ("c.pdf", "c.png"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
