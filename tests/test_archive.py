"""Archives of results: what they hold, what they may not ask for, and tables made again from nothing else."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from project import ROOT, copy_sources, trim, vibegrid

from vibegrid.archive.manifest import MANIFEST, check_path, parse_manifest
from vibegrid.archive.pack import commands_of
from vibegrid.archive.replay import compare
from vibegrid.archive.unpack import unpack
from vibegrid.errors import InputError

TABLE = "results/scores/a.0123/scores.csv"
FILES = {TABLE: b"id,value\n"}


def manifest(files: dict[str, bytes] = FILES, **changes: Any) -> dict[str, Any]:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return {"format": 1, "scale": "mini", "results": "results", "files": digests, "made": {}, "steps": [], **changes}


def write_tar(path: Path, said: Any, files: dict[str, bytes] = FILES, links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in {MANIFEST: json.dumps(said).encode(), **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return path


def test_an_archive_or_its_folder_is_unpacked(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", manifest())
    unpack(tar, tmp_path / "one")
    with tarfile.open(tar) as opened:
        opened.extractall(tmp_path / "folder", filter="data")
    unpack(tmp_path / "folder", tmp_path / "two")
    assert (tmp_path / "one" / TABLE).read_bytes() == (tmp_path / "two" / TABLE).read_bytes() == FILES[TABLE]
    assert sorted(p.name for p in (tmp_path / "one").rglob("*") if p.is_file()) == ["scores.csv"]
    unpack(tar, tmp_path / "one")  # the same once more is no conflict


@pytest.mark.parametrize(
    "name",
    ["../x.csv", "results/../../x", "/etc/passwd", "x.csv", "results\\..\\x", "./results/x", "results//x", "", ".."],
)
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no path under"):
        check_path(name)
    tar = write_tar(tmp_path / "a.tar", manifest({name: b"x"}), {name: b"x"} if name else {})
    with pytest.raises(InputError, match="no path under"):
        unpack(tar, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not (tmp_path / "x.csv").exists()


def test_members_that_nobody_named_are_not_written(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", manifest(), {**FILES, "../evil": b"x", "results/more.csv": b"x"})
    unpack(tar, tmp_path / "out")
    assert not (tmp_path / "evil").exists() and not (tmp_path / "out/results/more.csv").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(FILES[TABLE])
    tar = write_tar(tmp_path / "a.tar", manifest(), {}, {TABLE: str(tmp_path / "secret")})
    with pytest.raises(InputError, match="no regular file"):
        unpack(tar, tmp_path / "out")
    folder = tmp_path / "folder"
    (folder / TABLE).parent.mkdir(parents=True)
    (folder / TABLE).symlink_to(tmp_path / "secret")
    (folder / MANIFEST).write_text(json.dumps(manifest()))
    with pytest.raises(InputError, match="link out of"):
        unpack(folder, tmp_path / "out")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/results").symlink_to(elsewhere)
    with pytest.raises(InputError, match="leads out"):
        unpack(write_tar(tmp_path / "b.tar", manifest()), tmp_path / "out")
    assert not list(elsewhere.iterdir())


def test_a_file_that_is_not_the_one_that_was_packed(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", manifest(), {TABLE: b"id,value\n1,2\n"})
    with pytest.raises(InputError, match="not the file that was packed"):
        unpack(tar, tmp_path / "out")
    with pytest.raises(InputError, match=r"no results/scores"):
        unpack(write_tar(tmp_path / "b.tar", manifest(), {}), tmp_path / "out")


def test_results_of_ones_own_are_not_overwritten(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", manifest())
    (tmp_path / "out" / TABLE).parent.mkdir(parents=True)
    (tmp_path / "out" / TABLE).write_text("mine")
    with pytest.raises(InputError, match="another file of that name"):
        unpack(tar, tmp_path / "out")
    assert (tmp_path / "out" / TABLE).read_text() == "mine"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"script": "train_sft", "arguments": []}, "script"),
        ({"script": "../tabulate", "arguments": []}, "script"),
        ({"script": "tabulate", "arguments": ["--out", "/tmp/x.csv"]}, "no path under"),
        ({"script": "tabulate", "arguments": ["--spec", "@../../secret.json"]}, "no path under"),
        ({"script": "plot_clap", "arguments": ["--cards", "a=/etc/passwd"]}, "no path under"),
        ({"script": "tabulate", "arguments": ["--out=results/../../x.csv"]}, "no path under"),
        ({"script": "tabulate", "arguments": ["--out", "config/config.yaml"]}, "no path under"),
    ],
)
def test_a_step_that_may_not_run(step: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_manifest("a.tar", manifest(steps=[step]))


@pytest.mark.parametrize("data", [b"", b"no tar", b"\x1f\x8b\x08 cut", b"PK\x03\x04"])
def test_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(InputError, match=r"archive|manifest"):
        unpack(tmp_path / "a.tar", tmp_path / "out")
    with pytest.raises(InputError, match="no such archive"):
        unpack(tmp_path / "none.tar", tmp_path / "out")


@pytest.mark.parametrize("said", [[], {"format": 2}, manifest(results="elsewhere"), {**manifest(), "more": 1}])
def test_a_bad_manifest(tmp_path: Path, said: Any) -> None:
    with pytest.raises(InputError, match="manifest"):
        unpack(write_tar(tmp_path / "a.tar", said), tmp_path / "out")


def test_commands_are_read_from_a_plan() -> None:
    text = "Job 1\nShell command: python scripts/tabulate.py --out results/a.csv --spec '@x y.json' \n\nother\n"
    assert list(commands_of(text)) == [("tabulate", ("--out", "results/a.csv", "--spec", "@x y.json"))]


def test_tables_are_compared_by_their_bytes(tmp_path: Path) -> None:
    said = parse_manifest(
        "x", manifest(made={name: hashlib.sha256(b"x").hexdigest() for name in ("results/a", "results/b", "results/c")})
    )
    (tmp_path / "results").mkdir()
    (tmp_path / "results/a").write_bytes(b"x")
    (tmp_path / "results/b").write_bytes(b"y")
    assert compare(said, tmp_path) == (["results/a"], ["results/b"], ["results/c"])


@pytest.mark.slow
@pytest.mark.xdist_group("workflow")
def test_a_strangers_route(finished: Path, tmp_path: Path) -> None:
    """From the archive alone, in a clone without results: the same bytes, and no step that trains or renders."""
    done = vibegrid(finished, "archive", "--out", "results/archive.tar.gz")
    assert done.returncode == 0, done.stderr
    again = vibegrid(finished, "archive", "--out", "results/again.tar.gz")
    archive = finished / "results/archive.tar.gz"
    assert again.returncode == 0 and archive.read_bytes() == (finished / "results/again.tar.gz").read_bytes()
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    endings = {Path(name).suffix for name in names}
    assert endings <= {".csv", ".json", ".jsonl", ".md", ".tex"} and archive.stat().st_size < 2**20
    stranger = trim(copy_sources(tmp_path / "stranger"))
    shutil.copy(archive, tmp_path / "archive.tar.gz")
    done = vibegrid(stranger, "figures", "--from", str(tmp_path / "archive.tar.gz"))
    assert done.returncode == 0, done.stdout + done.stderr
    pattern = ["tables/*", "figures/*", "all_tables.csv"]
    made = [p.relative_to(finished) for each in pattern for p in (finished / "results").glob(each)]
    assert len(made) > 10
    for path in made:
        assert (stranger / path).read_bytes() == (finished / path).read_bytes(), path
    assert not list((stranger / "results").rglob("*.safetensors")) and not (stranger / "results/generations").exists()
    left_out = {p.name for p in (stranger / "logs").iterdir()}
    assert all(name.startswith(("tabulate", "plot", "collect")) for name in left_out), left_out


@pytest.mark.slow
@pytest.mark.xdist_group("workflow")
def test_results_that_are_not_complete_are_not_packed(finished: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(finished, project, symlinks=True)
    for path in (project / "results/scores").iterdir():
        shutil.rmtree(path)
    for path in (project / "results/analyses").iterdir():
        shutil.rmtree(path)
    done = vibegrid(project, "archive")
    assert done.returncode == 2 and "results are not complete" in done.stderr and ROOT.is_dir()
