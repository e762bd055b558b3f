"""Bad input of the data stages: one line with file and line. Run: pytest tests/test_bad_input.py"""

import json
from pathlib import Path

import pytest

from vibegrid.errors import InputError
from vibegrid.files import read_jsonl, write_jsonl
from vibegrid.specs.texts import FileTexts
from vibegrid.texts.collect import collect
from vibegrid.vibes.rows import read_vibes

GOOD = b'{"dataset": "d", "id_in_dataset": 1, "text": "One."}\n'


def second(text: str) -> bytes:
    return b'{"dataset": "d", "id_in_dataset": 2, "text": ' + text.encode("utf-8") + b"}\n"


BROKEN = {
    "broken line": (GOOD + b'{"dataset": "d", "id_in\n', r":2: not a JSON object"),
    "not an object": (GOOD + b"[1]\n", r":2: a JSON object was expected, not list"),
    "missing field": (GOOD + b'{"dataset": "d", "text": "b"}\n', r":2: field 'id_in_dataset' is missing"),
    "duplicate": (GOOD + b"\n" + GOOD, r":3: .*repeats line 1"),
    "duplicate, as text": (GOOD + GOOD.replace(b"1", b'"1"'), r":2: .*repeats line 1"),
    "empty file": (b"", r"has no rows"),
    "blank lines only": (b"\n  \n", r"has no rows"),
    "NUL byte": (GOOD + second('"a\0b"'), r":2: a NUL byte"),
    "NUL escape": (GOOD + second('"a\\u0000b"'), r":2: field 'text' holds a NUL"),
    "not UTF-8": (GOOD + second('"x"').replace(b"x", b"\xff\xfe"), r":2: not UTF-8"),
    "half a surrogate": (GOOD + second('"\\ud800"'), r":2: .*surrogate"),
    "empty text": (GOOD + second('" \\n "'), r":2: field 'text' is empty"),
    "text is null": (GOOD + second("null"), r":2: field 'text' must be a text, not NoneType"),
    "text is a list": (GOOD + second('["a"]'), r":2: field 'text' must be a text, not list"),
    "NaN": (GOOD + second('"a", "metadata": {"x": NaN}'), r":2: a number is NaN"),
    "deep nesting": (GOOD + second('"a", "metadata": ' + "[" * 100_000), r":2: "),
    "id is a float": (GOOD.replace(b"1", b"1.5"), r":1: field 'id_in_dataset'"),
    "id is true": (GOOD.replace(b"1", b"true"), r":1: field 'id_in_dataset'"),
    "id is empty": (GOOD.replace(b"1", b'""'), r":1: field 'id_in_dataset' is empty"),
    "dataset is empty": (GOOD.replace(b'"d"', b'""'), r":1: field 'dataset' is empty"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_one_line_names_the_file_and_the_line(tmp_path: Path, case: str) -> None:
    data, message = BROKEN[case]
    source = tmp_path / "texts.jsonl"
    source.write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        collect(FileTexts(), source, tmp_path / "out")
    assert str(caught.value).startswith(str(source))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert not (tmp_path / "out").exists()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl: no such file"):
        collect(FileTexts(), tmp_path / "none.jsonl", tmp_path / "out")


def test_bom_crlf_and_line_separators_inside_a_text_are_fine(tmp_path: Path) -> None:
    text = "One.\u2028Two.\u0085Three.\x0b\r\nFour.\U0001f300"
    line = json.dumps({"dataset": "d", "id_in_dataset": 2, "text": text}, ensure_ascii=False)
    data = "\ufeff" + GOOD.decode().strip() + "\r\n\r\n" + line + "\r\n"
    (tmp_path / "texts.jsonl").write_bytes(data.encode("utf-8"))
    collect(FileTexts(), tmp_path / "texts.jsonl", tmp_path / "out")
    assert [row["text"] for row in read_jsonl(tmp_path / "out" / "texts.jsonl")] == ["One.", text]


def test_names_with_odd_characters_are_only_text(tmp_path: Path) -> None:
    rows = [{"dataset": "../ü x", "id_in_dataset": "a/../b", "text": "<script>=1</script>"}]
    write_jsonl(tmp_path / "texts.jsonl", rows)
    assert collect(FileTexts(), tmp_path / "texts.jsonl", tmp_path / "out") == rows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vibe_original": ""}, r":1: field 'vibe_original' is empty"),
        ({"vibe_original": 5}, r":1: field 'vibe_original' must be a text"),
        ({"vibe_scope": "raw_text"}, r":1: vibe_scope 'raw_text' is not one of scene, character"),
        ({"vibe_level": ["m"]}, r":1: vibe_level"),
        ({"config_payload": "{}"}, r":1: config_payload must be an object or null"),
    ],
)
def test_vibe_rows_are_checked(tmp_path: Path, change: dict[str, object], message: str) -> None:
    row = {"dataset": "d", "id_in_dataset": 1, "vibe_scope": "scene", "vibe_level": "m", "vibe_original": "a"}
    write_jsonl(tmp_path / "v.jsonl", [row | change])
    with pytest.raises(InputError, match=message):
        read_vibes(tmp_path / "v.jsonl")
