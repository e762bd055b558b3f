"""The continuous pieces of stories, and the page on which they are heard."""

import itertools
import json

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from listen_cases import payload

from vibegrid.errors import InputError
from vibegrid.files import write_json, write_jsonl
from vibegrid.listen.stories import build
from vibegrid.stories.piece import join

RATE = 1000


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.floats(0, 0.1))
def test_a_piece_is_as_long_as_its_clips_less_their_overlaps(lengths, overlap):
    piece = join([np.ones(n, dtype=np.float32) for n in lengths], RATE, overlap)
    overlaps = [min(round(overlap * RATE), a // 2, b // 2) for a, b in itertools.pairwise(lengths)]
    assert len(piece) == sum(lengths) - sum(overlaps) and np.isfinite(piece).all()


def test_a_crossfade_keeps_the_power_of_unrelated_sounds():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 20 * RATE)).astype(np.float32)
    piece = join([first, second], RATE, 8.0)
    powers = [np.mean(part**2) for part in np.split(piece, 16)]
    assert max(powers) / min(powers) < 1.2  # linear gains: 2
    assert np.array_equal(piece[: 12 * RATE], first[: 12 * RATE])
    assert np.array_equal(piece[-12 * RATE :], second[8 * RATE :])


@pytest.mark.parametrize(("clips", "overlap"), [([], 1.0), ([np.ones(4)], -1.0), ([np.ones(4)], float("nan"))])
def test_what_cannot_be_joined_is_one_line(clips, overlap):
    with pytest.raises(InputError, match="piece"):
        join(clips, RATE, overlap)


def story(folder, outputs):
    prompts = [
        {"id": f"p{i}", "prompt": f"vibe {i}", "story": "d/<b>one</b>", "page": i, "split": "TEST"} for i in (1, 2, 3)
    ]
    write_jsonl(
        folder / "prompts.jsonl", [row | {"config_payload": json.loads(payload(row["page"]))} for row in prompts]
    )
    run = folder / "run"
    answers = [
        {"eval_set": "story_pages", "id": row["id"], "prompt": row["prompt"], "raw_output": output}
        for row, output in zip(prompts, outputs, strict=False)
    ]
    write_jsonl(run / "generations.jsonl", answers)
    write_json(run / "parts.json", {"run": {"status": "ok"}})
    return run


def data_of(page):
    text = (page / "data.js").read_text()
    return json.loads(text.removeprefix("window.LISTEN = ").rstrip().removesuffix(";"))


def test_a_page_of_stories(tmp_path):
    run = story(tmp_path, [payload(1), "<script>", payload(3)])
    spec = {"seconds": 1.0, "overlap": 0.25, "notes": "<i>", "links": {"prompts": "../listen/index.html"}}
    build(spec, systems={"sft": run}, prompts=tmp_path / "prompts.jsonl", out=tmp_path / "page")
    data = data_of(tmp_path / "page")
    (shown,) = data["prompts"]
    teacher, sft = shown["cards"]
    assert shown["prompt"] == "vibe 1 → vibe 2 → vibe 3" and shown["seconds"] == 2.5
    assert teacher["problem"] is None and "1 of 3 pages" in sft["problem"]
    audio, rate = soundfile.read(tmp_path / "page" / sft["audio"])
    assert len(audio) / rate == pytest.approx(2.5, abs=0.01)
    quiet = audio[int(1.1 * rate) : int(1.4 * rate)]  # the page without a payload, between its crossfades
    assert np.abs(quiet).max() < 1e-4 < np.abs(audio).max()
    assert "<" not in (tmp_path / "page" / "data.js").read_text()
    first = (tmp_path / "page" / "data.js").read_bytes()
    build(spec, systems={"sft": run}, prompts=tmp_path / "prompts.jsonl", out=tmp_path / "page")
    assert (tmp_path / "page" / "data.js").read_bytes() == first


def test_a_page_that_was_not_answered_is_one_line(tmp_path):
    run = story(tmp_path, [payload(1)])
    with pytest.raises(InputError, match="no output of prompt 'p2'"):
        build({}, systems={"sft": run}, prompts=tmp_path / "prompts.jsonl", out=tmp_path / "page")


def test_a_system_that_failed_has_a_card_that_says_so(tmp_path):
    run = story(tmp_path, [payload(1)] * 3)
    write_json(run / "parts.json", {"run": {"status": "failed"}})
    build(
        {"seconds": 1.0, "teacher": None}, systems={"sft": run}, prompts=tmp_path / "prompts.jsonl", out=tmp_path / "x"
    )
    assert data_of(tmp_path / "x")["prompts"][0]["cards"][0]["state"] == "the training failed"
