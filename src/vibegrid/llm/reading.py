"""Reading a page for the embedded extractor: sentences, words, mood words, and the looks of a noun."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from vibegrid.llm.names import word_set

WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
PIECE = re.compile(rf"{WORD.pattern}|[,;:.!?\u2026\u2013\u2014]|--")
SENTENCE_END = re.compile(r"(?<=[.!?\u2026])[\"'\u201d\u2019)\]]*\s+(?=[\"'\u201c\u2018(\[]*[^\W\d_a-z])|\n\s*\n")
ABBREVIATION = re.compile(r"\b(Mr|Mrs|Ms|Dr|St|Rev|Capt|Col|Gen|Prof|Sr|Jr)\.")
PAGE_MARK = re.compile(r"\(Page \d+\)")
LONGEST_WORD = 24  # a longer run of letters is no English word (it would make a "short" level long)

STOP = word_set("""
a an the and or but nor so yet if then than as at by for from in into of off on onto out over to up down
with without within upon under about above across after again against along among around before behind below
beneath beside between beyond during near past round since through toward towards until till while that this
these those there here where when which who whom whose what why how i you he she it we they me him her us
them my your his its our their mine yours hers ours theirs himself herself itself themselves myself yourself
one ones is am are was were be been being do does did done has have had having can could will would shall
should may might must not no never ever all any both each every few more most much many other others some
such own same too very just only even also quite rather almost always often now once soon perhaps really
well away back like because though although however whether either neither nothing nobody something somebody
someone anyone anything everything everyone everybody yes oh ah say says said don't didn't isn't wasn't it's
i'm i've i'd that's there's he's she's couldn't wouldn't won't can't two three four five six seven eight
nine ten another first last
""")
# Irregular verbs: no noun, so they end a noun phrase.
VERBS = word_set("""
lay came come comes went go goes got get gets gave give took take takes made make makes saw see sees knew
know knows thought think felt feel feels found find kept keep left leave let put ran run sat sit stood stand
told tell wore wear held hold hung hang rose rise fell fall grew grow drew blew flew threw began begin
became become broke spoke slept swept crept leapt wept met meet lost lose sent send spent read set cut hit
shut shot shook slid swung sprang sank drank ate caught taught brought bought sought heard hear led built
lent bent meant paid laid seem seems look looks turn turns want need hope believe remember ask call try move
live bring speak show follow pass passes reach open opens lie lies upon according ago enough together
""")
LINKS = word_set(
    "was were is are lay hung went grew looked seemed felt became turned stood sounded smelled "
    "tasted fell ran be been got looks seems feels"
)
DEGREES = word_set("very so too quite rather still almost always all more most wonderfully strangely")
# Listed words that are also common in flat prose: they count less.
WEAK = word_set(
    "old young little small high poor light open fire strong deep broad sweet kind low near plain "
    "loud sea church sun black white sky river mountain wise proud lost cold fresh rich wild"
)


class Word(NamedTuple):
    """A word of a sentence: its surface, the listed mood word it is a form of ("" when none), what precedes
    it.
    """

    text: str
    mood: str
    gap: str  # punctuation between the previous word and this one, "" when none


@cache
def sensory_words() -> frozenset[str]:
    """The mood and sense words of `data/sensory.txt`."""
    return frozenset((Path(__file__).parent / "data" / "sensory.txt").read_text(encoding="utf-8").split())


@cache
def mood_of(word: str) -> str:
    """The listed word that `word` is a form of (slowly -> slow, drifted -> drift), or "" when there is
    none.
    """
    listed, word = sensory_words(), word.lower()
    if word in listed:
        return word
    if word in STOP:
        return ""
    for ending, replacements in (
        ("ily", ("y",)),
        ("ly", ("", "le")),
        ("iness", ("y",)),
        ("ness", ("",)),
        ("ing", ("", "e")),
        ("ied", ("y",)),
        ("ed", ("", "e")),
        ("ies", ("y",)),
        ("es", ("",)),
        ("s", ("",)),
        ("ier", ("y",)),
        ("iest", ("y",)),
        ("er", ("", "e")),
        ("est", ("", "e")),
    ):
        stem = word[: -len(ending)]
        if not word.endswith(ending) or len(stem) < 3:
            continue
        undoubled = stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] else stem
        for base in (*(stem + end for end in replacements), undoubled):
            if base in listed:
                return base
    return ""


def split_sentences(page: str) -> list[str]:
    """Sentences of a page, in order, page marks removed."""
    page = ABBREVIATION.sub(r"\1", PAGE_MARK.sub(" ", page))
    parts = (" ".join(part.split()) for part in SENTENCE_END.split(page))
    return [part for part in parts if WORD.search(part)]


def read_words(sentence: str) -> list[Word]:
    """The words of a sentence with their mood words and the punctuation before them."""
    words, gap = [], ""
    for piece in PIECE.findall(sentence):
        if WORD.fullmatch(piece):
            words.append(Word(piece[:LONGEST_WORD], mood_of(piece), gap if words else ""))
            gap = ""
        else:
            gap = piece if piece == "," else "!" if piece in ".!?\u2026" else ";"
    return words


def end_unfinished(words: list[Word]) -> list[Word]:
    """The words of a sentence that a page break has cut, without the loose ends of its last clause."""
    breaks = [k for k, word in enumerate(words) if k and word.gap]
    if (
        breaks
        and breaks[-1] >= 5
        and len(words) - breaks[-1] < 7
        and sum(bool(w.mood) for w in words[breaks[-1] :]) < 2
    ):
        words = words[: breaks[-1]]
    while len(words) > 5 and words[-1].text.lower() in STOP and not words[-1].mood:
        words = words[:-1]
    return words


def is_noun(word: Word) -> bool:
    """Whether a word may end a noun phrase, as far as its looks tell."""
    text = word.text
    return (
        text.islower()
        and len(text) > 2
        and text not in STOP
        and text not in VERBS
        and not text.endswith(("ly", "ed"))
        and "'" not in text
        and "\u2019" not in text
        and (bool(word.mood) or not text.endswith("ing"))
    )


def join_words(words: list[Word]) -> str:
    """Words as running text: commas kept, ends of quoted speech as commas, longer pauses as semicolons."""
    return "".join(
        (word.gap.replace("!", ",") if k else "") + (" " if k else "") + word.text for k, word in enumerate(words)
    )
