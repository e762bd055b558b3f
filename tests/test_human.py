"""The human evaluation: what a pack holds, which ratings count, and what simulated raters of known strengths show.

Run: pytest tests/test_human.py
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from human_cases import (
    EVAL_SET,
    PROMPTS,
    SYSTEMS,
    pack_spec,
    ratings_spec,
    silent_key,
    two_systems,
    write_generations,
    write_key,
    write_prompts,
    write_scores,
)
from listen_cases import payload
from scipy.stats import binom, norm, spearmanr

from vibegrid.analyses.compare import COLUMNS, ROW_COLUMNS
from vibegrid.errors import InputError
from vibegrid.files import read_csv, write_csv, write_text
from vibegrid.human import estimates
from vibegrid.human.analysis import analyze_ratings, assemble, rows_of
from vibegrid.human.key import Key, read_key
from vibegrid.human.metric_preference import rank_correlation
from vibegrid.human.pack import build_pack
from vibegrid.human.power import ratings_needed
from vibegrid.human.ratings import COLUMNS as RATING_COLUMNS
from vibegrid.human.ratings import Rating, read_ratings
from vibegrid.human.simulated_raters import (
    SimulatedRater,
    simulate_ratings,
    simulated_raters,
    win_chance,
    write_simulated,
)
from vibegrid.human.tallies import wins
from vibegrid.human.trials import CHECK, COMPARE, REPEAT
from vibegrid.sound.loudness import loudness

STRENGTHS = {"random": -1.0, "sft": 0.0, "sft_grpo": 0.5}
Rows = dict[tuple[str, str], dict[str, str]]


def analysed(key: Key, ratings: list[Rating], scores: Any = None, **changes: Any) -> Rows:
    rows = rows_of(assemble(ratings_spec(tuple(key.systems), **changes), key, ratings), scores or {})
    return {(row["arm"], row["metric"]): row for row in rows}


# the pack --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    build_pack(pack_spec(), generations=two_systems(folder), prompts=write_prompts(folder), out=folder / "pack")
    return folder / "pack"


def test_a_pack_is_the_same_twice_and_its_page_names_nothing(pack: Path, tmp_path: Path) -> None:
    build_pack(pack_spec(), generations=two_systems(tmp_path), prompts=write_prompts(tmp_path), out=tmp_path / "pack")
    files = {path.relative_to(pack): path.read_bytes() for path in pack.rglob("*") if path.is_file()}
    assert {name: (tmp_path / "pack" / name).read_bytes() for name in files} == files
    names = {name.as_posix() for name in files}
    fixed = {"key.json", *(f"page/{name}" for name in ("index.html", "listen.css", "rate.css", "rate.js", "trials.js"))}
    key = read_key(pack)
    assert names == fixed | {f"page/audio/{clip}.flac" for clip in key.clips}
    public = b"".join(data for name, data in files.items() if name.parts[0] == "page" and name.suffix != ".flac")
    assert b"sft" not in public and str(tmp_path).encode() not in public
    other = build_with(tmp_path, settings={"seed": 1, "forms": 2, "comparisons": 3, "checks": 2, "repeats": 1})
    assert other.pack != key.pack and set(other.clips) != {"c001"}


def build_with(folder: Path, outputs: dict[str, Path] | None = None, **changes: Any) -> Key:
    out = folder / "other"
    build_pack(pack_spec(**changes), generations=outputs or two_systems(folder), prompts=write_prompts(folder), out=out)
    return read_key(out)


def test_sounds_of_a_prompt_are_equally_loud_and_checks_are_broken(pack: Path) -> None:
    key = read_key(pack)
    sounds = {clip: soundfile.read(pack / f"page/audio/{clip}.flac") for clip in key.clips}
    levels = {clip: loudness(*sound) for clip, sound in sounds.items()}
    for row in PROMPTS:
        of_prompt = [levels[c] for c, clip in key.clips.items() if clip.prompt == row["id"] and clip.system]
        assert max(of_prompt) - min(of_prompt) < 0.1
    noise, cut = (next(c for c, clip in key.clips.items() if clip.content == how) for how in ("noise", "cut"))
    audio = sounds[noise][0]
    power = np.abs(np.fft.rfft(audio)) ** 2
    flatness = np.exp(np.mean(np.log(power + 1e-12))) / np.mean(power)
    assert (
        flatness > 0.4 and abs(levels[noise] - levels[key.clips[noise].of]) < 0.1
    )  # white: exp(-Euler's gamma) = 0.56
    audio, rate = sounds[cut]
    whole = sounds[key.clips[cut].of][0]
    assert not audio[round(0.52 * rate) :].any() and np.array_equal(audio[: rate // 2], whole[: rate // 2])


def test_forms_are_balanced() -> None:
    key = silent_key(prompts=30, forms=8, comparisons=24, checks=6, repeats=4)
    forms: dict[int, list[Any]] = {}
    for trial in key.trials.values():
        forms.setdefault(trial.form, []).append(trial)
    assert [len(trials) for trials in forms.values()] == [34] * 8
    lefts: Counter[str] = Counter()
    for trials in forms.values():
        assert Counter(trial.kind for trial in trials) == {COMPARE: 24, CHECK: 6, REPEAT: 4}
        compared = [trial for trial in trials if trial.kind == COMPARE]
        pairs = Counter(tuple(sorted(key.systems_of(trial))) for trial in compared)
        assert set(pairs.values()) == {8} and len({(t.prompt, t.left, t.right) for t in compared}) == 24
        lefts.update(key.systems_of(trial)[0] for trial in compared)
        swapped = 0
        for place, trial in enumerate(trials):
            if trial.kind == REPEAT:
                first = key.trials[trial.of]
                assert {first.left, first.right} == {trial.left, trial.right} and trials.index(first) < place - 4
                swapped += first.left != trial.left
        assert swapped == 2
    assert set(lefts.values()) == {8 * 24 // 3}  # every system as often on the left as on the right
    for first, second in ((1, 2), (7, 8)):
        sides = [{(t.prompt, t.left, t.right) for t in forms[f] if t.kind == COMPARE} for f in (first, second)]
        assert sides[0] == {(prompt, right, left) for prompt, left, right in sides[1]}
    asked = {(t.prompt, *sorted((t.left, t.right))) for t in key.trials.values() if t.kind == COMPARE}
    assert len(asked) == 90  # every prompt with every pair


def test_what_cannot_be_compared_is_not_asked(tmp_path: Path) -> None:
    outputs = {
        "sft": write_generations(tmp_path / "a", [payload(1), payload(2), payload(3)]),
        "sft_grpo": write_generations(tmp_path / "b", [payload(1, title="Other"), "prose", payload(13)]),
    }
    key = build_with(tmp_path, outputs)
    assert key.same == {"sft_grpo over sft": ["few-1"]} and key.unheard == {"sft": [], "sft_grpo": ["few-2"]}
    assert {t.prompt for t in key.trials.values() if t.kind == COMPARE} == {"few-3"}
    ratings = simulate_ratings(key, simulated_raters(2, tie=0.0), {"sft": 0.0, "sft_grpo": 50.0}, seed=1)
    rows = analysed(key, ratings)
    assert rows["sft_grpo over sft", "win_rate"]["mean"] == "1.000000"
    assert rows["sft_grpo over sft", "win_rate_all_prompts"]["mean"] == "0.500000"  # a win, a tie, a loss
    assert rows["sft_grpo over sft", "win_rate"]["n_dropped"] == "2"
    same = {name: write_generations(tmp_path / name, [payload(1)] * 3) for name in ("sft", "sft_grpo")}
    with pytest.raises(InputError, match="no two systems sound different"):
        build_with(tmp_path, same)
    short = two_systems(tmp_path / "x") | {"sft": write_generations(tmp_path / "y", [payload(1)])}
    with pytest.raises(InputError, match="'sft' has no output of prompt 'few-2'"):
        build_with(tmp_path, short)


# ratings as files ------------------------------------------------------------------------------------------------


def lines(key: Key, **changes: str) -> list[dict[str, str]]:
    """Two rows of a file of ratings, the second one changed."""
    trials = [trial.id for trial in key.trials.values() if trial.form == 1]
    row = {"pack": key.pack, "session": "0" * 16, "rater": "anna", "choice": "a", "seconds": "8.5"}
    row |= {"plays_a": "1", "plays_b": "2"}
    return [{**row, "trial": trials[0]}, {**row, "trial": trials[1]} | changes]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trial": "9-99"}, r"anna\.csv:3: unknown trial '9-99'"),
        ({"trial": "2-01"}, r"anna\.csv:3: rater 'anna' began anew since .*anna\.csv:2 \(hint: two raters need two"),
        ({"rater": "=HYPERLINK(1)"}, r"anna\.csv:3: unknown rater '=HYPERLINK\(1\)'"),
        ({"rater": "ben"}, r"anna\.csv:3: unknown rater 'ben' \(hint: raters\.txt beside the ratings"),
        ({"pack": "0123456789ab"}, r"anna\.csv:3: a rating of pack '0123456789ab', not of [0-9a-f]{12}"),
        ({"choice": "left"}, r"anna\.csv:3: choice is 'left', a, tie, b were expected"),
        ({"session": "x"}, r"anna\.csv:3: session is 'x'"),
        ({"seconds": "nan"}, r"anna\.csv:3: seconds is 'nan'"),
    ],
)
def test_bad_ratings_are_one_line(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    key = silent_key(prompts=4, forms=2, comparisons=4, checks=1, repeats=1)
    write_text(tmp_path / "raters.txt", "anna\n\ncleo\n")
    write_csv(tmp_path / "anna.csv", lines(key), RATING_COLUMNS)
    assert len(read_ratings(tmp_path, key)) == 2
    text = ",".join(RATING_COLUMNS) + "\n"
    write_text(
        tmp_path / "anna.csv",
        text + "".join(",".join(r[c] for c in RATING_COLUMNS) + "\n" for r in lines(key, **changes)),
    )
    with pytest.raises(InputError, match=message) as error:
        read_ratings(tmp_path, key)
    assert "\n" not in str(error.value)


def test_files_of_another_form_are_one_line(tmp_path: Path) -> None:
    key = silent_key(prompts=4, forms=2, comparisons=4, checks=1, repeats=1)
    write_text(tmp_path / "a.csv", "rater,choice\nanna,a\n")
    with pytest.raises(InputError, match=r"a\.csv:2: not a file of ratings \(hint: columns: pack, session"):
        read_ratings(tmp_path, key)
    write_csv(tmp_path / "a.csv", lines(key), RATING_COLUMNS)
    write_csv(tmp_path / "b.csv", lines(key), RATING_COLUMNS)  # the same file twice is one
    assert len(read_ratings(tmp_path, key)) == 2
    write_csv(tmp_path / "b.csv", lines(key, choice="b"), RATING_COLUMNS)
    with pytest.raises(InputError, match=r"b\.csv:3: rater 'anna' answered 1-02 otherwise in .*a\.csv:3"):
        read_ratings(tmp_path, key)
    values = key.json() | {"systems": ["x"]}
    write_text(tmp_path / "key.json", json.dumps(values))
    with pytest.raises(InputError, match="does not fit its own name"):
        read_key(tmp_path)
    assert read_ratings(tmp_path / "none", key) == []


# what simulated raters show --------------------------------------------------------------------------------------


def true_win_rate(apart: float, spread: float, tie: float) -> float:
    """Win rate (ties half) whose log-odds are normal around `apart`: by quadrature."""
    steps = norm.ppf((np.arange(4000) + 0.5) / 4000) * spread + apart
    below, above = (np.vectorize(win_chance)(steps + shift) for shift in (-tie, tie))
    return float(np.mean(below + 0.5 * (above - below)))


@pytest.mark.slow
def test_the_order_is_recovered_and_intervals_cover_the_truth() -> None:
    """200 simulations of 12 raters whose tastes differ, on prompts that differ; win rates and strengths."""
    key, spec = silent_key(), ratings_spec(bootstrap=400)
    prompt_spread, rater_spread, tie = 0.5, 0.3, 0.3
    spread = float(np.sqrt(2 * (prompt_spread**2 + rater_spread**2)))
    rates = np.array([true_win_rate(STRENGTHS[a] - STRENGTHS[b], spread, tie) for a, b in spec.pairs])
    games = np.zeros((1, 3, 3))
    for (a, b), rate in zip(spec.pairs, rates, strict=True):
        games[0, SYSTEMS.index(a), SYSTEMS.index(b)], games[0, SYSTEMS.index(b), SYSTEMS.index(a)] = rate, 1 - rate
    strengths = estimates.strengths(1e6 * games)[0]
    covered, recovered = [], 0
    for seed in range(200):
        ratings = simulate_ratings(
            key, simulated_raters(12, tie=tie), STRENGTHS, seed=seed, prompt_spread=0.5, rater_spread=0.3
        )
        panel = assemble(spec, key, ratings)
        shares = estimates.shares(panel.won, panel.draws)
        terry = estimates.bradley_terry(panel.won, spec.pairs, list(SYSTEMS), panel.draws)
        covered.append(
            [*((shares.low <= rates) & (rates <= shares.high)), *((terry.low <= strengths) & (strengths <= terry.high))]
        )
        recovered += list(np.argsort(terry.mean)) == [0, 1, 2]
    assert (np.mean(covered, axis=0) >= 0.9).all(), np.mean(covered, axis=0)
    assert np.mean(covered) < 0.99  # neither too narrow nor idly wide
    assert recovered >= 190


def test_the_sign_test_is_calibrated() -> None:
    """Raters without a preference, on prompts that have one, find a difference about as often as the level says."""
    key = silent_key(systems=("sft", "sft_grpo"))
    spec = ratings_spec(("sft", "sft_grpo"))
    found = []
    for seed in range(200):
        ratings = simulate_ratings(
            key, simulated_raters(8), {"sft": 0.0, "sft_grpo": 0.0}, seed=seed, prompt_spread=0.7
        )
        panel = assemble(spec, key, ratings)
        found.append(estimates.sign_flip_p(panel.won, 0.5, seed, "test", 400)[0])
    assert 0.01 <= np.mean(np.array(found) < 0.05) <= 0.1 and 0.4 < np.mean(found) < 0.6


def test_careless_raters_are_excluded_and_their_ratings_do_not_count() -> None:
    key = silent_key()
    good = simulate_ratings(key, simulated_raters(10), STRENGTHS, seed=3)
    careless = [SimulatedRater(f"simulated-careless-{number}", careless=True) for number in range(3)]
    mixed = good + simulate_ratings(key, careless, STRENGTHS, seed=4)
    everyone = assemble(ratings_spec(), key, mixed).everyone
    assert [r.name for r in everyone if r.excluded] == [r.name for r in careless]
    assert everyone[-1].excluded.startswith("failed ") and everyone[-1].excluded.endswith("of 6 checks")
    with_them, without = analysed(key, mixed), analysed(key, good)
    assert with_them["raters", "raters_excluded"]["mean"] == "3.000000"
    assert (
        with_them["raters", "raters_excluded"]["n"] == "13"
        and with_them["raters", "position_bias"]["n_dropped"] == "102"
    )
    for cell in ("mean", "n", "p_value"):
        assert with_them["sft over random", "win_rate"][cell] == without["sft over random", "win_rate"][cell]
    unchecked = [rating for rating in good if rating.trial.kind != CHECK]
    assert all(r.excluded == "answered no check" for r in assemble(ratings_spec(), key, unchecked).everyone)
    assert analysed(key, unchecked)["sft over random", "win_rate"]["status"] == "no_ratings"


@pytest.mark.parametrize(("bias", "sign"), [(2.5, 1), (-2.5, -1)])
def test_a_position_bias_is_found_and_does_not_turn_win_rates(bias: float, sign: int) -> None:
    """Towards either side: forms mirror each other, so that a bias cancels; swapped repeats contradict themselves."""
    key = silent_key()
    fair = analysed(key, simulate_ratings(key, simulated_raters(8), STRENGTHS, seed=5))
    rows = analysed(key, simulate_ratings(key, simulated_raters(8, bias=bias), STRENGTHS, seed=5))
    found, none = rows["raters", "position_bias"], fair["raters", "position_bias"]
    ends = sorted(sign * float(found[end]) for end in ("ci_low", "ci_high"))
    assert ends[0] > 0.1 and float(found["p_value"]) < 0.01
    assert float(none["ci_low"]) < 0 < float(none["ci_high"])
    whole, swapped = (float(rows["raters", f"self_consistency{which}"]["mean"]) for which in ("", "_reversed"))
    assert swapped < whole - 0.1
    rate = rows["sft_grpo over random", "win_rate"]
    assert float(rate["ci_low"]) > 0.5  # a bias draws win rates towards a half, and no further


def test_agreement_is_high_where_raters_agree_and_zero_where_they_do_not() -> None:
    key = silent_key(systems=("sft", "sft_grpo"), forms=2)
    raters = simulated_raters(6, tie=0.0)
    same = simulate_ratings(key, raters, {"sft": 0.0, "sft_grpo": 0.0}, seed=6, prompt_spread=50.0)
    apart = simulate_ratings(key, raters, {"sft": 0.0, "sft_grpo": 0.0}, seed=6)
    high, low = (analysed(key, found)["raters", "krippendorff_alpha"] for found in (same, apart))
    assert float(high["mean"]) > 0.9 and float(low["ci_low"]) < 0 < float(low["ci_high"])


def test_alpha_is_that_of_the_library() -> None:
    import krippendorff

    from vibegrid.human.tallies import by_unit

    key = silent_key(forms=2)
    panel = assemble(ratings_spec(), key, simulate_ratings(key, simulated_raters(5), STRENGTHS, seed=7))
    _, values = by_unit(panel.raters, key, panel.spec.pairs)
    ours = rows_of(panel, {})
    found = next(float(row["mean"]) for row in ours if row["metric"] == "krippendorff_alpha")
    expected = krippendorff.alpha(reliability_data=values.T, level_of_measurement="interval")
    assert found == pytest.approx(expected, abs=1e-6)


def test_strengths_are_those_of_choix() -> None:
    """The vectorised steps and the library agree, also where one system wins always."""
    from choix import ilsr_pairwise_dense

    rng = np.random.default_rng(8)
    games = rng.integers(0, 9, (5, 4, 4)).astype(float) + 0.5
    games[0, 0, 1:], games[0, 1:, 0] = 40.5, 0.5
    games[:, range(4), range(4)] = 0
    found = estimates.strengths(games)
    for matrix, ours in zip(games, found, strict=True):
        assert ours == pytest.approx(ilsr_pairwise_dense(matrix, max_iter=1000), abs=1e-5)


def test_one_rater_and_one_sided_answers_have_intervals() -> None:
    key = silent_key()
    rows = analysed(
        key, simulate_ratings(key, simulated_raters(1), {"random": -60.0, "sft": 0.0, "sft_grpo": 60.0}, seed=9)
    )
    for arm in ("sft over random", "sft_grpo over sft"):
        row = rows[arm, "win_rate"]
        assert (row["mean"], row["ci_high"]) == ("1.000000", "1.000000") and 0.5 < float(row["ci_low"]) < 0.8
    terry = [rows[system, "bradley_terry"] for system in SYSTEMS]
    assert [float(row["ci_low"]) <= float(row["mean"]) <= float(row["ci_high"]) for row in terry] == [True] * 3
    assert rows["sft over random", "ratings_needed_observed"]["status"] == "no difference"


# metrics, power, files -------------------------------------------------------------------------------------------


def test_metrics_that_follow_the_raters_are_told_from_those_that_do_not(tmp_path: Path) -> None:
    key = silent_key()
    ratings = simulate_ratings(key, simulated_raters(16), STRENGTHS, seed=10)
    rng = np.random.default_rng(0)
    prompts = sorted(key.clusters)
    values = {
        system: {
            "good": {p: STRENGTHS[system] + rng.normal(0, 0.3) for p in prompts},
            "bad": {p: -STRENGTHS[system] for p in prompts},
            "noise": {p: rng.normal() for p in prompts},
            "flat": dict.fromkeys(prompts, 1.0),
        }
        for system in SYSTEMS
    }
    folders = write_scores(tmp_path, key, values)
    write_key(tmp_path / "pack", key)
    write_simulated(tmp_path / "ratings", key, ratings)
    out = tmp_path / "out"
    spec = ratings_spec().model_dump(mode="json")
    analyze_ratings(spec, pack=tmp_path / "pack", scores=folders, ratings=tmp_path / "ratings", out=out)
    rows = {(row["arm"], row["metric"]): row for row in read_csv(out / "comparison.csv")}
    good, bad, noise, flat = (rows[name, "preference_spearman"] for name in ("good", "bad", "noise", "flat"))
    assert float(good["ci_low"]) > 0.2 and float(good["p_holm"]) < 0.05
    assert float(bad["ci_high"]) < -0.2
    assert float(noise["ci_low"]) < 0 < float(noise["ci_high"]) and float(noise["p_value"]) > 0.05
    assert (flat["status"], flat["mean"]) == ("constant", "")
    raters = read_csv(out / "raters.csv")
    assert len(raters) == 16 and raters[0]["rater"] == "simulated-01" and raters[0]["ratings"] == "24"
    before = (out / "comparison.csv").read_bytes()
    analyze_ratings(spec, pack=tmp_path / "pack", scores=folders, ratings=tmp_path / "ratings", out=out)
    assert (out / "comparison.csv").read_bytes() == before


def test_the_rank_correlation_is_spearmans_both_ways_round() -> None:
    rng = np.random.default_rng(2)
    x, y = np.round(rng.normal(size=20), 1), rng.integers(0, 3, 20) / 2
    draws = estimates.draw(0, "test", 1, 20, 200)
    signs = (np.where(rng.integers(0, 2, (200, 20)) == 1, 1.0, -1.0), False)
    found = rank_correlation(x, y[:, None], range(20), draws, signs)
    expected = spearmanr([*x, *-x], [*(y - 0.5), *(0.5 - y)]).statistic
    assert found is not None and found.mean == pytest.approx(expected) and found.low < found.mean < found.high


@pytest.mark.parametrize("win_rate", [0.55, 0.6, 0.75])
def test_power_is_that_of_the_exact_test(win_rate: float) -> None:
    n = ratings_needed(win_rate, level=0.05, power=0.8)
    assert n is not None
    critical = binom.ppf(0.975, n, 0.5)
    assert 0.77 < binom.sf(critical, n, win_rate) + binom.cdf(n - critical - 1, n, win_rate) < 0.86
    assert ratings_needed(1 - win_rate, level=0.05, power=0.8) == n
    doubled = ratings_needed(win_rate, level=0.05, power=0.8, design_effect=2)
    assert doubled is not None and abs(doubled - 2 * n) <= 2


def test_without_ratings_there_are_rows_that_say_how_many_are_needed(tmp_path: Path) -> None:
    key = silent_key()
    write_key(tmp_path / "pack", key)
    for ratings in (None, tmp_path / "none"):
        analyze_ratings(
            ratings_spec().model_dump(mode="json"),
            pack=tmp_path / "pack",
            scores=[],
            ratings=ratings,
            out=tmp_path / "out",
        )
        rows = read_csv(tmp_path / "out" / "comparison.csv")
        assert {row["status"] for row in rows} == {"no_ratings"} and {row["n"] for row in rows} == {"0"}
        assert set(rows[0]) == set(ROW_COLUMNS) >= set(COLUMNS)
        needed = {row["arm"]: int(float(row["mean"])) for row in rows if row["metric"] == "ratings_needed"}
        assert len(needed) == 3 and set(needed.values()) == {
            ratings_needed(0.6, level=0.05 / 3, power=0.8, design_effect=1.5)
        }
        raters = {row["mean"] for row in rows if row["metric"] == "raters_needed"}
        assert raters == {f"{-(-next(iter(needed.values())) // 8):.6f}"}  # eight comparisons of a pair in a form
        assert sum(row["primary"] == "confirmatory" for row in rows) == 1
        assert read_csv(tmp_path / "out" / "raters.csv") == []


def test_win_rates_are_plain_shares() -> None:
    key = silent_key(prompts=6, forms=2, comparisons=18, checks=1, repeats=0)
    ratings = simulate_ratings(key, simulated_raters(4), STRENGTHS, seed=11)
    found = wins(assemble(ratings_spec(), key, ratings).raters, key, ratings_spec().pairs, sorted(key.clusters))
    by_hand: list[float] = []
    for rating in ratings:
        if rating.trial.kind == COMPARE and set(key.systems_of(rating.trial)) == {"sft", "random"}:
            won = {"a": key.systems_of(rating.trial)[0], "b": key.systems_of(rating.trial)[1]}.get(rating.choice)
            by_hand.append(0.5 if won is None else float(won == "sft"))
    column = ratings_spec().pairs.index(("sft", "random"))
    assert found.sums[:, :, column].sum() == sum(by_hand) and found.counts[:, :, column].sum() == len(by_hand)


def test_simulated_raters_say_what_they_are() -> None:
    assert all(rater.name.startswith("simulated-") for rater in simulated_raters(3))
    assert silent_key(prompts=2, comparisons=2, checks=0, repeats=0).eval_set == EVAL_SET
