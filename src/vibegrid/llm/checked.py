"""Answers that are read and checked, and asked for once more where they cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from vibegrid.llm.client import Completion
from vibegrid.llm.usage import Tally

REPAIR = "That answer cannot be used: {reason}. Answer again with the one JSON object that was asked for."
MAX_SHOWN_CHARS = 4_000  # of an answer that cannot be used, when it is shown again

T = TypeVar("T")
Chat = list[dict[str, Any]]


class Checked(NamedTuple, Generic[T]):
    """What became of a chat. `completion`: the one that `value` was read from, else the first."""

    value: T | None
    reason: str  # empty where there is a value
    completion: Completion
    repaired: bool = False


def complete_checked(
    chats: Sequence[Chat],
    ask: Callable[[Sequence[int], Sequence[Chat]], list[Completion]],
    read: Callable[[str], tuple[T | None, str]],
    repair: Callable[[Chat, str, str], Chat],
    tally: Tally,
) -> list[Checked[T]]:
    """The answer of each chat, read; an answer that cannot be used is asked for once more, with what is wrong with it.

    Args:
        chats: what to ask.
        ask: completions of chats; it gets their places among `chats` first.
        read: an answer's value and no reason, or None and what is wrong with it in a few words.
        repair: the chat that asks again, from the chat, the answer and the reason.
        tally: repairs are counted in it.
    """
    found = [_checked(completion, read) for completion in ask(range(len(chats)), chats)]
    broken = [i for i, one in enumerate(found) if one.value is None and one.completion.text is not None]
    if not broken:
        return found
    second = [repair(chats[i], found[i].completion.text or "", found[i].reason) for i in broken]
    tally.repairs += len(broken)
    for i, completion in zip(broken, ask(broken, second), strict=True):
        again = _checked(completion, read)
        if again.value is not None:
            tally.repaired += 1
            found[i] = again._replace(repaired=True)
    return found


def repair_chat(chat: Chat, answer: str, reason: str, *, again: str = "") -> Chat:
    """The chat, the answer, and what was wrong with it; `again` is said after that, last."""
    note = REPAIR.format(reason=reason) + (f"\n{again}" if again else "")
    shown = {"role": "assistant", "content": answer[:MAX_SHOWN_CHARS] or "(nothing)"}
    return [*chat, shown, {"role": "user", "content": note}]


def _checked(completion: Completion, read: Callable[[str], tuple[T | None, str]]) -> Checked[T]:
    if completion.text is None:
        return Checked(None, completion.error or "no answer", completion)
    value, reason = read(completion.text)
    return Checked(value, reason, completion)
