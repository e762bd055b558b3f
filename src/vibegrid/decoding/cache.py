"""Keys and values of a batch, in room that was made for the longest answer.

The cache of transformers copies all keys and values for each token, to append the new ones.
"""

from __future__ import annotations

from typing import Any

from transformers.cache_utils import Cache, DynamicLayer


class _Layer(DynamicLayer):
    """Keys and values of one layer, (rows, heads, length so far, dims), views into room for `length` positions."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._length, self._seen = length, 0

    def update(self, key_states: Any, value_states: Any, cache_kwargs: Any = None) -> tuple[Any, Any]:
        if not self.is_initialized:
            self.lazy_initialization(key_states)
            rows, heads, _, dims = key_states.shape
            self._rooms = [key_states.new_empty(rows, heads, self._length, dims) for _ in range(2)]
        start, self._seen = self._seen, self._seen + key_states.shape[-2]
        for room, states in zip(self._rooms, (key_states, value_states), strict=True):
            room[:, :, start : self._seen] = states
        self.keys, self.values = (room[:, :, : self._seen] for room in self._rooms)
        return self.keys, self.values

    def batch_select_indices(self, indices: Any) -> None:
        """Keep these rows, their numbers ascending; they move up in the room that is there."""
        for room in self._rooms:
            for new, old in enumerate(indices.tolist()):
                if new != old:
                    room[new, :, : self._seen] = room[old, :, : self._seen]
        self._rooms = [room[: len(indices)] for room in self._rooms]
        self.keys, self.values = (room[:, :, : self._seen] for room in self._rooms)


def room_for(config: Any, length: int) -> Cache:
    """An empty cache for a model of this configuration; `length` counts prompt and answer. All layers keep all
    positions: what a sliding window hides is masked."""
    return Cache(layers=[_Layer(length) for _ in range(config.get_text_config(decoder=True).num_hidden_layers)])
