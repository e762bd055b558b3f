"""Outputs to takes: configs rendered, each once, on as many processes as VIBEGRID_RENDER_JOBS says (1)."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

from vibegrid.payloads import Parsed
from vibegrid.rewards.formula import AUDIO_GATE
from vibegrid.sound.clip import Clip
from vibegrid.sound.render import render, repair


class Take(NamedTuple):
    """A payload as scorers get it: what was configured (repaired, 34 legal labels) and what it sounds like."""

    config: Mapping[str, Any]
    clip: Clip


class Studio:
    """Renders configs of one length and keeps the last of them.

    Args:
        seconds: length of a clip.
        keep: takes kept; a clip of 4 s with its spectrum takes 1.5 MB.
    """

    def __init__(self, seconds: float, keep: int = 64) -> None:
        self.seconds, self.keep = seconds, keep
        self._kept: OrderedDict[str, Take] = OrderedDict()

    def takes(self, parsed: Sequence[Parsed]) -> list[Take | None]:
        """A take for every output with more than half of its fields legal, None for the others."""
        configs = [repair(_config(output)) if output.valid_field_fraction > AUDIO_GATE else None for output in parsed]
        keys = [None if config is None else json.dumps(config, sort_keys=True) for config in configs]
        found = {key: self._kept[key] for key in keys if key is not None and key in self._kept}
        new = {key: config for key, config in zip(keys, configs, strict=True) if key and key not in found}
        for (key, config), audio in zip(new.items(), render_all(list(new.values()), self.seconds), strict=True):
            found[key] = self._kept[key] = Take(config or {}, Clip(audio))
        while len(self._kept) > self.keep:
            self._kept.popitem(last=False)
        return [None if key is None else found[key] for key in keys]


def render_all(configs: Sequence[Mapping[str, Any] | None], seconds: float) -> list[Any]:
    """Audio of every config, float32 (n,), in order; the same bytes on any number of processes."""
    jobs = min(int(os.environ.get("VIBEGRID_RENDER_JOBS", "1")), len(configs))
    if jobs < 2:
        return [render(config or {}, seconds) for config in configs]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(render, [config or {} for config in configs], [seconds] * len(configs)))


def _config(parsed: Parsed) -> Mapping[str, Any]:
    config = (parsed.payload or {}).get("config")
    return config if isinstance(config, Mapping) else {}
