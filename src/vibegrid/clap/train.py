"""Training of mini-CLAP: an audio tower on what is heard, then a text tower against the sounds it has learnt.

First the audio tower learns which label of each attribute is heard; a dimension of the common space is a label. Then
the text tower learns with the audio tower locked (as LiT, Zhai et al. 2022, have it, with the towers' parts changed),
by InfoNCE with a learnt temperature, as CLIP (Radford et al. 2021) and CLAP (Elizalde et al. 2023). Besides:

* A caption of a few phrases is true of many renders. All pairs of a batch of which a caption is true are positives
  (UniCL, Yang et al. 2022), not only its own: otherwise two slow, dark clips would be pushed apart over "slow, dark".
* A loss takes every phrase alone: within an attribute, a clip is drawn to the phrases that are true of it. Captions
  alone are too few a step for words such as those of tempo.
* Another takes every text alone: it says its labels of the attributes it speaks of, and all labels alike of the others.
* MiniLM is frozen and takes 10 ms a caption, so only `captions.pool` whole captions are embedded, besides every
  phrase alone. In an epoch a render gets one of the whole captions that are true of it, or fresh phrases, whose
  embedding is approximated by the mean of the phrases' own.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from vibegrid.clap.bank import load_bank
from vibegrid.clap.card import make_card
from vibegrid.clap.fit import fit
from vibegrid.clap.model import CARD, MiniClap
from vibegrid.errors import InputError
from vibegrid.files import write_json
from vibegrid.folders import whole_folder
from vibegrid.specs.clap import ClapSpec

log = logging.getLogger(__name__)


def train(spec: ClapSpec, *, bank: Path, out: Path) -> dict[str, Any]:
    """Train a model on a bank; the folder (`model.safetensors`, `config.json`, `card.json`) appears whole.

    Returns:
        The card.

    Raises:
        InputError: the bank is broken or not that of the spec.
    """
    import torch

    clips, configs = load_bank(bank)
    if len(configs) != spec.bank.renders:
        raise InputError(str(bank), f"{len(configs)} renders, the spec has {spec.bank.renders}")
    cut = len(configs) - spec.bank.held_out
    torch.set_num_threads(1)
    torch.manual_seed(spec.seed)
    model = MiniClap.new()
    losses = fit(model, spec, clips[:cut], configs[:cut])
    card = make_card(model, spec, configs[cut:], clips[cut:])
    card["losses"] = {tower: [round(loss, 4) for loss in values] for tower, values in losses.items()}
    with whole_folder(out) as folder:
        model.save(folder, {"captions": spec.captions.variant})
        write_json(folder / CARD, card)
    return card
