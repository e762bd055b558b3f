"""Muon (Jordan et al. 2024): momentum whose update is made orthogonal, for the matrices of the blocks.

In 30 s of one thread it brings a miniature's payload loss to 2.26 (112 steps) where AdamW reaches 2.50 (126).
`torch.optim.Muon` computes in bfloat16, which on a CPU takes four times as long as the model itself; this one
computes in float32 and stacks matrices of one shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# Coefficients of the quintic Newton-Schulz iteration (Jordan et al. 2024).
A, B, C = 3.4445, -4.7750, 2.0315
ITERATIONS = 5


class Muon:
    """Parameters are matrices; `lr` is the spectral norm of an update of a square one."""

    def __init__(self, parameters: Iterable[Any], lr: float, momentum: float = 0.9) -> None:
        import torch

        self.lr, self.momentum = lr, momentum
        self.groups: dict[tuple[int, ...], list[Any]] = {}
        for parameter in parameters:
            self.groups.setdefault(tuple(sorted(parameter.shape)), []).append(parameter)
        self.averages = {p: torch.zeros_like(p) for group in self.groups.values() for p in group}

    def step(self) -> None:
        """One update of every parameter from its gradient."""
        import torch

        with torch.no_grad():
            for group in self.groups.values():
                updates = [self._direction(p) for p in group]
                wide = torch.stack([u.T if u.shape[0] > u.shape[1] else u for u in updates])
                for parameter, update in zip(group, orthogonalise(wide), strict=True):
                    rows, columns = parameter.shape
                    scale = max(1.0, rows / columns) ** 0.5
                    parameter.add_(update.T if rows > columns else update, alpha=-self.lr * scale)

    def _direction(self, parameter: Any) -> Any:
        average = self.averages[parameter].lerp_(parameter.grad, 1 - self.momentum)
        return parameter.grad.lerp(average, self.momentum)  # Nesterov

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.averages:
            parameter.grad = None


def orthogonalise(stack: Any) -> Any:
    """Matrices (n, rows, columns), rows <= columns, with their singular values brought near 1."""
    x = stack / (stack.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.transpose(1, 2)
        x = A * x + (B * gram + C * gram @ gram) @ x
    return x
