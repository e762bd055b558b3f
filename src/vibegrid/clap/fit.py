"""The training of mini-CLAP: the audio tower on what is heard, then the text tower on the sounds as that hears them."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from vibegrid.clap.captions import LABELS, draw_caption, draw_phrases, heard, load_phrases, true_phrases
from vibegrid.clap.model import MiniClap
from vibegrid.embeddings import encode
from vibegrid.specs.clap import ClapSpec

log = logging.getLogger(__name__)

WARMUP = 0.1  # of all steps
WHOLE_SHARE = 0.8  # of texts that are whole captions
CAPTION_NOISE, PHRASE_NOISE = 0.005, 0.05  # deviation of the noise on each dimension of a text, whose norm is 1
STATISTICS_NOISE = 1.0  # deviation of the noise on each statistic of a clip, whose own is 1
PHRASE_WEIGHT = 3.0  # of the loss of single phrases
LABEL_WEIGHT = 6.0  # of the loss of what texts say
TEXT_BATCH = 128  # clips a step of the text tower
MAX_SCALE = 4.6  # of the log of the inverse temperature

ITEMS = [(name, label) for name, labels in LABELS.items() for label in labels]  # of the dimensions


class Texts(NamedTuple):
    """Embedded texts and the clips that each is true of."""

    phrases: np.ndarray  # (p, 384)
    phrase_fits: np.ndarray  # bool (p, n)
    phrase_says: np.ndarray  # bool (p, dim): the labels of its attribute that it is true of, and all of the others'
    attributes: list[np.ndarray]  # phrases of each attribute
    true: list[dict[str, list[int]]]  # of each clip, attribute -> phrases
    captions: np.ndarray  # (c, 384)
    caption_fits: np.ndarray  # bool (c, n)
    caption_says: np.ndarray  # bool (c, dim)
    of_clip: list[np.ndarray]  # captions that are true of each clip


def fit(
    model: MiniClap, spec: ClapSpec, clips: np.ndarray, configs: Sequence[Mapping[str, Any]]
) -> dict[str, list[float]]:
    """Train the towers in place on all clips, and take their centre; the mean loss of each epoch, by tower.

    Args:
        model: untrained towers.
        spec: the spec; `torch.manual_seed(spec.seed)` is the caller's.
        clips: (n, frames, 76), see `Clip.clap_frames`.
        configs: n configs.
    """
    labels = [heard(config) for config in configs]
    generator = np.random.default_rng(spec.seed)
    audio = _fit_audio(model.audio, spec, clips, labels, generator)
    embedded = model.embed_audio(list(clips))
    text = _fit_text(model.text, spec, embedded, labels, generator)
    model.centre = embedded.mean(axis=0)
    return {"audio": audio, "text": text}


def _fit_audio(
    tower: Any, spec: ClapSpec, frames: np.ndarray, labels: Sequence[Mapping[str, str]], generator: np.random.Generator
) -> list[float]:
    """Which label of each attribute is heard."""
    import torch

    fits = np.array([[label.get(name) == value for name, value in ITEMS] for label in labels])
    parts = [tower.statistics(torch.from_numpy(part.astype(np.float32))) for part in np.array_split(frames, 10)]
    statistics, chroma = (torch.cat(part) for part in zip(*parts, strict=True))
    tower.mean.copy_(statistics.mean(0))
    tower.deviation.copy_(statistics.std(0) + 1e-3)
    statistics = tower.standardise(statistics)

    def loss_of(_: None, chosen: np.ndarray) -> Any:
        rows = torch.from_numpy(chosen)
        noisy = statistics[rows] + STATISTICS_NOISE * torch.randn(len(rows), statistics.shape[1])
        return _choice_loss(tower.logits(noisy, chroma[rows]), fits[chosen], ATTRIBUTES)

    weights = [value for name, value in tower.named_parameters() if name != "scale"]
    sizes = (spec.epochs, min(spec.batch_size, len(labels)), len(labels))
    return _descend("audio", tower, spec, weights, [tower.scale], sizes, generator, lambda: None, loss_of)


def _fit_text(
    tower: Any, spec: ClapSpec, sounds: np.ndarray, labels: Sequence[Mapping[str, str]], generator: np.random.Generator
) -> list[float]:
    """What each text says of each attribute; which sounds (n, dim) it is true of; which phrases a sound makes true."""
    import torch

    rng = random.Random(f"clap {spec.seed}")
    texts = _texts(spec, labels, rng)
    phrases, heard_sounds = torch.from_numpy(texts.phrases), torch.from_numpy(sounds)
    tower.mean.copy_(phrases.mean(0))
    tower.deviation.copy_(phrases.std(0, correction=0).mean())
    scale, phrase_scale, label_scale = (_scale(spec) for _ in range(3))

    def loss_of(drawn: tuple[np.ndarray, ...], chosen: np.ndarray) -> Any:
        vectors, fits, says = drawn
        sound = heard_sounds[torch.from_numpy(chosen)]
        said = tower(_noisy(torch.from_numpy(vectors[chosen]), CAPTION_NOISE))
        positives = torch.from_numpy(fits[np.ix_(chosen, chosen)].astype(np.float32))
        loss = _pair_loss(said @ sound.T * _inverse(scale), positives)
        alone = tower(_noisy(phrases, PHRASE_NOISE))
        logits = sound @ alone.T * _inverse(phrase_scale)
        loss = loss + PHRASE_WEIGHT * _choice_loss(logits, texts.phrase_fits[:, chosen].T, texts.attributes)
        for text, wanted in ((said, says[chosen]), (alone, texts.phrase_says)):
            loss = loss + LABEL_WEIGHT * _choice_loss(text * _inverse(label_scale), wanted, ATTRIBUTES)
        return loss

    weights, sizes = list(tower.parameters()), (spec.text_epochs, min(TEXT_BATCH, len(labels)), len(labels))
    draw = partial(_draw, texts, spec, rng)
    return _descend("text", tower, spec, weights, [scale, phrase_scale, label_scale], sizes, generator, draw, loss_of)


def _descend(
    name: str,
    tower: Any,
    spec: ClapSpec,
    weights: Sequence[Any],
    scales: Sequence[Any],
    sizes: tuple[int, int, int],
    generator: np.random.Generator,
    draw: Callable[[], Any],
    loss_of: Callable[[Any, np.ndarray], Any],
) -> list[float]:
    """AdamW over shuffled batches; the mean loss of each epoch.

    Args:
        name: for the log.
        tower: in training mode until the end.
        spec: its rates.
        weights: decayed parameters.
        scales: parameters that do not decay.
        sizes: epochs, clips a batch, clips.
        generator: of the shuffles.
        draw: what `loss_of` needs in an epoch.
        loss_of: the loss of what was drawn and a batch's clips.
    """
    import torch

    epochs, size, count = sizes
    groups = [{"params": weights, "weight_decay": spec.weight_decay}, {"params": scales, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=spec.learning_rate)
    steps, step, losses = count // size, 0, []
    tower.train()
    for epoch in range(epochs):
        drawn, order, total = draw(), generator.permutation(count), 0.0
        for batch in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = spec.learning_rate * _rate(step, steps * epochs)
            loss = loss_of(drawn, order[batch * size : (batch + 1) * size])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step, total = step + 1, total + float(loss.item())
        losses.append(total / steps)
        log.info("%s, epoch %d of %d: loss %.3f", name, epoch + 1, epochs, losses[-1])
    tower.eval()
    return losses


def _scale(spec: ClapSpec) -> Any:
    """The log of an inverse temperature, to be learnt."""
    import torch

    return torch.nn.Parameter(torch.tensor(math.log(1 / spec.temperature)))


def _inverse(scale: Any) -> Any:
    return scale.clamp(max=MAX_SCALE).exp()


def _groups(names: Sequence[str]) -> list[np.ndarray]:
    """Where each name stands, name by name."""
    return [np.flatnonzero([other == name for other in names]) for name in sorted(set(names))]


ATTRIBUTES = _groups([name for name, _ in ITEMS])


def _rate(step: int, total: int) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine to zero."""
    return min(1.0, (step + 1) / (WARMUP * total)) * 0.5 * (1 + math.cos(math.pi * step / total))


def _texts(spec: ClapSpec, labels: Sequence[Mapping[str, str]], rng: random.Random) -> Texts:
    phrases, templates = load_phrases(f"captions_{spec.captions.variant}")
    fits = np.array([[label.get(phrase.attribute) in phrase.labels for label in labels] for phrase in phrases])
    says = np.array(
        [[phrase.attribute != name or label in phrase.labels for name, label in ITEMS] for phrase in phrases]
    )
    sizes = {"fewest": spec.captions.fewest, "most": spec.captions.most}
    captions = [
        draw_caption(labels[i % len(labels)], phrases, templates, rng, **sizes) for i in range(spec.captions.pool)
    ]
    embedded = encode([*(phrase.text for phrase in phrases), *(caption.text for caption in captions)])
    caption_fits = np.array([fits[list(caption.phrases)].all(axis=0) for caption in captions])
    return Texts(
        phrases=embedded[: len(phrases)],
        phrase_fits=fits,
        phrase_says=says,
        attributes=_groups([phrase.attribute for phrase in phrases]),
        true=[true_phrases(phrases, label) for label in labels],
        captions=embedded[len(phrases) :],
        caption_fits=caption_fits,
        caption_says=np.array([says[list(caption.phrases)].all(axis=0) for caption in captions]),
        of_clip=[np.flatnonzero(caption_fits[:, i]) for i in range(len(labels))],
    )


def _draw(texts: Texts, spec: ClapSpec, rng: random.Random) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A text for each clip, float32 (n, 384), the clips it is true of, bool (n, n), its labels, bool (n, dim)."""
    count = len(texts.true)
    vectors = np.empty((count, texts.phrases.shape[1]), dtype=np.float32)
    fits = np.empty((count, count), dtype=bool)
    says = np.empty((count, len(ITEMS)), dtype=bool)
    for i in range(count):
        own = texts.of_clip[i]
        if len(own) and rng.random() < WHOLE_SHARE:
            caption = own[int(rng.random() * len(own))]
            vectors[i], fits[i], says[i] = (
                part[caption] for part in (texts.captions, texts.caption_fits, texts.caption_says)
            )
        else:
            chosen = list(draw_phrases(texts.true[i], 1, spec.captions.most, rng))
            mean = texts.phrases[chosen].mean(axis=0)
            vectors[i] = mean / np.linalg.norm(mean)
            fits[i], says[i] = (part[chosen].all(axis=0) for part in (texts.phrase_fits, texts.phrase_says))
    return vectors, fits, says


def _noisy(texts: Any, deviation: float) -> Any:
    """Embeddings (n, 384) with noise, of unit norm again."""
    import torch
    from torch.nn import functional

    return functional.normalize(texts + deviation * torch.randn_like(texts), dim=-1)


def _pair_loss(logits: Any, positives: Any) -> Any:
    """Cross-entropy both ways, to the even distribution over all pairs that a text is true of (UniCL)."""
    from torch.nn import functional

    texts = (positives / positives.sum(1, keepdim=True) * functional.log_softmax(logits, 1)).sum(1).mean()
    clips = (positives / positives.sum(0, keepdim=True) * functional.log_softmax(logits, 0)).sum(0).mean()
    return -0.5 * (texts + clips)


def _choice_loss(logits: Any, fits: np.ndarray, attributes: Sequence[np.ndarray]) -> Any:
    """Which phrases (or labels) of an attribute are true of a clip: cross-entropy to the even distribution over them.

    Args:
        logits: (clips, phrases).
        fits: bool, of the same shape; where all are true, none may be likelier.
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
