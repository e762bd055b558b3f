"""Token by token in batches: rows of any kind side by side, each leaves its batch when it ends.

`model.generate` of transformers goes on with rows that have ended, and treats all rows alike. Here each row has its own
temperature, seed, limit and grammar, and what it becomes depends on no other row (up to the rounding of a padded
batch, which greedy choices do not see but for ties).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vibegrid.decoding.cache import room_for
from vibegrid.decoding.grammar import Grammars


@dataclass(frozen=True)
class Asked:
    """One row: its prompt and how its answer is written. Temperature 0 is greedy; a schema constrains it."""

    ids: Sequence[int]
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    schema: Mapping[str, Any] | None = None


@dataclass
class _Row:
    """A row while it is written."""

    asked: Asked
    number: int
    matcher: Any
    generator: Any
    written: list[int] = field(default_factory=list)


class Writer:
    """Writes answers with one model.

    Args:
        model: a causal language model of transformers, in evaluation mode.
        tokenizer: its tokenizer.
        stops: ids that end an answer.
    """

    def __init__(self, model: Any, tokenizer: Any, stops: Sequence[int]) -> None:
        self.model, self.pad, self.stops = model, tokenizer.pad_token_id, frozenset(stops)
        self._tokenizer = tokenizer
        self._grammars: Grammars | None = None

    def write(self, asked: Sequence[Asked], batch_size: int) -> list[list[int]]:
        """Token ids of each answer, in order, without the one that ended it; prompts of like length share a batch."""
        import torch

        order = sorted(range(len(asked)), key=lambda i: (len(asked[i].ids), i))
        answers: list[list[int]] = [[] for _ in asked]
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                rows = [self._row(asked[i], i) for i in order[start : start + batch_size]]
                for row in self._batch(rows):
                    answers[row.number] = row.written
        return answers

    def _row(self, asked: Asked, number: int) -> _Row:
        import torch

        matcher = generator = None
        if asked.schema is not None:
            if self._grammars is None:
                self._grammars = Grammars(self._tokenizer, self.model.config.vocab_size, sorted(self.stops))
            matcher = self._grammars.matcher(asked.schema)
        if asked.temperature > 0:
            text = f"{asked.seed} {list(asked.ids)}"
            generator = torch.Generator().manual_seed(int(hashlib.sha256(text.encode()).hexdigest()[:15], 16))
        return _Row(asked, number, matcher, generator)

    def _batch(self, rows: list[_Row]) -> list[_Row]:
        """The rows of one batch, written to their ends."""
        import torch

        ids, mask = self._padded(rows)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        cache = room_for(self.model.config, ids.shape[1] + max(row.asked.max_new_tokens for row in rows))
        left = rows
        while left:
            out = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            chosen = self._choose(left, out.logits[:, -1].float())
            going = [i for i, row in enumerate(left) if self._goes_on(row, chosen[i])]
            if len(going) < len(left):
                kept = torch.tensor(going, dtype=torch.long, device=mask.device)
                left, mask, positions = [left[i] for i in going], mask[kept], positions[kept]
                if left:
                    cache.batch_select_indices(kept)
            ids = torch.tensor([[chosen[i]] for i in going], device=mask.device)
            mask = torch.cat([mask, mask.new_ones(len(left), 1)], dim=1)
            positions = positions[:, -1:] + 1
        return rows

    def _padded(self, rows: list[_Row]) -> tuple[Any, Any]:
        """Ids and attention mask of the prompts, padded at the left, (rows, length)."""
        import torch

        length = max(len(row.asked.ids) for row in rows)
        ids = torch.full((len(rows), length), self.pad)
        mask = torch.zeros((len(rows), length), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, length - len(row.asked.ids) :] = torch.tensor(list(row.asked.ids))
            mask[i, length - len(row.asked.ids) :] = 1
        return ids.to(self.model.device), mask.to(self.model.device)

    def _choose(self, rows: list[_Row], logits: Any) -> list[int]:
        """The next token of each row; logits (rows, vocab)."""
        if self._grammars is not None:
            self._grammars.mask(logits, [row.matcher for row in rows])
        chosen = logits.argmax(-1).tolist()
        for i, row in enumerate(rows):
            if row.generator is not None:
                chosen[i] = _drawn(logits[i].cpu(), row.asked, row.generator)
        return chosen

    def _goes_on(self, row: _Row, token: int) -> bool:
        """Take the token; whether another one follows."""
        if row.matcher is not None:
            row.matcher.accept_token(token)
        if token in self.stops:
            return False
        row.written.append(token)
        return len(row.written) < row.asked.max_new_tokens


def _drawn(logits: Any, asked: Asked, generator: Any) -> int:
    """A token drawn from the smallest set of the likeliest ones that holds `top_p` of the probability."""
    import torch

    probabilities = (logits / asked.temperature).softmax(-1)
    if asked.top_p < 1:
        ranked, order = probabilities.sort(descending=True)
        ranked[ranked.cumsum(-1) - ranked >= asked.top_p] = 0
        probabilities = torch.zeros_like(probabilities).scatter(0, order, ranked)
    return int(torch.multinomial(probabilities, 1, generator=generator))
