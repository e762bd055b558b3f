"""Names of characters in English prose, for the embedded extractor: rules over capitalised words."""

import re
from collections import Counter, defaultdict


def word_set(text: str) -> frozenset[str]:
    """The words of a text as a set: how word lists are written here."""
    return frozenset(text.split())


TOKEN = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*|[\"\u201c\u201d.,;:!?()\u2014]|--")
TITLES = word_set("""
Mr Mrs Ms Miss Dr Sir Lady Lord Captain Corporal Sergeant Colonel General Chief Officer Uncle Aunt Father
Mother Brother Sister Master Madame Professor Doctor King Queen Prince Princess Saint St Rev Reverend
Engineer Director Ranger Clerk Broker Baker Stationmaster Inspector Conservator Astronomer Percussionist Old
Young Little Poor Dear Good
""")
NO_NAMES = word_set("""
I Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July August
September October November December Spring Summer Autumn Winter Christmas Easter God Lord Heaven Bible Earth
Page Chapter English French Welsh Injun German Spanish Roman Greek Latin Indian Indians Christian Christians
Jesus Christ Mr Mrs America England France Germany Europe London Oregon Cornwall American Methodist Boston
""")
PLACE_WORDS = word_set("""
River Point Junction Station Street Road Moor Sea Island Isle Bay Church Castle Day Lake Plateau Way Hill
Mount Mountain Mountains Port Harbour Bridge Valley Falls Line Quarter House Park Hall Abbey Cross Square
City Town North South East West Cape Creek Fort Ocean County Bend School Company War Hub Territory Well
Priory Head Cove Pool Beach Rock Peninsula End Fall Wales York San Spirit Spirits Braves Death Florida
Romance Years Land Government Nation Manitou
""")
PLACE_BEFORE = word_set("in at to from near toward towards on across into through beyond past above of")
SPEECH = word_set(
    "said says asked cried called named replied answered whispered shouted yelled thought murmured told laughed"
)
VERB_AFTER = SPEECH | word_set("""
was is had has would could did does sat stood went came looked took felt ran saw put lay held made gave knew
began kept led fell rose read got let leapt crept wept spoke who and wore threw fed grew whose never always
""")
SMALL_WORDS = word_set("""
the a an and but or so if then when while as at by for from in into of on to with she he it they we you his
her their its our my your this that these those there here what who why how where which no not nobody
nothing meanwhile every each all some most many one two now once after before behind beneath below above
outside inside everything everyone somebody someone something yes oh ah do don't did is was were are has
have had will would can could may first last again still even only very such both either neither perhaps
though although because until since under over between among through well come go let stop feel watch listen
""")


def find_characters(sentences: list[str]) -> list[tuple[str, list[int]]]:
    """Names of people with the indices of the sentences that name them, most often named first.

    A name is a run of 1-3 capitalised words seen inside a sentence, or twice, or opening one as its
    subject. Words after a preposition of place or an article, calendar words and runs with a word such as
    River or Street do not count as people.
    """
    seen = [
        (run, inside, clue, k) for k, sentence in enumerate(sentences) for run, inside, clue in capital_runs(sentence)
    ]
    lower = {word for sentence in sentences for word in re.findall(r"[^\W\d_]+", sentence) if word.islower()}
    full = full_names(sorted({run for run, *_ in seen}, key=lambda run: (-len(run), run)))
    count, inside_count, clues = Counter(), Counter(), Counter()
    where: dict[str, set[int]] = defaultdict(set)
    for run, inside, clue, k in seen:
        name = full[run]
        if not inside and (len(run) == 1 and run[0].lower() in lower):
            continue
        count[name] += 1
        inside_count[name] += inside
        clues[name] += clue
        where[name].add(k)
    people = [name for name in count if clues[name] > 0 and (inside_count[name] or count[name] > 1 or clues[name] > 1)]
    people.sort(key=lambda name: (-count[name], min(where[name]), name))
    return [(name, sorted(where[name])) for name in people]


def capital_runs(sentence: str) -> list[tuple[tuple[str, ...], bool, int]]:
    """Runs of capitalised words of a sentence: (words, seen inside the sentence, evidence for a person)."""
    tokens = [re.sub(r"['\u2019]s$", "'s", token) for token in TOKEN.findall(sentence)]
    runs, k = [], 0
    while k < len(tokens):
        start = k
        while k < len(tokens) and is_capitalised(tokens[k]) and (k == start or not tokens[k - 1].endswith("'s")):
            k += 1
        if k == start:
            k += 1
            continue
        at_start = start == 0 or (not tokens[start - 1][0].isalpha() and tokens[start - 1] not in (",", ";"))
        words = [token.removesuffix("'s") for token in tokens[start:k]]
        while words and (words[0].lower() in SMALL_WORDS or (words[0] in TITLES and len(words) > 1)):
            words, at_start = words[1:], False
        if not words or len(words) > 3 or any(w in NO_NAMES | PLACE_WORDS | TITLES for w in words):
            continue
        if any(w.endswith(("ish", "ese")) for w in words):
            continue
        before = tokens[start - 1].lower() if start else ""
        after = tokens[k].lower() if k < len(tokens) else ""
        runs.append((tuple(words), not at_start, person_clue(words, before, after, tokens[k - 1].endswith("'s"))))
    return runs


def is_capitalised(token: str) -> bool:
    """Whether a token looks like a name: a capital, then lower-case letters (no I, no CHAPTER)."""
    return len(token) > 1 and token[0].isupper() and token[1:].islower()


def person_clue(words: list[str], before: str, after: str, possessive: bool) -> int:
    """Evidence that a capitalised run names a person: positive for, negative against."""
    clue = 1 if len(words) > 1 else 0
    if before in SPEECH:
        clue += 2
    if after in VERB_AFTER or (after.endswith("ed") and len(after) > 3):
        clue += 1
    if possessive:
        clue += 1
    if before in PLACE_BEFORE:
        clue -= 1 if before in ("of", "to", "from") else 2
    if before in ("the", "a", "an"):
        clue -= 3
    return clue


def full_names(runs: list[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The longest seen form of each run: ("Mara",) -> "Mara Voss". `runs` come longest first."""
    full: dict[tuple[str, ...], str] = {}
    for run in runs:
        longer = [other for other in full if len(other) > len(run) and set(run) <= set(other)]
        full[run] = full[longer[0]] if longer else " ".join(run)
    return full
