"""The two towers of mini-CLAP in torch; import this module late."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

TEXT_HIDDEN, HIDDEN = 512, 256
POINT = 64  # dimensions of the sphere on which a clip is before its labels are told
TONAL = 128  # units that hear a chroma's rotations
LEVELS = (0.0, 0.1, 0.5, 0.9, 1.0)  # quantiles of a band's level
CHANGES = (0.0, 0.02, 0.1, 0.5, 0.9, 0.98, 1.0)  # quantiles of a band's changes
LAGS = (1, 4)  # frames
GROUPS, LONGEST = 8, 64  # groups of bands, and the longest lag of their autocorrelation in frames: 1.5 s
MIN_FRAMES = 16
GAIN, CHROMA_GAIN = 0.2, 2.0  # of the inputs: the many statistics would be learnt by heart before the chroma is heard
FARTHEST = 5.0  # deviations


class TextTower(nn.Module):
    """MiniLM embeddings (n, 384) -> (n, dim), unit norm: a linear map, and a hidden layer that starts at zero.

    Inputs are centred and scaled first: as they come (values of about 0.05) the layer's biases outweigh them.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(()))
        self.layers = nn.Sequential(
            nn.Linear(width, TEXT_HIDDEN), nn.GELU(), nn.Dropout(dropout), nn.Linear(TEXT_HIDDEN, dim)
        )
        self.linear = nn.Linear(width, dim)
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]

    def forward(self, embeddings: Tensor) -> Tensor:
        centred = (embeddings - self.mean) / self.deviation
        return functional.normalize(self.linear(centred) + self.layers(centred), dim=-1)


class AudioTower(nn.Module):
    """Frames (n, frames, bands + pitch classes) -> (n, dim), unit norm, for any number of frames from `MIN_FRAMES` on.

    A dimension is the square root of a label's probability: a clip is a distribution over the labels of each
    attribute, and the cosine of two clips is the mean over attributes of their Bhattacharyya coefficients.

    One hidden layer hears each band's statistics over time. Another hears the chroma's mean in each of its rotations,
    of which the maximum and the mean are left: the mode is heard whatever the root. On 1100 renders, convolutions took
    six times as long and heard tempo and space much worse.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, bands: int, pitch_classes: int, labels: Sequence[int], dropout: float = 0.3) -> None:
        super().__init__()
        width = bands * (2 + len(LEVELS) + len(CHANGES) * len(LAGS)) + GROUPS * LONGEST
        self.bands, self.sizes = bands, list(labels)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        hidden = nn.Linear(width, HIDDEN)
        self.head = nn.Sequential(nn.Dropout(dropout), hidden, nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN, POINT))
        self.tonal = nn.Sequential(nn.Linear(pitch_classes, TONAL), nn.ReLU())
        self.keys = nn.Linear(2 * TONAL, POINT)
        self.prototypes = nn.Linear(POINT, sum(labels), bias=False)
        nn.init.normal_(self.prototypes.weight, std=0.05)
        self.scale = nn.Parameter(torch.tensor(10.0).log())

    def statistics(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """What the layers hear of frames: statistics (n, width), to be standardised, and chroma (n, pitch classes).

        Of each band: mean, deviation and quantiles of its level, quantiles of its changes at two lags (reverberation
        shows in how steeply it falls). Of each group of bands: the autocorrelation of its rises (tempo, rhythm).
        """
        mel, chroma = frames[:, :, : self.bands], frames[:, :, self.bands :].mean(1)
        parts = [mel.mean(1), mel.std(1, correction=0), *_quantiles(mel, LEVELS)]
        for lag in LAGS:
            parts += _quantiles(mel[:, lag:] - mel[:, :-lag], CHANGES)
        rises = (mel[:, 1:] - mel[:, :-1]).clamp(min=0).unflatten(2, (GROUPS, -1)).mean(3)
        rises = rises - rises.mean(1, keepdim=True)
        count = rises.shape[1]
        power = torch.fft.rfft(rises, count + LONGEST, dim=1).abs() ** 2
        lagged = torch.fft.irfft(power, count + LONGEST, dim=1)[:, : LONGEST + 1]
        parts.append((lagged[:, 1:] / (lagged[:, :1] + 1e-3)).flatten(1))
        return torch.cat(parts, dim=1), chroma

    def logits(self, statistics: Tensor, chroma: Tensor) -> Tensor:
        """Standardised statistics and chroma -> (n, dim), to be normalised attribute by attribute."""
        keys = self.tonal(torch.stack([CHROMA_GAIN * chroma.roll(by, 1) for by in range(chroma.shape[1])], dim=1))
        tonal = self.keys(torch.cat([keys.amax(1), keys.mean(1)], dim=1))
        point = functional.normalize(self.head(GAIN * statistics) + tonal, dim=-1)
        return self.prototypes(point) * self.scale.exp()

    def standardise(self, statistics: Tensor) -> Tensor:
        return ((statistics - self.mean) / self.deviation).clamp(-FARTHEST, FARTHEST)

    def forward(self, frames: Tensor) -> Tensor:
        statistics, chroma = self.statistics(frames)
        parts = self.logits(self.standardise(statistics), chroma).split(self.sizes, dim=1)
        return torch.cat([part.softmax(1).sqrt() for part in parts], dim=1) / len(parts) ** 0.5


def _quantiles(values: Tensor, shares: tuple[float, ...]) -> list[Tensor]:
    """Order statistics over time of (n, frames, bands), each (n, bands)."""
    count = values.shape[1]
    ordered = values.sort(dim=1).values
    return [ordered[:, min(count - 1, int(count * share))] for share in shares]
