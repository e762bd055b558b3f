"""The two towers of mini-CLAP in torch; import this module late."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

HIDDEN = 256
CHANNELS = (16, 32, 64, 96)
MIN_FRAMES = 16


class TextTower(nn.Module):
    """MiniLM embeddings (n, 384) -> (n, dim), unit norm: one hidden layer."""

    def __init__(self, width: int, dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, HIDDEN), nn.GELU(), nn.Dropout(dropout), nn.Linear(HIDDEN, dim))

    def forward(self, embeddings: Tensor) -> Tensor:
        return functional.normalize(self.layers(embeddings), dim=-1)


class AudioTower(nn.Module):
    """Log-mel frames (n, frames, bands) -> (n, dim), unit norm, for any number of frames from `MIN_FRAMES` on.

    Four strided 2-D convolutions; mean, deviation and maximum over time of what is left of each band.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, bands: int, dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("deviation", torch.ones(bands))
        blocks: list[nn.Module] = []
        for inside, outside in zip((1, *CHANNELS[:-1]), CHANNELS, strict=True):
            blocks += [nn.Conv2d(inside, outside, 3, stride=2, padding=1), nn.BatchNorm2d(outside), nn.ReLU()]
        self.blocks = nn.Sequential(*blocks)
        pooled = 3 * CHANNELS[-1] * -(-bands // 2 ** len(CHANNELS))
        self.head = nn.Sequential(nn.Linear(pooled, HIDDEN), nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN, dim))

    def forward(self, frames: Tensor) -> Tensor:
        maps = self.blocks(((frames - self.mean) / self.deviation).unsqueeze(1))  # (n, channels, time, bands)
        pooled = torch.cat([maps.mean(2), (maps.var(2, correction=0) + 1e-5).sqrt(), maps.amax(2)], dim=1).flatten(1)
        return functional.normalize(self.head(pooled), dim=-1)
