"""Which configs are rendered: random ones, and each of them with one field moved to another label.

A radial design (Campolongo, Saltelli & Cariboni 2011, Computer Physics Communications 182, 978-988): around each of N
random configs every field is moved alone. So the same renders serve for effects of one field, for Morris's
elementary effects, and for Jansen's estimate of Sobol's total indices.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from typing import NamedTuple

from vibegrid.schema import FIELDS, Label
from vibegrid.sound.render import seed_of

Config = Mapping[str, Label]
LOW, HIGH = "register_min_oct", "register_max_oct"


class Star(NamedTuple):
    """One base and its moves."""

    base: Config
    labels: Mapping[str, Label]  # field to the label that it is moved to
    seeds: tuple[int, int]  # of the base's render, and of all others of the star: another seed

    def renders(self) -> list[tuple[Config, int]]:
        """Configs with the seeds they are rendered with: the base, the base with another seed, then every field moved.

        All moved configs have that other seed, so that they and the base's second render differ by the move alone.
        """
        first, second = self.seeds
        moved = [({**self.base, field: label}, second) for field, label in self.labels.items()]
        return [(self.base, first), (self.base, second), *moved]


def draw_stars(bases: int, seed: int) -> list[Star]:
    """Bases uniform over the schema; a field goes through its labels in random order from base to base.

    The two registers stand in order, and are moved within it where they can be.
    """
    rng = random.Random(f"sensitivity {seed}")
    queues: dict[str, list[Label]] = {field: [] for field in FIELDS}
    stars = []
    for _ in range(bases):
        base = _uniform(rng)
        labels = {field: _next(queues[field], field, base, rng) for field in FIELDS}
        first = seed_of(base)
        digest = hashlib.sha256(f"another seed {first}".encode()).digest()
        stars.append(Star(base, labels, (first, int.from_bytes(digest[:8], "big"))))
    return stars


def _uniform(rng: random.Random) -> dict[str, Label]:
    config = {field: rng.choice(labels) for field, labels in FIELDS.items()}
    low, high = sorted((int(config[LOW]), int(config[HIGH])))
    return {**config, LOW: low, HIGH: high}


def _next(queue: list[Label], field: str, base: Config, rng: random.Random) -> Label:
    """The first label of the queue that the field may be moved to; the queue is filled where it holds none."""
    allowed = _allowed(field, base)
    if not set(allowed) & set(queue):
        queue += rng.sample(FIELDS[field], len(FIELDS[field]))
    index = next(i for i, label in enumerate(queue) if label in allowed)
    return queue.pop(index)


def _allowed(field: str, base: Config) -> list[Label]:
    others = [label for label in FIELDS[field] if label != base[field]]
    ordered = others
    if field == LOW:
        ordered = [label for label in others if int(label) <= int(base[HIGH])]
    if field == HIGH:
        ordered = [label for label in others if int(label) >= int(base[LOW])]
    return ordered or others
