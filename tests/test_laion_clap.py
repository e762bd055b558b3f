"""LAION-CLAP: the scorer against a stand-in worker, the worker's parts, and the real package's interface.

The stand-in (`STAND_IN`) speaks the worker's own messages in the worker's own loop; only its embeddings are made up.
`test_the_real_package` runs the real worker where VIBEGRID_CLAP_PYTHON names the Python of envs/clap.yaml.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import time
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vibegrid.errors import InputError
from vibegrid.scorers import laion_clap, laion_files, laion_pipe, laion_worker
from vibegrid.scorers.base import Needs
from vibegrid.scorers.laion_clap import LaionClap
from vibegrid.scorers.laion_files import CHECKPOINTS, FILES, TOKENIZER, HubFile
from vibegrid.scorers.laion_worker import DIM, SAMPLE_RATE, WINDOW
from vibegrid.sound.clip import Clip

ROOT = Path(__file__).resolve().parents[1]
SMALL, MUSIC = CHECKPOINTS
BAD = 99  # coordinate of every text that is no number: the phrases for bad sound too

STAND_IN = '''
"""A stand-in for laion_worker.main: a text "30" and a sine of amplitude 0.30 get the same unit vector."""
import importlib.util, os, sys, time
import numpy as np

spec = importlib.util.spec_from_file_location("laion_worker", {worker!r})
worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)
log = open({log!r}, "a", buffering=1)

def answer(header, clips):
    log.write(f"batch {{len(header.get('texts', clips))}}\\n")
    if "texts" not in header:
        return np.stack([one_hot(round(100 * np.sqrt(2 * np.mean(clip**2)))) for clip in clips])
    for text in header["texts"]:
        if text == "fail":
            raise ValueError("this text cannot be read\\nat all")
        if text == "die":
            print("Killed by a cosmic ray", file=sys.stderr)
            os._exit(3)
        if text == "hang":
            time.sleep(60)
        if text == "babble":
            sink.write(b"Loading the tokenizer...\\n")
        if text == "nan":
            return np.full((len(header["texts"]), 512), np.nan)
    return np.stack([one_hot(int(text) if text.isdigit() else {bad}) for text in header["texts"]])

def one_hot(place):
    return np.eye(512, dtype=np.float32)[place]

sink = worker.standard_output()
log.write(f"start {{os.getpid()}}\\n")
print("what a package prints")
worker.send(sink, {{"ready": {{"device": "none"}}}})
worker.serve(answer, sys.stdin.buffer, sink)
'''


class Bench:
    """A folder with small files in place of a checkpoint's, and the stand-in in place of the worker."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.script = folder, folder / "log.txt", folder / "stand_in.py"
        self.checkpoint = folder / SMALL
        self.opened: list[LaionClap] = []

    def open(self, **options: Any) -> LaionClap:
        self.opened.append(LaionClap(self.checkpoint, sys.executable, **options))
        return self.opened[-1]

    def lines(self, word: str) -> list[int]:
        """Numbers of the log's lines of one kind: `start` (process ids) or `batch` (sizes)."""
        found = [line.split() for line in self.log.read_text(encoding="utf-8").splitlines()]
        return [int(number) for kind, number in found if kind == word]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = Bench(tmp_path)
    source = STAND_IN.format(worker=laion_worker.__file__, log=str(made.log), bad=BAD)
    made.script.write_text(source, encoding="utf-8")
    monkeypatch.setattr(laion_worker, "__file__", str(made.script))
    for name in FILES:
        content = f"stands in for {name}".encode()
        (tmp_path / name).write_bytes(content)
        monkeypatch.setitem(FILES, name, HubFile("none", "none", hashlib.sha256(content).hexdigest()))
    yield made
    for model in made.opened:
        model.close()


def sine(amplitude: float, seconds: float = 0.5, rate: int = 44_100, pitch: float = 441.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def clips(*amplitudes: float) -> list[Clip]:
    return [Clip(sine(amplitude)) for amplitude in amplitudes]


# The formula and its interface


def test_scores_of_known_embeddings(bench: Bench):
    rows = bench.open().scores(["20", "30", "20", "noise"], clips(0.20, 0.20, 0.99, 0.99))
    assert [row["clap_similarity"] for row in rows] == pytest.approx([1, 0, 0, 1])
    # the third sounds bad and was not asked to; the fourth was
    assert [row["clap_score"] for row in rows] == pytest.approx([1, 0, -1, 1])


def test_embeddings_are_rows_of_unit_norm_in_order(bench: Bench):
    model = bench.open(batch_size=3)
    amplitudes = [0.05 + 0.01 * i for i in range(20)]
    audio = model.embed_audio(clips(*amplitudes))
    assert audio.shape == (20, DIM) and audio.dtype == np.float32
    assert audio.argmax(axis=1).tolist() == [round(100 * a) for a in amplitudes]
    assert np.allclose(np.linalg.norm(audio, axis=1), 1)
    texts = model.embed_text(["7", "x", "7", "8", "\ud800"])
    assert texts.argmax(axis=1).tolist() == [7, BAD, 7, 8, BAD]


def test_batches_are_bounded_and_one_process_serves_them(bench: Bench):
    model = bench.open(batch_size=2)
    model.embed_audio(clips(0.1, 0.2, 0.3, 0.4, 0.5))
    model.embed_text([str(i % 40) for i in range(80)])
    assert bench.lines("batch") == [2, 2, 1, 16, 16, 8]
    assert len(bench.lines("start")) == 1


def test_empty_lists_ask_nobody(bench: Bench):
    model = bench.open()
    assert model.embed_text([]).shape == (0, DIM) and model.embed_audio([]).shape == (0, DIM)
    assert model.scores([], []) == []
    assert not bench.log.exists()


def test_a_long_clip_is_the_mean_of_windows_that_cover_it(bench: Bench):
    quiet_then_loud = np.concatenate([sine(0.2, 10), sine(0.6, 10)])
    model = bench.open(batch_size=1)
    row = model.embed_audio([Clip(quiet_then_loud)])[0]
    assert row[[20, 60]] == pytest.approx([2**-0.5, 2**-0.5])
    assert bench.lines("batch") == [1, 1]


@pytest.mark.parametrize("audio", [np.zeros(2000), np.zeros(0), np.full(2000, np.nan)], ids=["silent", "empty", "nan"])
def test_what_cannot_be_heard_is_not_sent_and_scores_lowest(bench: Bench, audio: np.ndarray):
    model = bench.open()
    broken, fine = model.scores(["20", "20"], [Clip(audio), *clips(0.2)])
    assert broken == {"clap_score": -3.0, "clap_similarity": -1.0}
    assert fine["clap_score"] == pytest.approx(1)
    assert not model.embed_audio([Clip(audio)]).any()


def test_a_clipped_clip_never_scores_well(bench: Bench):
    clip = Clip(np.clip(sine(3.0), -1, 1))
    assert clip.problem == "clipped"
    assert bench.open().scores(["20"], [clip]) == [{"clap_score": -3.0, "clap_similarity": -1.0}]


def test_counts_that_differ_are_one_line(bench: Bench):
    with pytest.raises(InputError, match="2 vibes and 1 clips"):
        bench.open().scores(["20", "30"], clips(0.2))


@given(st.integers(1, 8 * WINDOW))
def test_windows_are_the_fewest_that_cover(length: int):
    audio = np.arange(length)
    found = laion_clap.windows(audio)
    assert len(found) == max(1, -(-length // WINDOW))
    assert all(len(window) == min(length, WINDOW) for window in found)
    starts = np.array([window[0] for window in found])
    assert starts[0] == 0 and found[-1][-1] == length - 1
    assert (np.diff(starts) <= WINDOW).all() and np.ptp(np.diff(starts)) <= 1 if len(found) > 1 else True


@pytest.mark.parametrize("rate", [44_100, 22_050, 48_000])
def test_resampling_keeps_pitch_and_length(rate: int):
    audio = laion_clap.resampled(Clip(sine(0.5, 1.0, rate, 1000.0), rate))
    assert audio.dtype == np.float32 and len(audio) == SAMPLE_RATE
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    assert spectrum.argmax() == 1000
    assert np.abs(audio[2000:-2000]).max() == pytest.approx(0.5, abs=0.01)


# What goes wrong


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("fail", "the worker says: ValueError: this text cannot be read at all"),
        ("die", r"the worker died \(exit code 3\): Killed by a cosmic ray"),
        ("babble", "the worker died"),
        ("nan", "not 1 rows of 512 finite numbers"),
    ],
)
def test_each_failure_is_one_line(bench: Bench, text: str, line: str):
    with pytest.raises(InputError, match=line) as error:
        bench.open().embed_text([text])
    assert "\n" not in str(error.value)


def test_the_worker_outlives_a_request_that_failed(bench: Bench):
    model = bench.open()
    with pytest.raises(InputError, match="cannot be read"):
        model.embed_text(["fail"])
    assert model.embed_text(["20"]).argmax() == 20
    assert len(bench.lines("start")) == 1


def test_a_worker_that_hangs_is_ended(bench: Bench):
    model = bench.open()
    model.embed_text(["20"])
    model._worker._timeout = 0.5
    with pytest.raises(InputError, match=r"no answer in 0\.5 s; the worker was ended"):
        model.embed_text(["hang"])
    assert not alive(bench.lines("start")[0])


def test_closing_ends_the_worker_and_the_next_call_starts_another(bench: Bench):
    model = bench.open()
    model.embed_text(["20"])
    model.close()
    assert not alive(bench.lines("start")[0])
    model.embed_text(["20"])
    assert len(bench.lines("start")) == 2


def test_the_worker_ends_with_a_parent_that_is_killed(bench: Bench):
    command = laion_pipe.command(sys.executable, "HTSAT-tiny", bench.folder, bench.checkpoint)
    parent = (
        "import os, sys; from vibegrid.scorers.laion_pipe import Worker; "
        f"Worker({command!r}, 60.0); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", parent], check=False, env=os.environ | {"PYTHONPATH": str(ROOT / "src")})
    (child,) = bench.lines("start")
    deadline = time.monotonic() + 20
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)


def alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_no_python_is_one_line(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(laion_pipe.VARIABLE, raising=False)
    with pytest.raises(InputError, match=f"{laion_pipe.VARIABLE} is not set.*docs/laion_clap.md"):
        LaionClap(bench.checkpoint)
    monkeypatch.setenv(laion_pipe.VARIABLE, "/no/such/python")
    with pytest.raises(InputError, match="/no/such/python: no such Python"):
        LaionClap(bench.checkpoint)


def test_a_missing_or_foreign_file_is_one_line(bench: Bench):
    with pytest.raises(InputError, match=r"none\.pt: No such file"):
        LaionClap(bench.folder / "none.pt", sys.executable)
    for name in (SMALL, *TOKENIZER):
        whole = (bench.folder / name).read_bytes()
        (bench.folder / name).write_bytes(whole[:-1])
        with pytest.raises(InputError, match=rf"{re.escape(name)}: its SHA-256 is [0-9a-f]{{64}}, not that of"):
            bench.open()
        (bench.folder / name).write_bytes(whole)


def test_a_checkpoint_is_known_by_its_content(bench: Bench):
    renamed = (bench.folder / MUSIC).rename(bench.folder / "clap.bin")
    model = LaionClap(renamed, sys.executable)
    assert model.name == MUSIC
    assert model._command[model._command.index("--amodel") + 1] == "HTSAT-base"


@pytest.mark.slow
def test_an_environment_without_the_package_is_one_line(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(laion_worker, "__file__", str(ROOT / "src/vibegrid/scorers/laion_worker.py"))
    write_tokenizer(bench.folder)
    worker = laion_pipe.command(sys.executable, "HTSAT-tiny", bench.folder, None)
    with pytest.raises(InputError, match="the worker says: ModuleNotFoundError: No module named 'laion_clap'"):
        laion_pipe.Worker(worker, 120.0)


# From the spec


def load(bench: Bench, monkeypatch: pytest.MonkeyPatch, model: Path | None = None, **fields: Any) -> Any:
    monkeypatch.setenv(laion_pipe.VARIABLE, sys.executable)
    scorer = laion_clap.load({"kind": "laion_clap", "checkpoint": "630k-audioset-best", **fields}, Needs(model=model))
    bench.opened.append(scorer.model)
    return scorer


def test_the_file_comes_from_the_spec_or_the_models_folder(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    for scorer in (
        load(bench, monkeypatch, path=str(bench.checkpoint)),
        load(bench, monkeypatch, model=bench.folder),
    ):
        assert scorer.embed_vibes(["20"]) @ scorer.embed_clips(clips(0.2)).T == pytest.approx(1)
        assert scorer.primary in scorer.columns


def test_the_wrong_checkpoint_is_one_line(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match=f"this is {re.escape(MUSIC)}, not {re.escape(SMALL)}"):
        load(bench, monkeypatch, path=str(bench.folder / MUSIC))
    with pytest.raises(InputError, match=r"no such LAION-CLAP checkpoint.*630k-audioset-best, music_audioset"):
        load(bench, monkeypatch, checkpoint="630k-fusion-best")


def test_a_download_is_pinned_and_checked(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    asked, content = [], {name: (bench.folder / name).read_bytes() for name in FILES}

    def download(repo: str, name: str, revision: str, local_dir: Path) -> None:
        asked.append((repo, name, revision))
        local_dir.mkdir(parents=True, exist_ok=True)
        (local_dir / name).write_bytes(content[name])

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    out = bench.folder / "cache"
    assert laion_files.fetch("630k-audioset-best", out) == out / SMALL
    assert asked == [("none", name, "none") for name in (SMALL, *TOKENIZER)]
    assert laion_files.fetch(SMALL, out) and len(asked) == 3
    (out / SMALL).unlink()
    content[SMALL] = b"another file"
    with pytest.raises(InputError, match="its SHA-256 is"):
        laion_files.fetch(SMALL, out)
    assert not (out / SMALL).exists()


def test_no_network_is_one_line(tmp_path: Path):
    with pytest.raises(InputError, match=r"lukewys/laion_clap/630k.*cannot be fetched.*HF_HUB_OFFLINE") as error:
        laion_files.fetch("630k-audioset-best", tmp_path)
    assert "\n" not in str(error.value)


# The worker's parts


@given(st.lists(st.lists(st.floats(-1, 1, width=32), max_size=5), max_size=4), st.text())
def test_messages_arrive_as_they_were_sent(rows: list[list[float]], text: str):
    stream = io.BytesIO()
    laion_worker.send(stream, {"texts": [text]}, [np.array(row, dtype=np.float32) for row in rows])
    laion_worker.send(stream, {"last": True})
    stream.seek(0)
    header, arrays = laion_worker.receive(stream) or ({}, [])
    assert header["texts"] == [text]
    assert [array.tolist() for array in arrays] == rows
    assert (laion_worker.receive(stream) or ({},))[0] == {"last": True, "lengths": []}
    assert laion_worker.receive(stream) is None


def test_half_a_message_is_no_message():
    stream = io.BytesIO()
    laion_worker.send(stream, {}, [np.ones(4, dtype=np.float32)])
    with pytest.raises(EOFError):
        laion_worker.receive(io.BytesIO(stream.getvalue()[:-1]))


def save_as_laion_does(weights: dict[str, Any], path: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    """A checkpoint as laion_clap's trainer writes it: `module.` before the names, the optimizer's state with numpy
    scalars, and these by the name that numpy 1 gave them."""
    import torch

    parts = np.float64(0.5).__reduce__()

    def scalar(*arguments: Any) -> Any:
        return parts[0](*arguments)  # type: ignore[operator]

    scalar.__module__, scalar.__qualname__ = "numpy.core.multiarray", "scalar"
    module = types.ModuleType("numpy.core.multiarray")
    module.scalar = scalar  # type: ignore[attr-defined]

    class Scalar:
        def __reduce__(self) -> Any:
            return (scalar, parts[1])

    saved = {
        "epoch": 15,
        "name": "run",
        "state_dict": {f"module.{name}": tensor for name, tensor in weights.items()},
        "optimizer": {"state": {}, "param_groups": [{"lr": Scalar()}]},
        **more,
    }
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "numpy.core.multiarray", module)
        torch.save(saved, path)


class Harmful:
    """A pickle that runs code."""

    def __reduce__(self) -> Any:
        return (os.mkdir, ("harmed",))


@pytest.mark.filterwarnings("ignore:numpy.core")
def test_a_checkpoint_is_read_without_running_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import torch

    monkeypatch.chdir(tmp_path)
    source, target = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    weights = dict(source.state_dict()) | {laion_worker.UNSAVED: torch.arange(3)}
    save_as_laion_does(weights, tmp_path / "whole.pt", monkeypatch)
    with zipfile.ZipFile(tmp_path / "whole.pt") as file:
        (pickled,) = [file.read(name) for name in file.namelist() if name.endswith("data.pkl")]
    assert b"numpy.core.multiarray\nscalar" in pickled and b"module.weight" in pickled
    laion_worker.load_weights(target, str(tmp_path / "whole.pt"))
    assert torch.equal(target.weight, source.weight) and torch.equal(target.bias, source.bias)

    torch.save(dict(source.state_dict()), tmp_path / "bare.pt")  # weights alone are accepted as the package does
    laion_worker.load_weights(torch.nn.Linear(3, 2), str(tmp_path / "bare.pt"))

    save_as_laion_does({"weight": source.weight.data}, tmp_path / "less.pt", monkeypatch)
    with pytest.raises(RuntimeError, match="Missing key"):
        laion_worker.load_weights(target, str(tmp_path / "less.pt"))

    save_as_laion_does(weights, tmp_path / "harmful.pt", monkeypatch, note=Harmful())
    with pytest.raises(Exception, match="Weights only load failed"):
        laion_worker.load_weights(target, str(tmp_path / "harmful.pt"))
    assert not (tmp_path / "harmed").exists()


def test_pinned_sums_are_sums():
    assert set(CHECKPOINTS) | set(TOKENIZER) == set(FILES)
    for file in FILES.values():
        assert re.fullmatch("[0-9a-f]{64}", file.sha256) and re.fullmatch("[0-9a-f]{40}", file.revision)


# The package


def pinned() -> dict[str, str]:
    """Package to version in envs/clap.yaml."""
    environment = yaml.safe_load((ROOT / "envs" / "clap.yaml").read_text(encoding="utf-8"))
    return dict(entry.split("==") for entry in environment["dependencies"][-1]["pip"])


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the pinned laion-clap's source, from its wheel, not installed."""
    folder = tmp_path_factory.mktemp("laion")
    requirement = f"laion-clap=={pinned()['laion-clap']}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), requirement]
    subprocess.run(pip, check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder)
    return folder / "laion_clap"


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(node: ast.AST) -> dict[str, ast.FunctionDef]:
    return {found.name: found for found in ast.walk(node) if isinstance(found, ast.FunctionDef)}


def parameters(function: ast.FunctionDef) -> dict[str, Any]:
    """Name to default; ... where there is none."""
    names = [argument.arg for argument in function.args.args]
    defaults = [ast.literal_eval(default) for default in function.args.defaults]
    return dict(zip(names, [...] * (len(names) - len(defaults)) + defaults, strict=True))


@pytest.mark.slow
def test_the_calls_that_the_worker_makes_exist(package: Path):
    (module,) = [node for node in tree(package / "hook.py").body if isinstance(node, ast.ClassDef)]
    found = functions(module)
    assert module.name == "CLAP_Module"
    assert parameters(found["__init__"]) == {
        "self": ...,
        "enable_fusion": False,
        "device": None,
        "amodel": "HTSAT-tiny",
        "tmodel": "roberta",
    }
    assert parameters(found["get_audio_embedding_from_data"]) == {"self": ..., "x": ..., "use_tensor": False}
    assert parameters(found["get_text_embedding"]) == {"self": ..., "x": ..., "tokenizer": None, "use_tensor": False}
    assert "self.model = model" in ast.unparse(found["__init__"])
    for amodel in CHECKPOINTS.values():
        config = json.loads((package / "clap_module" / "model_configs" / f"{amodel}.json").read_text(encoding="utf-8"))
        assert config["audio_cfg"]["sample_rate"] == SAMPLE_RATE
        assert config["audio_cfg"]["clip_samples"] == WINDOW


@pytest.mark.slow
def test_the_package_loads_what_the_worker_answers(package: Path):
    """Every `from_pretrained` of the modules that `import laion_clap` runs is one of those that are replaced."""
    loaded = {
        ast.unparse(node.func)
        for name in ("hook.py", "training/data.py", "clap_module/model.py", "clap_module/factory.py")
        for node in ast.walk(tree(package / name))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".from_pretrained")
    }
    towers = {"BertModel.from_pretrained", "BartModel.from_pretrained"}  # only for a `tmodel` that is not used
    replaced = re.findall(r"_answer\(transformers\.(\w+),", Path(laion_worker.__file__).read_text(encoding="utf-8"))
    assert loaded - towers == {f"{name}.from_pretrained" for name in replaced}


@pytest.mark.slow
def test_weights_are_read_as_the_package_reads_them(package: Path):
    """The package's own loader, on what the worker's loader is made after."""
    loader = functions(tree(package / "clap_module" / "factory.py"))["load_state_dict"]
    source = ast.unparse(loader)
    assert "checkpoint['state_dict']" in source
    assert "startswith('module')" in source and "k[7:]" in source and len("module.") == 7
    assert f"del state_dict['{laion_worker.UNSAVED}']" in source
    load = ast.unparse(functions(tree(package / "hook.py"))["load_ckpt"])
    assert "self.model.load_state_dict(ckpt)" in load  # strict, as here


@pytest.mark.slow
def test_the_package_quantises_to_16_bits_once(package: Path):
    """`get_audio_embedding_from_data` quantises by these two functions unless it gets tensors."""
    source = tree(package / "training" / "data.py")
    names = {"int16_to_float32", "float32_to_int16"}
    body: list[ast.stmt] = [node for node in source.body if isinstance(node, ast.FunctionDef) and node.name in names]
    space: dict[str, Any] = {"np": np}
    exec(compile(ast.Module(body, []), "data.py", "exec"), space)
    audio = np.array([0.5, -2.0, 1.0], dtype=np.float32)
    assert space["float32_to_int16"](audio).tolist() == [16383, -32767, 32767]
    assert space["int16_to_float32"](space["float32_to_int16"](audio)) == pytest.approx([16383 / 32767, -1, 1])
    method = ast.unparse(functions(tree(package / "hook.py"))["get_audio_embedding_from_data"])
    assert "if not use_tensor:\n            audio_waveform = int16_to_float32(float32_to_int16(" in method


def write_tokenizer(folder: Path) -> None:
    """A RoBERTa tokenizer of bytes, which never merges: it stands in for roberta-base's vocab.json and merges.txt."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]
    words = ["<s>", "<pad>", "</s>", "<unk>", *letters, "<mask>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")


@pytest.fixture
def real_python() -> str:
    found = os.environ.get(laion_pipe.VARIABLE)
    if not found:
        pytest.skip(f"{laion_pipe.VARIABLE} does not name the Python of envs/clap.yaml")
    return found


MAKE_CHECKPOINT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("laion_worker", sys.argv[1])
worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)
module = worker.build(sys.argv[2], sys.argv[3])
import numpy as np, torch
state = {"module." + name: tensor for name, tensor in module.model.state_dict().items()}
state["module." + worker.UNSAVED] = torch.arange(514)[None]
torch.save({"epoch": 1, "name": "x", "state_dict": state, "optimizer": {"lr": np.float64(0.1)}}, sys.argv[4])
weights = {name: tensor.clone() for name, tensor in module.model.state_dict().items()}
for load in (lambda path: worker.load_weights(module.model, path), lambda path: module.load_ckpt(path, verbose=False)):
    for tensor in module.model.state_dict().values():
        tensor.zero_()
    load(sys.argv[4])
    assert all(torch.equal(tensor, weights[name]) for name, tensor in module.model.state_dict().items())
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_real_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real_python: str, name: str):
    """The real worker and the real package, with weights that are random and a tokenizer that stands in.

    Nothing else is replaced: weights saved in LAION's format are read by the worker as by the package's `load_ckpt`,
    and give the same embeddings as before.
    """
    write_tokenizer(tmp_path)
    texts = ["lonely neon rain", "", "a brass band " * 80, "\U0001f3b5"]
    rng = np.random.default_rng(0)
    noise = Clip(rng.uniform(-0.5, 0.5, 3 * 44_100).astype(np.float32))
    long = Clip(np.concatenate([sine(0.3, 6), sine(0.3, 6, pitch=3000)]))
    worker = laion_pipe.Worker(laion_pipe.command(real_python, CHECKPOINTS[name], tmp_path, None), 300.0)
    assert worker.about["laion-clap"] == pinned()["laion-clap"]
    heard = [laion_clap.resampled(noise), *laion_clap.windows(laion_clap.resampled(long))]
    audio = worker.ask({"audio": True}, heard, rows=3)
    text = worker.ask({"texts": texts}, rows=4)
    with pytest.raises(InputError, match="at most 480000 were expected"):
        worker.ask({"audio": True}, [np.zeros(WINDOW + 1, dtype=np.float32)], rows=1)
    worker.close()
    assert np.allclose(np.linalg.norm(audio, axis=1), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(text, axis=1), 1, atol=1e-5)
    assert np.abs(text[0] - text[1]).max() > 1e-4 and np.abs(audio[0] - audio[1]).max() > 1e-4

    checkpoint = tmp_path / name
    arguments = [laion_worker.__file__, CHECKPOINTS[name], str(tmp_path), str(checkpoint)]
    subprocess.run([real_python, "-I", "-c", MAKE_CHECKPOINT, *arguments], check=True, capture_output=True)
    for part in (name, *TOKENIZER):
        digest = hashlib.sha256((tmp_path / part).read_bytes()).hexdigest()
        monkeypatch.setitem(FILES, part, FILES[part]._replace(sha256=digest))
    model = LaionClap(checkpoint, real_python, batch_size=3, timeout=300.0)
    again = model.embed_audio([long, noise])
    assert np.allclose(again[1], audio[0], atol=1e-5)
    assert np.allclose(again[0], laion_clap.mean_direction(audio[1:]), atol=1e-5)
    assert np.allclose(model.embed_text(texts), text, atol=1e-5)
    rows = model.scores(["lonely neon rain"], [noise])
    assert rows == LaionClap(checkpoint, real_python).scores(["lonely neon rain"], [noise])
    assert -3 <= rows[0]["clap_score"] <= rows[0]["clap_similarity"] <= 1
    model.close()
