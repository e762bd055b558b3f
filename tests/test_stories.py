"""Story coherence: similarities, contrasts, permutation tests that are calibrated, and the rows of the table."""

import json

import numpy as np
import pytest
from scipy.stats import kstest

from vibegrid.analyses import statistics
from vibegrid.errors import InputError
from vibegrid.files import read_csv, write_json, write_jsonl
from vibegrid.payloads import dumps
from vibegrid.schema import FIELDS
from vibegrid.specs.stories import stories_spec
from vibegrid.stories import coherence
from vibegrid.stories.coherence import Places
from vibegrid.stories.prompts import story_prompts, story_rows
from vibegrid.stories.similarity import Pages, ranks, similarities

STORIES, PAGES = 8, 3


def places(stories=STORIES, pages=PAGES):
    names = [f"s{story}" for story in range(stories) for _ in range(pages)]
    return Places.of(names, [page for _ in range(stories) for page in range(1, pages + 1)])


def cosines(vectors):
    """Similarities (S, P, P) of vectors (S, P, dim)."""
    unit = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    return np.einsum("spd,sqd->spq", unit, unit)


def drifting(rng, where, of_text, of_page, runs=2):
    """Vectors of pages: a part of the text, and a walk along its pages."""
    text = rng.normal(size=(where.stories, 6)) * of_text
    steps = rng.normal(size=(len(where.story), 6)) * of_page
    walk = np.array([steps[(where.story == s) & (where.position <= p)].sum(0) for s, p in zip(*where, strict=True)])
    return cosines((text[where.story] + walk)[None] + rng.normal(size=(runs, len(where.story), 6)))


def draws(where, runs, resamples=300):
    return coherence.draw(0, ("x", "y"), where, runs, resamples)


@pytest.mark.parametrize(
    ("test", "position"), [(coherence.shuffle_p, 0.0), (coherence.others_p, 0.0), (coherence.others_p, 1.5)]
)
def test_permutation_tests_are_calibrated(test, position):
    """Uniform p over 200 draws without coherence; what first pages have in common does not matter to `others`."""
    where, found = places(), []
    for draw in range(200):
        rng = np.random.default_rng(draw)
        of_position = rng.normal(size=(PAGES + 1, 6)) * position
        vectors = rng.normal(size=(2, len(where.story), 6)) + of_position[where.position]
        found.append(test(cosines(vectors), where, 199, np.random.default_rng(1000 + draw)))
    assert kstest(found, "uniform").pvalue > 0.01
    assert 0.01 <= np.mean(np.array(found) <= 0.05) <= 0.10


def test_a_text_of_its_own_is_found_against_others_and_not_against_its_shuffled_pages():
    where = places(stories=12)
    alike = drifting(np.random.default_rng(3), where, of_text=3.0, of_page=0.0)
    assert coherence.others_p(alike, where, 999, np.random.default_rng(0)) < 0.01
    assert coherence.shuffle_p(alike, where, 999, np.random.default_rng(0)) > 0.05
    others = coherence.vs_others(alike, where, draws(where, 2)).resampled
    assert others[0] > 0.3 and np.quantile(others[1:], 0.025) > 0


def test_pages_that_drift_are_found_against_shuffled_pages():
    where = places(stories=12, pages=5)
    alike = drifting(np.random.default_rng(4), where, of_text=0.0, of_page=3.0)
    assert coherence.shuffle_p(alike, where, 999, np.random.default_rng(0)) < 0.01
    by_jump = [coherence.at_distance(alike, where, draws(where, 2), jump).resampled[0] for jump in (1, 2, 3, 4)]
    assert by_jump == sorted(by_jump, reverse=True)
    assert coherence.vs_shuffled(alike, where, draws(where, 2)).resampled[0] > 0.1


def test_the_tests_have_no_side():
    """Neighbours that avoid each other are as far from the mean of all orders as those that cling together."""
    where = places(stories=12, pages=3)
    alike = np.zeros((1, len(where.story), len(where.story)))
    first, second = where.pairs(1)
    alike[0, first, second] = alike[0, second, first] = -1.0
    assert coherence.shuffle_p(alike, where, 999, np.random.default_rng(0)) < 0.01


def test_contrasts_are_what_their_definitions_say():
    where, rng = places(stories=3), np.random.default_rng(5)
    alike = cosines(rng.normal(size=(1, 9, 4)))
    one = alike[0]
    near = [(s * 3 + k, s * 3 + k + 1) for s in range(3) for k in range(2)]
    neighbours = np.mean([one[pair] for pair in near])
    within = np.mean([one[s * 3 + a, s * 3 + b] for s in range(3) for a, b in ((0, 1), (1, 2), (0, 2))])
    apart = [one[s * 3 + k, t * 3 + k + 1] for k in range(2) for s in range(3) for t in range(3) if s != t]
    values = draws(where, 1)
    assert coherence.at_distance(alike, where, values, 1).resampled[0] == pytest.approx(neighbours)
    assert coherence.vs_shuffled(alike, where, values).resampled[0] == pytest.approx(neighbours - within)
    assert coherence.vs_others(alike, where, values).resampled[0] == pytest.approx(neighbours - np.mean(apart))
    assert coherence.of_others(alike, where, values).resampled[0] == pytest.approx(np.mean(apart))
    assert coherence.vs_others(alike, where, values)[1:] == (6, 3)


def test_texts_of_two_pages_say_nothing_about_their_order():
    where = places(pages=2)
    alike = cosines(np.random.default_rng(6).normal(size=(1, 16, 4)))
    found = coherence.vs_shuffled(alike, where, draws(where, 1))
    assert np.isnan(found.resampled[0]) and found.n == 0
    assert np.isnan(coherence.shuffle_p(alike, where, 99, np.random.default_rng(0)))
    assert 0 < coherence.others_p(alike, where, 99, np.random.default_rng(0)) <= 1


def test_pages_that_cannot_be_heard_are_left_out():
    where = places()
    alike = cosines(np.random.default_rng(7).normal(size=(2, 24, 4)))
    alike[:, 4] = alike[:, :, 4] = np.nan  # of both runs
    alike[0, 9] = alike[0, :, 9] = np.nan
    values = draws(where, 2)
    assert coherence.at_distance(alike, where, values, 1).n == 14
    for test in (coherence.shuffle_p, coherence.others_p):
        assert 0 < test(alike, where, 99, np.random.default_rng(0)) <= 1
    alike[:] = np.nan
    assert np.isnan(coherence.vs_others(alike, where, values).resampled).all()
    assert np.isnan(coherence.others_p(alike, where, 99, np.random.default_rng(0)))


def test_intervals_of_the_contrast_cover_the_truth():
    """Of 60 studies of 20 stories; the truth from 3000 stories."""
    large = places(stories=3000)
    first, second = large.pairs(1)
    text = np.random.default_rng(0).normal(size=(3000, 6))
    vectors = text[large.story] + np.random.default_rng(1).normal(size=(9000, 6))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    truth = np.einsum("id,id->i", unit[first], unit[second]).mean()  # other texts: 0
    where, covered = places(stories=20), 0
    for study in range(60):
        rng = np.random.default_rng(study)
        alike = cosines((rng.normal(size=(20, 6))[where.story] + rng.normal(size=(60, 6)))[None])
        found = coherence.vs_others(alike, where, draws(where, 1)).resampled
        low, high = statistics.interval(found[:1], found[1:, None])
        covered += low[0] <= truth <= high[0]
    assert covered >= 51  # 95 % of 60 is 57


def config(**labels):
    return {field: legal[0] for field, legal in FIELDS.items()} | labels


def test_similarities_of_configs_and_measures():
    fields = list(FIELDS)
    other = config(**{fields[0]: FIELDS[fields[0]][1]})
    run = Pages(
        [np.array([1.0, 0.0]), np.array([0.0, 1.0]), None],
        [{"level": 1.0}, {"level": 3.0}, None],
        [config(), other, None],
    )
    found = similarities({"a": [run], "b": [run]})["a"]
    assert found["config"][0, 0, 1] == pytest.approx(33 / 34)
    assert found["clap"][0, 0, 1] == 0 and found["clap"][0, 0, 0] == 1
    assert found["acoustic"][0, 0, 1] == pytest.approx(0.5) and found["acoustic"][0, 0, 0] == 1
    assert all(np.isnan(found[kind][0, 2]).all() for kind in found)


def test_ranks_put_ties_at_their_middle():
    assert ranks([1.0, 2.0, 3.0], np.array([1.0, 2.0, 2.0, 3.0])).tolist() == [0.125, 0.5, 0.875]


# the eval set ---------------------------------------------------------------------------------------------------


def vibe(text, page, split, level="m", scope="scene", payload=True):
    return {
        "dataset": "d",
        "id_in_dataset": text,
        "split": split,
        "vibe_index": 0,
        "text_page": page,
        "vibe_scope": scope,
        "vibe_level": level,
        "vibe_original": f"{text} page {page} {scope} {level}",
        "config_payload": {"config": config()} if payload else None,
    }


@pytest.fixture
def splits(tmp_path):
    test = [vibe(f"t{i}", page, "TEST") for i in range(3) for page in (2, 1, 3)]
    test += [vibe("t0", 1, "TEST", level="xs"), vibe("t0", 1, "TEST", scope="character"), vibe("alone", 1, "TEST")]
    write_jsonl(tmp_path / "TEST.jsonl", test)
    write_jsonl(tmp_path / "SFT-Val.jsonl", [vibe("v", page, "SFT-Val") for page in (1, 2)])
    return tmp_path


def test_stories_are_pages_in_order_and_test_comes_first(splits):
    rows = story_prompts(story_rows(splits, level="m", stories=None, pages=8, seed=0))
    stories = list(dict.fromkeys(row["story"] for row in rows))
    assert set(stories[:3]) == {"d/t0", "d/t1", "d/t2"} and stories[3:] == ["d/v"]
    assert [row["page"] for row in rows] == [1, 2, 3] * 3 + [1, 2]
    assert all(row["cluster"] == row["story"] for row in rows) and len({row["id"] for row in rows}) == len(rows)
    fewer = story_prompts(story_rows(splits, level="m", stories=2, pages=2, seed=0))
    assert [row["id"] for row in fewer] == [rows[i]["id"] for i in (0, 1, 3, 4)]


def test_no_story_of_two_pages_is_an_error(splits):
    with pytest.raises(InputError, match="2 pages"):
        story_rows(splits, level="lg", stories=None, pages=8, seed=0)


# the analysis -----------------------------------------------------------------------------------------------------


def spec(**changes):
    base = {"scale": "mini", "experiment": "story_coherence", "runs": {"random": ["r"]}, "primary": {"arm": "teacher"}}
    return {**base, "seconds": 1.0, "bootstrap": 100, "permutations": 100, **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"primary": {"arm": "sft"}}, "no system 'sft'"),
        ({"primary": {"arm": "teacher", "metric": "reward"}}, "'reward' is not one of"),
        ({"runs": {"teacher": ["r"]}}, "name of the teacher"),
        ({"jumps": 0}, "greater than or equal"),
    ],
)
def test_a_bad_spec_is_one_line(changes, message):
    with pytest.raises(InputError, match=message):
        stories_spec(spec(**changes))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A real analysis of two texts and two systems: renders, but an embedding that a test can afford."""
    from vibegrid.sound.clip import Clip
    from vibegrid.stories import analysis

    folder = tmp_path_factory.mktemp("stories")
    rows = [vibe(f"t{i}", page, "TEST") | {"split": "TEST"} for i in range(2) for page in (1, 2, 3)]
    for number, row in enumerate(rows):
        label = FIELDS["brightness"][-1 if number > 2 else 0]
        row["config_payload"] = {"config": config(brightness=label)}
    prompts = story_prompts(rows)
    write_jsonl(folder / "prompts.jsonl", prompts)
    run = folder / "generations" / "r"
    outputs = [dumps(dict(rows[i]["config_payload"])) for i in (0, 3, 0, 3, 0)] + ["no JSON"]
    answers = [
        {"eval_set": "story_pages", "id": row["id"], "prompt": row["prompt"], "raw_output": output}
        for row, output in zip(prompts, outputs, strict=True)
    ]
    write_jsonl(run / "generations.jsonl", answers)
    write_json(run / "parts.json", {"run": {"status": "ok"}})

    def embed(clips: list[Clip]):
        levels = np.array([[clip.measures["brightness"], 1000.0] for clip in clips])
        return levels / np.linalg.norm(levels, axis=1, keepdims=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "_embed", lambda folder: embed)
        analysis.measure_stories(
            spec(), folders=[run], prompts=folder / "prompts.jsonl", scorer=folder, out=folder / "out"
        )
    return folder / "out"


def row_of(folder, arm, metric, subset="all"):
    rows = read_csv(folder / "comparison.csv")
    return next(r for r in rows if (r["arm"], r["metric"], r["subset"]) == (arm, metric, subset))


def test_a_teacher_of_one_sound_a_text_is_coherent(measured):
    near = row_of(measured, "teacher", "neighbour_similarity_config")
    assert (float(near["mean"]), near["n"], near["n_clusters"], near["n_seeds"]) == (1.0, "4", "2", "1")
    contrast = row_of(measured, "teacher", "neighbour_vs_others_config")
    assert float(contrast["mean"]) == pytest.approx(1 / 34, abs=1e-6) and 0 < float(contrast["p_value"]) <= 1
    assert row_of(measured, "teacher", "neighbour_vs_others_clap")["primary"] == "confirmatory"
    assert float(row_of(measured, "teacher", "jump_2_similarity_clap")["mean"]) == pytest.approx(1.0)


def test_a_page_that_is_no_payload_is_counted_and_left_out(measured):
    heard = row_of(measured, "random", "pages_heard")
    assert float(heard["mean"]) == pytest.approx(5 / 6, abs=1e-6) and heard["n_dropped"] == "1"
    assert row_of(measured, "random", "neighbour_similarity_clap")["n"] == "3"
    assert row_of(measured, "random", "neighbour_vs_shuffled_clap")["n_clusters"] == "1"
    assert row_of(measured, "random", "neighbour_similarity_clap", "d/t1")["n"] == "1"
    pages = read_csv(measured / "pages.csv")
    assert [page["heard"] for page in pages if page["system"] == "random"] == ["yes"] * 5 + ["no"]
    assert json.loads((measured / "spec.json").read_text())["clap"] == "clap_eval"


def test_two_stories_have_no_interval_and_the_table_says_the_mean(measured):
    from vibegrid.tables.stories import wide_table

    assert row_of(measured, "teacher", "neighbour_vs_others_clap")["ci_low"] == ""
    block = wide_table(stories_spec(spec()), read_csv(measured / "comparison.csv"))
    assert [row[0] for row in block.rows] == ["teacher", "random"] and block.rows[0][2].startswith("+0.")


def test_tables_and_figure_are_written_twice_the_same(measured, tmp_path):
    from vibegrid.figures.stories import draw, one_story
    from vibegrid.tables.stories import write_tables

    rows, pages = read_csv(measured / "comparison.csv"), read_csv(measured / "pages.csv")
    assert one_story(pages) in ("d/t0", "d/t1") and one_story([]) == ""
    made = []
    for name in ("a", "b"):
        folder = tmp_path / name
        write_tables(spec(title="<b>|x_1"), rows, folder)
        draw(spec(title="<b>|x_1"), rows, pages, folder / "f.pdf", folder / "f.png")
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1] and len(made[0]) == 5
    assert b"<b>" not in made[0]["story_coherence.md"]
    draw(spec(), [], [], tmp_path / "empty.pdf", tmp_path / "empty.png")
