"""Seconds, GPU hours and dollars of nodes, from rates and prices, corrected by the timing files of earlier runs."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from vibegrid.costs.rates import FREE, Prices, Rates, limits, token_prices
from vibegrid.costs.work import Calls, Work, WorkOf, base_model, is_real, timing_file
from vibegrid.files import read_json
from vibegrid.grid.identity import Node
from vibegrid.specs.llms import LlmsSpec
from vibegrid.specs.remote import RemoteSpec

QUARTILES = 4  # an interval of a step is that of the middle half of its jobs, twice as wide


class Estimate(NamedTuple):
    """What a node is expected to take.

    Attributes:
        seconds, low, high: of its job.
        gpu: the card, where it computes on one.
        dollars: of machine and LLM; None where a price is not known.
        calls: of LLMs.
        measured: whether this very job has run here before.
    """

    seconds: float
    low: float
    high: float
    gpu: str | None = None
    dollars: float | None = 0.0
    calls: tuple[Calls, ...] = ()
    measured: bool = False


class Estimator:
    """Estimates of a study's nodes.

    Args:
        root: the project, whose timing files correct the rates.
        rates, prices: of config/.
        work: work of a node.
        machines: node to its machine on Modal, where it computes there.
        llms: how LLMs may be asked, and prices that LiteLLM's table lacks.
    """

    def __init__(
        self,
        root: Path,
        rates: Rates,
        prices: Prices,
        work: WorkOf,
        machines: Mapping[str, RemoteSpec],
        llms: LlmsSpec,
    ) -> None:
        self.root, self.rates, self.prices, self.work = root, rates, prices, work
        self.machines, self.llms = machines, llms
        self.corrections: dict[str, tuple[float, float, float]] = {}

    def learn(self, nodes: Iterable[Node]) -> None:
        """Take the correction of each step from the nodes whose jobs have left a timing.

        A step's correction is the median of measured over predicted seconds; its interval spans the quartiles, twice
        as wide (with three jobs or more), so that one odd job does not widen it.
        """
        ratios: dict[str, list[float]] = {}
        for node in nodes:
            taken = self.measured(node)
            if taken is not None and node.folder not in self.machines:
                predicted = self._seconds(node, self.work(node))[0]
                ratios.setdefault(node.step, []).append(taken / max(predicted, 0.01))
        for step, found in ratios.items():
            middle = statistics.median(found)
            low = high = middle
            if len(found) >= 3:
                first, _, last = statistics.quantiles(found, n=QUARTILES)
                low, high = max(0.1 * middle, 2 * first - middle), 2 * last - middle
            spread = 1.1  # of one machine on two days
            self.corrections[step] = (middle, min(low, middle / spread), max(high, middle * spread))

    def measured(self, node: Node) -> float | None:
        """Seconds that the node's job took here, where it has run."""
        path = timing_file(self.root, node)
        return float(read_json(path)["wall_s"]) if path.exists() else None

    def __call__(self, node: Node) -> Estimate:
        """The estimate of a node."""
        work, machine = self.work(node), self.machines.get(node.folder)
        seconds, spread = self._seconds(node, work)
        middle, low, high = 1.0, 1 / spread, spread
        taken = None if machine else self.measured(node)
        if taken is not None:
            seconds, low, high = taken, 1 / 1.1, 1.1
        elif node.step in self.corrections and not machine:
            middle, low, high = self.corrections[node.step]
        dollars = self._dollars(seconds * middle, machine, work.calls)
        gpu = machine.gpu if machine else None
        return Estimate(
            seconds * middle, seconds * low, seconds * high, gpu, dollars, work.calls, measured=taken is not None
        )

    def _seconds(self, node: Node, work: Work) -> tuple[float, float]:
        """Seconds by the rates alone, and how far off they may be."""
        if not node.step.startswith(("train_", "score")) and (asked := self._asking(work)):
            return self.rates.step(node.step).start + asked, self.rates.model_spread
        machine, rate = self.machines.get(node.folder), self.rates.step(node.step)
        if not is_real(node) or not (work.train_tokens or work.write_tokens):
            start = self.rates.gpu_start if machine else 0.0
            return start + rate.start + rate.unit * work.units, self.rates.spread
        gpu = machine.gpu if machine else None
        speed = self.rates.model(base_model(node), gpu.partition(":")[0] if gpu else None)
        tokens = work.train_tokens / speed.train + work.write_tokens / speed.write
        return (self.rates.gpu_start if machine else 15.0) + tokens, self.rates.model_spread

    def _asking(self, work: Work) -> float:
        """Seconds that the calls of hosted LLMs take, at the concurrency and pace that config/llms.yaml allows."""
        total = 0.0
        for each in work.calls:
            if each.model.startswith(FREE):
                continue
            allowed = limits(self.llms, each.model)
            pace = 60 / allowed.requests_per_minute if allowed.requests_per_minute else 0.0
            total += each.number * max(pace, self.rates.llm_seconds / allowed.concurrency)
        return total

    def _dollars(self, seconds: float, machine: RemoteSpec | None, calls: Sequence[Calls]) -> float | None:
        total = 0.0
        if machine is not None:
            total += self.prices.machine_hour(machine.gpu, machine.cpu, machine.memory_gib) * seconds / 3600
        for each in calls:
            price = token_prices(each.model, self.llms)
            if price is None:
                return None
            total += each.number * (each.tokens_in * price[0] + each.tokens_out * price[1])
        return total


def wall_time(nodes: Sequence[Node], seconds: Mapping[str, float], remote: set[str], cores: int, gpus: int) -> float:
    """Seconds until all nodes are made: list scheduling on `cores` local jobs and `gpus` remote ones.

    Of the nodes that could start, the one with the longest way behind it starts first (critical-path scheduling,
    Graham 1969). Nodes without seconds are there already.
    """
    todo = {node.folder: node for node in nodes if node.folder in seconds}
    waiting = {name: {parent.folder for parent in node.parents.values()} & todo.keys() for name, node in todo.items()}
    children: dict[str, list[str]] = {name: [] for name in todo}
    for name, parents in waiting.items():
        for parent in parents:
            children[parent].append(name)
    behind = _longest_ways(todo, children, seconds)
    ready: dict[bool, list[tuple[float, str]]] = {True: [], False: []}
    free = {True: max(1, gpus), False: max(1, cores)}
    for name, parents in waiting.items():
        if not parents:
            heapq.heappush(ready[name in remote], (-behind[name], name))
    running: list[tuple[float, str]] = []
    now = 0.0
    while running or any(ready.values()):
        for place, queue in ready.items():
            while queue and free[place]:
                name = heapq.heappop(queue)[1]
                free[place] -= 1
                heapq.heappush(running, (now + seconds[name], name))
        now, name = heapq.heappop(running)
        free[name in remote] += 1
        for child in children[name]:
            waiting[child].discard(name)
            if not waiting[child]:
                heapq.heappush(ready[child in remote], (-behind[child], child))
    return now


def _longest_ways(
    todo: Mapping[str, Node], children: Mapping[str, list[str]], seconds: Mapping[str, float]
) -> dict[str, float]:
    """Seconds of the longest chain of jobs from each node on; children are longer known than parents."""
    found: dict[str, float] = {}
    for name in todo:
        stack = [name]
        while stack:
            top = stack[-1]
            missing = [child for child in children[top] if child not in found]
            if missing:
                stack += missing
                continue
            found[top] = seconds[top] + max((found[child] for child in children[top]), default=0.0)
            stack.pop()
    return found
