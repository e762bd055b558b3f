"""Constrained decoding: a JSON schema as a grammar over the tokens of a model, by xgrammar.

What it rules out gets the logit minus infinity before a token is chosen: an output that ends is valid by the schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


class Grammars:
    """Grammars over the tokens of one model, each compiled once.

    Args:
        tokenizer: the model's.
        vocab_size: width of the model's logits, which may exceed the tokenizer's vocabulary.
        stops: ids that end an output; allowed where the JSON is complete, and nowhere else.
    """

    def __init__(self, tokenizer: Any, vocab_size: int, stops: Sequence[int]) -> None:
        import xgrammar

        info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=vocab_size, stop_token_ids=list(stops))
        self._compiler = xgrammar.GrammarCompiler(info, max_threads=1)
        self._compiled: dict[str, Any] = {}
        self._width = vocab_size

    def matcher(self, schema: Mapping[str, Any]) -> Any:
        """A new matcher of one output: compact JSON, keys in the schema's order."""
        import xgrammar

        text = json.dumps(schema)
        if text not in self._compiled:
            self._compiled[text] = self._compiler.compile_json_schema(
                text, any_whitespace=False, separators=(",", ":"), strict_mode=True
            )
        return xgrammar.GrammarMatcher(self._compiled[text])

    def mask(self, logits: Any, matchers: Sequence[Any]) -> None:
        """Rule out, in place, what the matchers do not allow; logits (rows, vocab), None where a row is free."""
        import xgrammar

        rows = [row for row, matcher in enumerate(matchers) if matcher is not None]
        if not rows:
            return
        allowed = xgrammar.allocate_token_bitmask(len(matchers), self._width)
        for row in rows:
            matchers[row].fill_next_token_bitmask(allowed, row)
        xgrammar.apply_token_bitmask_inplace(logits, allowed.to(logits.device), indices=rows)
