"""The embedded extractor: a deterministic program that answers as an extractor LLM would.

It reads one page of English and returns vibe descriptions, a ladder of five levels for the scene and for at
most two named characters. Words of the list `data/sensory.txt` (mood and sense words) are found in any simple
inflection; the ladder keeps the sentences and the noun phrases round them. The page is only ever data: it is
cut into words, and nothing in it is followed, evaluated or echoed as markup.
"""

import json
from collections import Counter
from typing import NamedTuple

from vibegrid.llm.names import find_characters
from vibegrid.llm.reading import (
    DEGREES,
    LINKS,
    STOP,
    WEAK,
    Word,
    end_unfinished,
    is_noun,
    join_words,
    read_words,
    split_sentences,
)

LEVELS = ("xl", "lg", "m", "sm", "xs")
# Words per level, smallest and largest; a page with little material may stay under the smallest.
WORDS = {"xl": (30, 45), "lg": (15, 25), "m": (8, 12), "sm": (4, 6), "xs": (1, 3)}
REFUSAL = "I'm sorry, but I can't find a page to read: nothing was given between the text markers."


# Said of the mood words of a page with too few phrases, then (without any mood word) of the page.
ECHOES = (
    "{} throughout",
    "{} in the air",
    "mostly {}",
    "{} from end to end",
    "{} underneath it all",
    "always {}",
    "{} at the edges",
    "{} again and again",
    "{} and little else",
)
NEUTRAL = (
    "plain and even",
    "neither bright nor dark",
    "in ordinary light",
    "at an even pace",
    "with little movement",
    "neither near nor far",
    "in no particular weather",
    "as any page might be on any day",
)


class Phrase(NamedTuple):
    text: str
    moods: tuple[str, ...]


def find_phrases(sentences: list[list[Word]]) -> list[Phrase]:
    """Short phrases round the mood words, in the order of the page (at most 4 words each)."""
    phrases = []
    for words in sentences:
        k = 0
        while k < len(words):
            if not words[k].mood:
                k += 1
                continue
            end = k + 1
            while end < len(words) and end - k < 3:  # a run of mood words: "cold and wet", "slow, grey"
                if words[end].mood and words[end].gap in ("", ","):
                    end += 1
                elif (
                    words[end].text == "and"
                    and not words[end].gap
                    and end + 1 < len(words)
                    and words[end + 1].mood
                    and not words[end + 1].gap
                ):
                    end += 2
                else:
                    break
            run = words[k:end]
            text = join_words(run).replace(",", "").lower()
            if end < len(words) and not words[end].gap and is_noun(words[end]) and not run[-1].text.endswith("ly"):
                text += " " + words[end].text
            else:
                subject = described_noun(words, k)
                text += f" {subject}" if subject and not run[-1].text.endswith("ly") else ""
            phrases.append(Phrase(text, tuple(word.mood for word in run if word.mood)))
            k = end
    return phrases


def described_noun(words: list[Word], at: int) -> str:
    """The noun that words[at] describes from behind a linking verb ("the river was slow": river), if any."""
    k = at - 1
    while k > 0 and not words[k + 1].gap and words[k].text in DEGREES:
        k -= 1
    if k < 1 or words[k].text not in LINKS or words[k + 1].gap or words[k].gap:
        return ""
    noun = words[k - 1]
    return noun.text if is_noun(noun) and not noun.mood else ""


def weigh_moods(sentences: list[list[Word]]) -> dict[str, float]:
    """Weight of each mood word of a page: repeated words tell more, words common in flat prose less."""
    counts = Counter(word.mood for words in sentences for word in words if word.mood)
    return {mood: (0.35 if mood in WEAK else 1.0) * (1 + 0.5 * (n - 1)) for mood, n in counts.items()}


def rank_phrases(phrases: list[Phrase], weights: dict[str, float]) -> list[Phrase]:
    """Phrases from most to least telling; each next one counts only the moods that are not yet taken."""
    left, taken, ranked = list(phrases), set(), []
    while left:
        fresh = [sum(weights[mood] for mood in set(phrase.moods) - taken) for phrase in left]
        if not max(fresh):
            break
        gains = [gain + 0.1 * (" " in phrase.text) for gain, phrase in zip(fresh, left, strict=True)]
        ranked.append(left.pop(gains.index(max(gains))))
        taken |= set(ranked[-1].moods)
    return ranked


def best_window(words: list[Word], weights: dict[str, float], least: int, most: int) -> list[Word]:
    """The most telling stretch of a sentence of at most `most` words, cut at punctuation where it can be."""
    if len(words) <= most:
        return words
    starts = [0] + [k for k, word in enumerate(words) if k and word.gap]
    ends = [*starts[1:], len(words)]
    spans = [(s, e) for s in starts for e in ends if least <= e - s <= most]
    spans = spans or [(s, min(s + most, len(words))) for s in starts if len(words) - s >= least] or [(0, most)]
    s, e = max(spans, key=lambda span: (window_score(words[span[0] : span[1]], weights), -span[0]))
    while e - s > least and not words[e - 1].mood and words[e - 1].text.lower() in STOP:
        e -= 1  # a cut that does not fall on punctuation should not end on "the"
    while e - s > least and s and words[s].text.lower() in ("and", "but", "or", "so", "which", "that"):
        s += 1
    return words[s:e]


def window_score(words: list[Word], weights: dict[str, float]) -> float:
    """Sum of the weights of the different moods and names in a stretch, slightly lowered by its length."""
    return sum(weights.get(key, 0.0) for key in {word.mood or word.text for word in words}) - 0.02 * len(words)


def as_sentence(words: list[Word]) -> str:
    text = join_words(words)
    return text[:1].upper() + text[1:] + "."


def collect(pieces: list[str], least: int, most: int) -> str:
    """Phrases joined by commas, taken in order while they fit, until `least` words are reached."""
    chosen: list[str] = []
    for piece in pieces:
        size = sum(len(p.split()) for p in chosen)
        if size >= least:
            break
        if size + len(piece.split()) <= most and piece not in chosen:
            chosen.append(piece)
    return ", ".join(chosen)


def fill_pieces(sentences: list[list[Word]], ranked: list[Phrase]) -> list[str]:
    """What the lower levels are made of: ranked phrases, then a few nouns, then echoes or neutral phrases."""
    moods = [mood for phrase in ranked for mood in phrase.moods]
    content = {w.text for words in sentences for w in words if is_noun(w) and len(w.text) > 3 and not w.mood}
    content -= {word for phrase in ranked for word in phrase.text.split()}
    nouns = sorted(content, key=lambda text: (-len(text), text))[: 3 if ranked else 6]
    pieces = [phrase.text for phrase in ranked] + (nouns if len(ranked) < 4 else [])
    if not pieces:
        pieces = [w.text.lower() for words in sentences for w in words][:1]
    echoes = [echo.format(moods[k % min(3, len(moods))]) for k, echo in enumerate(ECHOES)] if moods else []
    return pieces + (echoes or list(NEUTRAL))


def write_ladder(sentences: list[list[Word]], weights: dict[str, float]) -> dict:
    """Five descriptions of decreasing length and tags, by the weights of mood words and (capitalised)
    names.
    """
    ranked = rank_phrases(find_phrases(sentences), weights)
    pieces = fill_pieces(sentences, ranked)
    ladder = {level: collect(pieces, *WORDS[level]) for level in ("m", "sm")}
    tags = list(dict.fromkeys(mood for phrase in ranked for mood in phrase.moods))[:5]
    short = [phrase.text for phrase in ranked[:3] if len(phrase.text.split()) in (2, 3)]
    ladder["xs"] = short[0] if short else ", ".join(tags[:2]) or next(p for p in pieces if len(p.split()) < 4)

    def order(k: int) -> float:
        window = best_window(sentences[k], weights, 8, WORDS["lg"][1])
        return 0.7 * (len(window) < 7) - window_score(window, weights)

    best = sorted(range(len(sentences)), key=order)
    lead = best_window(sentences[best[0]], weights, 12, WORDS["lg"][1] - 1) if best else []
    ladder["lg"] = lengthen(as_sentence(lead) if lead else "", pieces, *WORDS["lg"])
    ladder["xl"] = write_longest(sentences, best, weights, pieces)
    return {level: ladder[level] for level in LEVELS} | {"tags": tags or [pieces[0].split()[0]]}


def lengthen(text: str, pieces: list[str], least: int, most: int) -> str:
    """`text` with phrases that it does not have yet added until it has `least` words."""
    missing = least - len(text.split())
    if missing <= 0:
        return text
    fresh = [piece for piece in pieces if piece not in text.lower().replace(",", "")]
    more = collect(fresh, missing, most - len(text.split()))
    if not more:
        return text
    return f"{text.rstrip('.')}; {more}." if text else more[:1].upper() + more[1:] + "."


def write_longest(sentences: list[list[Word]], best: list[int], weights: dict[str, float], pieces: list[str]) -> str:
    """Two or three trimmed sentences in the order of the page, lengthened by phrases where they are short."""
    least, most = WORDS["xl"]
    chosen: dict[int, list[Word]] = {}
    for k in best:
        room = most - sum(map(len, chosen.values()))
        if len(chosen) == 3 or room < 8 or most - room >= least:
            break
        window = best_window(sentences[k], weights, 6, min(room, 22))
        if len(window) <= room and any(word.mood for word in window):
            chosen[k] = window
    return lengthen(" ".join(as_sentence(chosen[k]) for k in sorted(chosen)), pieces, least, most)


def extract(page: str) -> dict:
    """Vibes of a page: `scene` (ladder and tags) and `characters` (at most two, each with its name).

    Ladder levels: xl 30-45 words, lg 15-25, m 8-12, sm 4-6, xs 1-3; a page without mood words gives a neutral
    ladder. Character ladders read only the sentences that name the character, and need two mood words
    in them.
    """
    texts = split_sentences(page)
    sentences = [read_words(text) for text in texts]
    if sentences and not texts[-1].rstrip("\"')]\u201d\u2019").endswith((".", "!", "?", "\u2026")):
        sentences[-1] = end_unfinished(sentences[-1])
    people = find_characters(texts)
    characters = []
    for name, where in people:
        own = [sentences[k] for k in where]
        weights = weigh_moods(own)
        if len(weights) > 1 and len(characters) < 2:
            characters.append({"name": name} | write_ladder(own, weights | weigh_names([name], 1.5)))
    scene = write_ladder(sentences, weigh_moods(sentences) | weigh_names([name for name, _ in people], -1.0))
    return {"scene": scene, "characters": characters}


def weigh_names(names: list[str], weight: float) -> dict[str, float]:
    """Weight of a name, shared by its words: a character's vibe wants the name near, a scene's does not."""
    return {part: weight / len(name.split()) for name in names for part in name.split()}


def message_text(message: dict) -> str:
    """The text of a chat message, whose content is a string or a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if isinstance(part, dict))


def respond(messages: list[dict]) -> str:
    """The answer to a chat: JSON of `extract` for the `<text>`...`</text>` page of the last user message.

    The first opening and the last closing marker count, so a page that itself holds markers stays one page.
    """
    for message in reversed(messages):
        if message.get("role") == "user":
            text = message_text(message)
            start, end = text.find("<text>"), text.rfind("</text>")
            page = text[start + len("<text>") : end] if 0 <= start < end else ""
            return json.dumps(extract(page), ensure_ascii=False) if page.strip() else REFUSAL
    return REFUSAL
