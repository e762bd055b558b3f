"""SDPA attention that is cheaper for generation, through transformers' own registry of attentions.

For each new token transformers 4.57.6 builds its mask by `torch.vmap` over Python functions: a quarter of the time that
a miniature takes to write. A single new token sees every position that is not padding, so its mask is the padding
mask. It also copies all keys and values that several query heads share (grouped-query attention), once for each of
them; for a single token, these heads are as well several queries of one head. All else (a prompt's first pass, sliding
windows, packed rows) is left to transformers.
"""

from __future__ import annotations

from typing import Any

SDPA_GENERATION = "vibegrid_sdpa"


def register() -> str:
    """Make the attention known to transformers; returns its name, for `attn_implementation`."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(SDPA_GENERATION, attend)
    AttentionMaskInterface.register(SDPA_GENERATION, generation_mask)
    return SDPA_GENERATION


def attend(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **options: Any) -> tuple[Any, None]:
    """Attention as transformers' `sdpa` has it, up to the order of sums.

    Args:
        module: the layer.
        query: (rows, heads, queries, dims).
        key: (rows, key heads, positions, dims); query heads are a multiple of key heads.
        value: as `key`.
        attention_mask: (rows, 1, queries, positions) or None.
        options: passed on; `scaling` is the factor of the scores.

    Returns:
        (rows, queries, heads, dims), and no weights.
    """
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    rows, heads, queries, dims = query.shape
    shared = key.shape[1]
    if queries > 1 or heads == shared or torch.is_grad_enabled():
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    found = torch.nn.functional.scaled_dot_product_attention(
        query.reshape(rows, shared, heads // shared, dims),
        key,
        value,
        attn_mask=None if attention_mask is None else attention_mask[..., : key.shape[-2]],
        scale=options.get("scaling"),
    )
    return found.reshape(rows, 1, heads, value.shape[-1]), None


def generation_mask(
    batch_size: int,
    cache_position: Any,
    kv_length: int,
    kv_offset: int = 0,
    mask_function: Any = None,
    attention_mask: Any = None,
    **options: Any,
) -> Any:
    """A boolean mask (batch, 1, queries, kv_length), True where a query sees a position; None for none.

    Args:
        batch_size: sequences.
        cache_position: positions of the queries, (queries,).
        kv_length: positions in the cache that are attended to, from `kv_offset` on.
        kv_offset: the first of them.
        mask_function: transformers' pattern; only the plain causal one is cut short.
        attention_mask: (batch, positions), 0 for padding; None where there is none.
        options: passed on to transformers' own mask.
    """
    from transformers.masking_utils import causal_mask_function, sdpa_mask

    mask_function = mask_function or causal_mask_function
    seen = None if attention_mask is None else attention_mask[:, kv_offset : kv_offset + kv_length]
    plain = len(cache_position) == 1 and mask_function is causal_mask_function
    if plain and seen is not None and seen.shape == (batch_size, kv_length):
        return seen[:, None, None, :].bool()
    return sdpa_mask(
        batch_size=batch_size,
        cache_position=cache_position,
        kv_length=kv_length,
        kv_offset=kv_offset,
        mask_function=mask_function,
        attention_mask=attention_mask,
        **options,
    )
