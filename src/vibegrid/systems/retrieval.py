"""Baseline `retrieval`: the payload of the nearest training vibe by MiniLM cosine."""

from __future__ import annotations

from typing import Any

from vibegrid.embeddings import cosine, encode
from vibegrid.errors import InputError
from vibegrid.payloads import dumps


def generate(
    prompts: list[str], *, seed: int = 0, bank_vibes: list[str], bank_payloads: list[dict[str, Any]]
) -> list[str]:
    """One payload (compact JSON) per prompt, copied whole from the bank.

    Deterministic: `seed` is taken as every system takes it, and unused. Of equally near vibes the first wins.

    Args:
        prompts: the vibes to answer.
        seed: unused.
        bank_vibes: training vibes, n of them, n >= 1.
        bank_payloads: their payloads, n of them, in the same order.
    """
    if not bank_vibes or len(bank_vibes) != len(bank_payloads):
        raise InputError(
            "retrieval bank",
            f"{len(bank_vibes)} vibes and {len(bank_payloads)} payloads",
            "as many payloads as vibes are expected, and at least one",
        )
    if not prompts:
        return []
    embedded = encode([*bank_vibes, *prompts])
    similarity = cosine(embedded[len(bank_vibes) :], embedded[: len(bank_vibes)])
    return [dumps(bank_payloads[int(i)]) for i in similarity.argmax(axis=1)]
