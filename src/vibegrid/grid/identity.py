"""Identity: `slug.digest`. The digest is what determines a content; the slug tells people how it differs."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

DIGEST_LENGTH = 12
MAX_SLUG = 60
CACHED_ABOVE_BYTES = 1 << 20


def canonical(value: Any) -> str:
    """Compact JSON with sorted keys: one text for one meaning."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: Any) -> str:
    """First 12 hex digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:DIGEST_LENGTH]


@dataclass(frozen=True)
class Node:
    """One thing that costs something: a folder of results and all that determines it.

    Attributes:
        step: the rule that makes it.
        kind: its folder in results (``adapters/sft``).
        slug: how it differs from its stage's baseline; for people, never parsed.
        digest: identity of its content.
        spec: what the step is told, plain JSON.
        parents: role to node.
        sources: role to source file, whose bytes are part of the digest.
        parts: for generations and scores: eval set to the identity of that part.
    """

    step: str
    kind: str
    slug: str
    digest: str
    spec: dict[str, Any]
    results: str
    parents: dict[str, Node] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """Name of its folder."""
        return f"{self.slug}.{self.digest}"

    @cached_property
    def folder(self) -> str:
        """Path of its folder, relative to the project."""
        return f"{self.results}/{self.kind}/{self.id}"

    def file(self, name: str) -> str:
        """Path of one of its files."""
        return f"{self.folder}/{name}"


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys."""
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat.update(flatten(inner, f"{prefix}.{key}" if prefix else str(key)))
    return flat


def slug_of(spec: dict[str, Any], baseline: dict[str, Any]) -> str:
    """How ``spec`` differs from ``baseline`` (``lora-r-4``), or ``baseline``; ``[a-z0-9._-]``, 60 characters."""
    ours, theirs = flatten(spec), flatten(baseline)
    changed = []
    for key, value in ours.items():
        if value == theirs.get(key):
            continue
        if key.startswith("sft.") and ours.get(key[4:]) == value:
            continue
        text = "all" if value is None else "-".join(value) if isinstance(value, list) else _plain(value)
        changed.append(f"{key.replace('.', '-')}-{text}")
    return safe("_".join(changed))[:MAX_SLUG].rstrip("._-") or "baseline"


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def safe(text: str) -> str:
    """``text`` in the letters of a slug."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-.")


class SourceDigests:
    """SHA-256 of source files and folders; those of large files are cached by size and modification time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._cache_file = root / ".cache" / "source_digests.json"

    @cached_property
    def _cache(self) -> dict[str, list[Any]]:
        return json.loads(self._cache_file.read_text()) if self._cache_file.exists() else {}

    def of(self, path: str) -> str:
        """Digest of the bytes of a file, or of all files of a folder with their names."""
        target = self.root / path
        if not target.is_dir():
            return self._file(target)
        parts = [
            f"{file.relative_to(target)}={self._file(file)}" for file in sorted(target.rglob("*")) if file.is_file()
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _file(self, path: Path) -> str:
        stat = path.stat()
        if stat.st_size < CACHED_ABOVE_BYTES:
            return hashlib.sha256(path.read_bytes()).hexdigest()
        key, state = str(path.resolve()), [stat.st_size, stat.st_mtime_ns]
        entry = self._cache.get(key)
        if entry is None or entry[:2] != state:
            hashed = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    hashed.update(block)
            entry = [*state, hashed.hexdigest()]
            self._cache[key] = entry
            self._cache_file.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._cache_file.with_suffix(f".{os.getpid()}.tmp")
            temporary.write_text(json.dumps(self._cache))
            os.replace(temporary, self._cache_file)
        return str(entry[2])
