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
    """One row: its prompt and how its answer is written. Temperature 0 is greedy; a schema constrains it.

    Drawn are, of the `top_k` likeliest tokens (0: of all), the fewest that hold `top_p` of their probability.
    """

    ids: Sequence[int]
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    schema: Mapping[str, Any] | None = None
    top_k: int = 0


@dataclass
class _Row:
    """A row while it is written."""

    asked: Asked
    number: int
    matcher: Any
    generator: Any
    written: list[int] = field(default_factory=list)
    stop: list[int] = field(default_factory=list)  # what ended it, where that was no limit


class Writer:
    """Writes answers with one model.

    Args:
        model: a causal language model of transformers, or one of peft, in the mode it shall write in.
        tokenizer: its tokenizer.
        stops: ids that end an answer.
    """

    def __init__(self, model: Any, tokenizer: Any, stops: Sequence[int]) -> None:
        self.model, self.pad, self.stops = model, tokenizer.pad_token_id, frozenset(stops)
        self._tokenizer = tokenizer
        self._grammars: Grammars | None = None

    def write(self, asked: Sequence[Asked], batch_size: int, *, keep_stop: bool = False) -> list[list[int]]:
        """Token ids of each answer, in order; prompts of like length share a batch.

        Args:
            asked: the rows.
            batch_size: rows written side by side.
            keep_stop: with the id that ended an answer, unless its limit did.
        """
        import torch

        order = sorted(range(len(asked)), key=lambda i: (len(asked[i].ids), i))
        answers: list[list[int]] = [[] for _ in asked]
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                rows = [self._row(asked[i], i) for i in order[start : start + batch_size]]
                for row in self._batch(rows):
                    answers[row.number] = row.written + row.stop if keep_stop else row.written
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
        alike: dict[tuple[float, float, int], list[int]] = {}
        for i, row in enumerate(rows):
            if row.generator is not None:
                alike.setdefault((row.asked.temperature, row.asked.top_p, row.asked.top_k), []).append(i)
        for settings, numbers in alike.items():
            drawn = _drawn(logits[numbers], *settings, [rows[i].generator for i in numbers])
            for i, token in zip(numbers, drawn, strict=True):
                chosen[i] = token
        return chosen

    def _goes_on(self, row: _Row, token: int) -> bool:
        """Take the token; whether another one follows."""
        if row.matcher is not None:
            row.matcher.accept_token(token)
        if token in self.stops:
            row.stop.append(token)
            return False
        row.written.append(token)
        return len(row.written) < row.asked.max_new_tokens


def _drawn(logits: Any, temperature: float, top_p: float, top_k: int, generators: Sequence[Any]) -> list[int]:
    """A token a row, drawn from those that `Asked` says; logits (rows, vocab), and a generator for each row."""
    import torch

    if top_p < 1 or 0 < top_k < logits.shape[-1]:
        kept, ids = logits.topk(min(top_k, logits.shape[-1])) if top_k else logits.sort(descending=True)
    else:
        kept, ids = logits, None
    shares = (kept / temperature).softmax(-1).double()
    shares[shares.cumsum(-1) - shares >= top_p] = 0
    sums = shares.cumsum(-1)
    draws = torch.cat([torch.rand(1, 1, generator=generator, dtype=torch.float64) for generator in generators])
    places = torch.searchsorted(sums, draws.to(sums.device) * sums[:, -1:], right=True).clamp(max=sums.shape[-1] - 1)
    return (places if ids is None else ids.gather(-1, places))[:, 0].tolist()
