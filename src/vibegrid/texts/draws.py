"""Seeded draws that do not depend on order: each item has its own number, a hash of the seed and its key.

A draw takes the items of the smallest numbers. So a draw of 5 is part of a draw of 20, and an item that is
added or removed changes the place of no other.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def number(*parts: Any) -> int:
    """A 64-bit number of the parts, compared as text (1 and "1" are the same)."""
    text = "\x1f".join(str(part) for part in parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def ranked(items: Iterable[T], key: Callable[[T], Sequence[Any]], *seed: Any) -> list[T]:
    """The items in the order of their numbers; items of equal keys stay in their own order."""
    return sorted(items, key=lambda item: number(*seed, *key(item)))


def sample(items: Sequence[T], count: int, key: Callable[[T], Sequence[Any]], *seed: Any) -> list[T]:
    """`count` of the items (all of them if there are fewer), in the order in which they stand in
    `items`."""
    order = ranked(range(len(items)), lambda i: key(items[i]), *seed)
    return [items[i] for i in sorted(order[:count])]
