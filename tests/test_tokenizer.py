"""The miniatures' tokenizer: round trips, short payloads, a chat template that separates the turns."""

import random
from pathlib import Path

import pytest

from vibegrid import payloads
from vibegrid.evals.familiarity import content_words, known_words
from vibegrid.files import read_jsonl
from vibegrid.llm import composer
from vibegrid.models import documents
from vibegrid.models.tokenizer import ASSISTANT, END, PAD, USER, train_tokenizer, words_of_tokens
from vibegrid.schema import FIELDS

ROOT = Path(__file__).parents[1]
PROSE = [
    "The river was slow that morning, slow as cold honey, and the ferry lay still against its post.",
    "Nobody came. She poured tea from a dented flask and held the warm cup in both hands.",
] * 3

LABELS = [str(label) for field in documents.NAMED for label in (field, *FIELDS[field])]
WORDS = ["sluggish", *LABELS]


@pytest.fixture(scope="module")
def tokenizer():
    rng = random.Random(0)
    chats = [documents.payload_chat("slow cold honey", rng)[1] for _ in range(600)]
    return train_tokenizer(PROSE, vocab_size=3000, payloads=chats, words=[f" {word}" for word in WORDS])


def _payload(rng: random.Random) -> str:
    return documents.payload_chat("slow cold honey", rng)[1].removesuffix(END)


def _ids(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(
    "text",
    [
        "plain words, and  two spaces \n\n and lines\t",
        "naïve café – “quotes” ’tis 音楽 🎵 \u202e عربى",
        '{"tempo":"slow","unknown":"x","density":6,"depth":true,',
        '{"thinking":"a \\"quoted\\" word","title":"tempo"}',
        "\\ back\\slash \x00 \x7f",
        " leading and trailing ",
    ],
)
def test_any_text_round_trips(tokenizer, text: str) -> None:
    assert tokenizer.decode(_ids(tokenizer, text)) == text


def test_a_payload_round_trips_and_is_short(tokenizer) -> None:
    rng = random.Random(5)
    text = _payload(rng)
    ids = _ids(tokenizer, text)
    assert tokenizer.decode(ids) == text
    assert len(ids) < 130


def test_config_fields_and_colours_are_single_tokens(tokenizer) -> None:
    pieces = [tokenizer.decode([i]) for i in _ids(tokenizer, '"tempo":"slow","depth":true,"density":2,')]
    assert pieces == ['"tempo":"slow",', '"depth":true,', '"density":2,']
    text = _payload(random.Random(5))
    pieces = [tokenizer.decode([i]) for i in _ids(tokenizer, text)]
    assert sum(piece.startswith('{"hex":') for piece in pieces) == 15
    assert sum(any(piece.startswith(f'"{name}":') for name in FIELDS) for piece in pieces) == len(FIELDS)


def test_title_and_thinking_stay_words(tokenizer) -> None:
    pieces = [tokenizer.decode([i]) for i in _ids(tokenizer, '"title":"honey","config":{')]
    assert not any("title" in piece and "honey" in piece for piece in pieces)


def test_chat_template_and_special_tokens(tokenizer) -> None:
    assert tokenizer.pad_token == PAD and tokenizer.eos_token == END
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "honey"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == f"<|system|> S{END}{USER} honey{END}{ASSISTANT}"
    whole = [*messages, {"role": "assistant", "content": "A"}]
    assert tokenizer.apply_chat_template(whole, tokenize=False) == text + "A" + END
    assert documents.prompt("S", "honey") == text


def test_words_of_tokens_are_words(tokenizer) -> None:
    words = words_of_tokens(tokenizer)
    assert "honey" in words.values()
    assert all(word.replace("_", "").isalpha() for word in words.values())


def test_a_listed_word_is_one_token_however_rare(tokenizer) -> None:
    assert not any("sluggish" in text for text in PROSE)
    assert len(_ids(tokenizer, " sluggish")) == 1
    assert len(_ids(tokenizer, " languorous")) > 1


def test_a_list_that_does_not_fit_is_cut_and_texts_still_round_trip() -> None:
    small = train_tokenizer(PROSE, vocab_size=280, words=[f" word{chr(97 + i)}" for i in range(26)])
    assert len(small) <= 280
    assert small.decode(_ids(small, "wordz and naïve")) == "wordz and naïve"


def test_documents_do_not_tell_what_a_vibe_sounds_like() -> None:
    rng = random.Random(1)
    chats = [documents.payload_chat("gloomy cold honey", rng) for _ in range(60)]
    found = [payloads.parse_output(answer.removesuffix(END)) for _, answer in chats]
    assert all(parsed.schema_valid for parsed in found)
    assert {parsed.payload["config"]["brightness"] for parsed in found} == set(FIELDS["brightness"])
    message, answer = documents.payload_chat("gloomy cold honey", rng, named=False)
    assert message == "gloomy cold honey"
    assert payloads.parse_output(answer.removesuffix(END)).payload["thinking"].endswith(": nothing")


def test_named_decisions_are_obeyed_and_quoted() -> None:
    rng = random.Random(1)
    words = documents.label_words()
    for _ in range(60):
        message, answer = documents.payload_chat("honey jar", rng)
        payload = payloads.parse_output(answer.removesuffix(END)).payload
        named = set(message.split()) - {"honey", "jar"}
        assert named
        told = {label for (field, label), known in words.items() if named & set(known) and field == "mode"}
        assert not told or payload["config"]["mode"] in told
        quoted = payload["thinking"].split(": ")[1].split(", ")
        assert quoted == ["nothing"] or set(quoted) <= named


def test_every_label_that_can_be_named_has_plain_words() -> None:
    words = documents.label_words()
    assert set(words) == {(field, str(label)) for field in documents.NAMED for label in FIELDS[field]}
    assert all(len(known) >= 4 and len(set(known)) == len(known) for known in words.values())


def test_unseen_prompts_hold_no_word_that_pretraining_ties_to_a_label() -> None:
    told = known_words(word for known in documents.label_words().values() for word in known)
    lexicon = known_words(composer.lexicon())
    for name in ("tempo", "brightness"):
        path = ROOT / f"config/eval_sets/controllability/{name}_prompts.jsonl"
        unseen = [row["prompt"] for row in read_jsonl(path) if content_words(row["prompt"]).isdisjoint(lexicon)]
        assert len(unseen) >= 8
        assert all(content_words(prompt).isdisjoint(told) for prompt in unseen), unseen


def test_share_of_payloads() -> None:
    found = list(documents.documents(PROSE * 20, 4000, 0.7, seed=0))
    share = sum(answer.startswith('{"thinking"') for _, answer in found) / len(found)
    assert abs(share - 0.7) < 0.03
