"""The two towers of mini-CLAP in torch; import this module late."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

HIDDEN = 256
CHANNELS = (96, 128, 128, 128)
KERNEL = 5  # frames
MIN_FRAMES = 16


class TextTower(nn.Module):
    """MiniLM embeddings (n, 384) -> (n, dim), unit norm: one hidden layer.

    Inputs are centred and scaled first: as they come (values of about 0.05) the layer's biases outweigh them.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(()))
        self.layers = nn.Sequential(nn.Linear(width, HIDDEN), nn.GELU(), nn.Dropout(dropout), nn.Linear(HIDDEN, dim))

    def forward(self, embeddings: Tensor) -> Tensor:
        return functional.normalize(self.layers((embeddings - self.mean) / self.deviation), dim=-1)


class AudioTower(nn.Module):
    """Log-mel frames (n, frames, bands) -> (n, dim), unit norm, for any number of frames from `MIN_FRAMES` on.

    Four strided convolutions over time; mean, deviation and maximum over time of what they leave. Convolutions over
    time and bands took twice as long.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, bands: int, dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("deviation", torch.ones(bands))
        blocks: list[nn.Module] = []
        for inside, outside in zip((bands, *CHANNELS[:-1]), CHANNELS, strict=True):
            convolution = nn.Conv1d(inside, outside, KERNEL, stride=2, padding=KERNEL // 2)
            blocks += [convolution, nn.BatchNorm1d(outside), nn.ReLU()]
        self.blocks = nn.Sequential(*blocks)
        pooled = 3 * CHANNELS[-1]
        self.head = nn.Sequential(nn.Linear(pooled, HIDDEN), nn.ReLU(), nn.Dropout(dropout), nn.Linear(HIDDEN, dim))

    def forward(self, frames: Tensor) -> Tensor:
        maps = self.blocks(((frames - self.mean) / self.deviation).transpose(1, 2))  # (n, channels, time)
        pooled = torch.cat([maps.mean(2), (maps.var(2, correction=0) + 1e-5).sqrt(), maps.amax(2)], dim=1)
        return functional.normalize(self.head(pooled), dim=-1)
