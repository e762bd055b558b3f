"""The training loop of mini-CLAP: texts and clips of an epoch, augmentation, loss."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vibegrid.clap.captions import draw_caption, draw_phrases, heard, load_phrases, true_phrases
from vibegrid.clap.model import MiniClap
from vibegrid.embeddings import encode
from vibegrid.specs.clap import ClapSpec

log = logging.getLogger(__name__)

WARMUP = 0.1  # of all steps
WHOLE_SHARE = 0.5  # of texts that are whole captions
TEXT_NOISE = 0.02  # deviation of the noise on each dimension of a text, whose norm is 1
GAIN = 0.1  # deviation of the shift of all log-mel values of a clip
MASKED_BANDS = 4  # at most, one stripe (SpecAugment, Park et al. 2019)
PHRASE_WEIGHT = 3.0  # of the loss of single phrases
MAX_SCALE = 4.6  # of the log of the inverse temperature


class Texts(NamedTuple):
    """Embedded texts and the clips that each is true of."""

    phrases: np.ndarray  # (p, 384)
    phrase_fits: np.ndarray  # bool (p, n)
    attributes: list[np.ndarray]  # phrases of each attribute
    true: list[dict[str, list[int]]]  # of each clip, attribute -> phrases
    captions: np.ndarray  # (c, 384)
    caption_fits: np.ndarray  # bool (c, n)
    of_clip: list[np.ndarray]  # captions that are true of each clip


def fit(model: MiniClap, spec: ClapSpec, mels: np.ndarray, configs: Sequence[Mapping[str, Any]]) -> list[float]:
    """Train the towers in place on all clips; the mean loss of each epoch.

    Args:
        model: untrained towers.
        spec: the spec; `torch.manual_seed(spec.seed)` is the caller's.
        mels: (n, frames, 64).
        configs: n configs.
    """
    import torch

    rng, generator = random.Random(f"clap {spec.seed}"), np.random.default_rng(spec.seed)
    texts = _texts(spec, configs, rng)
    clips = torch.from_numpy(mels.astype(np.float32))
    model.audio.mean.copy_(clips.mean((0, 1)))
    model.audio.deviation.copy_(clips.std((0, 1)))
    phrases = torch.from_numpy(texts.phrases)
    model.text.mean.copy_(phrases.mean(0))
    model.text.deviation.copy_(phrases.std(0, correction=0).mean())
    scale, phrase_scale = (torch.nn.Parameter(torch.tensor(math.log(1 / spec.temperature))) for _ in range(2))
    weights = [*model.text.parameters(), *model.audio.parameters()]
    groups = [
        {"params": weights, "weight_decay": spec.weight_decay},
        {"params": [scale, phrase_scale], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=spec.learning_rate)
    count, size = len(configs), min(spec.batch_size, len(configs))
    steps = max(1, count // size)
    model.text.train()
    model.audio.train()
    losses, step = [], 0
    for epoch in range(spec.epochs):
        vectors, fits = _draw(texts, spec, rng)
        order, total = generator.permutation(count), 0.0
        for batch in range(steps):
            chosen = order[batch * size : (batch + 1) * size]
            for group in optimizer.param_groups:
                group["lr"] = spec.learning_rate * _rate(step, steps * spec.epochs)
            said = model.text(_noisy(torch.from_numpy(vectors[chosen])))
            sound = model.audio(_augment(clips[torch.from_numpy(chosen)], model.audio.mean, generator))
            logits = said @ sound.T * scale.clamp(max=MAX_SCALE).exp()
            loss = _loss(logits, torch.from_numpy(fits[np.ix_(chosen, chosen)].astype(np.float32)))
            logits = sound @ model.text(_noisy(phrases)).T * phrase_scale.clamp(max=MAX_SCALE).exp()
            loss = loss + PHRASE_WEIGHT * _phrase_loss(logits, texts.phrase_fits[:, chosen].T, texts.attributes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step, total = step + 1, total + float(loss.item())
        losses.append(total / steps)
        log.info(
            "epoch %d of %d: loss %.3f, temperature %.3f", epoch + 1, spec.epochs, losses[-1], math.exp(-scale.item())
        )
    model.text.eval()
    model.audio.eval()
    return losses


def _rate(step: int, total: int) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine to zero."""
    return min(1.0, (step + 1) / (WARMUP * total)) * 0.5 * (1 + math.cos(math.pi * step / total))


def _texts(spec: ClapSpec, configs: Sequence[Mapping[str, Any]], rng: random.Random) -> Texts:
    phrases, templates = load_phrases(f"captions_{spec.captions.variant}")
    labels = [heard(config) for config in configs]
    fits = np.array([[label.get(phrase.attribute) in phrase.labels for label in labels] for phrase in phrases])
    sizes = {"fewest": spec.captions.fewest, "most": spec.captions.most}
    captions = [
        draw_caption(labels[i % len(labels)], phrases, templates, rng, **sizes) for i in range(spec.captions.pool)
    ]
    embedded = encode([*(phrase.text for phrase in phrases), *(caption.text for caption in captions)])
    caption_fits = np.array([fits[list(caption.phrases)].all(axis=0) for caption in captions])
    return Texts(
        phrases=embedded[: len(phrases)],
        phrase_fits=fits,
        attributes=[
            np.flatnonzero([phrase.attribute == name for phrase in phrases])
            for name in sorted({phrase.attribute for phrase in phrases})
        ],
        true=[true_phrases(phrases, label) for label in labels],
        captions=embedded[len(phrases) :],
        caption_fits=caption_fits,
        of_clip=[np.flatnonzero(caption_fits[:, i]) for i in range(len(configs))],
    )


def _draw(texts: Texts, spec: ClapSpec, rng: random.Random) -> tuple[np.ndarray, np.ndarray]:
    """A text for each clip, float32 (n, 384), and which clips each is true of, bool (n, n)."""
    count = len(texts.true)
    vectors = np.empty((count, texts.phrases.shape[1]), dtype=np.float32)
    fits = np.empty((count, count), dtype=bool)
    for i in range(count):
        own = texts.of_clip[i]
        if len(own) and rng.random() < WHOLE_SHARE:
            caption = own[int(rng.random() * len(own))]
            vectors[i], fits[i] = texts.captions[caption], texts.caption_fits[caption]
        else:
            chosen = list(draw_phrases(texts.true[i], 1, spec.captions.most, rng))
            mean = texts.phrases[chosen].mean(axis=0)
            vectors[i], fits[i] = mean / np.linalg.norm(mean), texts.phrase_fits[chosen].all(axis=0)
    return vectors, fits


def _noisy(texts: Any) -> Any:
    """Embeddings (n, 384) with a little noise, of unit norm again."""
    import torch
    from torch.nn import functional

    return functional.normalize(texts + TEXT_NOISE * torch.randn_like(texts), dim=-1)


def _augment(clips: Any, mean: Any, generator: np.random.Generator) -> Any:
    """A copy of (n, frames, bands): another loudness, a stripe of bands blanked.

    Frames stay where they are: every render starts on a beat, and a clip that is rolled or has frames blanked
    loses its tempo (AUC of a classifier 0.82, against 0.97).
    """
    import torch

    shift = generator.normal(0, GAIN, (len(clips), 1, 1)).astype(np.float32)
    clips = clips + torch.from_numpy(shift)
    for clip in clips:
        width = int(generator.integers(MASKED_BANDS + 1))
        start = int(generator.integers(clip.shape[1] - width + 1))
        clip[:, start : start + width] = mean[start : start + width]
    return clips


def _loss(logits: Any, positives: Any) -> Any:
    """Cross-entropy both ways, to the even distribution over all pairs that a text is true of (UniCL)."""
    from torch.nn import functional

    texts = (positives / positives.sum(1, keepdim=True) * functional.log_softmax(logits, 1)).sum(1).mean()
    clips = (positives / positives.sum(0, keepdim=True) * functional.log_softmax(logits, 0)).sum(0).mean()
    return -0.5 * (texts + clips)


def _phrase_loss(logits: Any, fits: np.ndarray, attributes: Sequence[np.ndarray]) -> Any:
    """Which phrases of an attribute are true of a clip: cross-entropy to the even distribution over them.

    Args:
        logits: (clips, phrases).
        fits: bool, of the same shape.
        attributes: phrases of each attribute; a clip of which none is true does not count.
    """
    import torch
    from torch.nn import functional

    losses = []
    for phrases in attributes:
        true = fits[:, phrases]
        known = np.flatnonzero(true.any(axis=1))
        if len(known):
            wanted = torch.from_numpy((true[known] / true[known].sum(axis=1, keepdims=True)).astype(np.float32))
            guessed = functional.log_softmax(logits[torch.from_numpy(known)][:, torch.from_numpy(phrases)], 1)
            losses.append(-(wanted * guessed).sum(1).mean())
    return torch.stack(losses).sum() / len(attributes)
