"""Digests of the code that a step reaches: what its script imports, however deep, and nothing else.

A step's code is its script, every package module in the import closure of that script (grimp, which sees imports
inside functions), the modules that the spec names (scorers, providers) with their closures, and the data files
that those modules name in a string. Docstrings, comments and formatting do not count, nor does the module that decides
in which process a script runs.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError

PACKAGE = "vibegrid"
# As little as the rules: of preload a test compares the bytes of both ways, gpus says on which card a job computes.
NO_CODE = {"vibegrid.preload", "vibegrid.gpus"}


def normalised(source: str) -> str:
    """Python source without comments, docstrings and formatting."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body
            first = body[0].value if body and isinstance(body[0], ast.Expr) else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                node.body = body[1:] or [ast.Pass()]
    return ast.dump(tree)


class NormalisedDigests:
    """Digest of a source's normalised form, kept by the digest of its bytes: parsing every module takes a second."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache

    @cached_property
    def _known(self) -> dict[str, str]:
        try:
            return dict(json.loads(self.cache.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):  # not there yet, or cut short
            return {}

    def of(self, source: str) -> str:
        """64 hex digits."""
        key = hashlib.sha256(f"{sys.version_info[:2]}\n{source}".encode()).hexdigest()
        if key not in self._known:
            self._known[key] = hashlib.sha256(normalised(source).encode()).hexdigest()
            self.cache.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.cache.with_suffix(f".{os.getpid()}.tmp")
            temporary.write_text(json.dumps(self._known), encoding="utf-8")
            os.replace(temporary, self.cache)
        return self._known[key]


class Code:
    """The package and scripts of one source tree.

    Args:
        root: folder that holds ``src/vibegrid`` and ``scripts``.
        vouched: step to {digest of the edited code: digest it stands for} (see ``make vouch``).
    """

    def __init__(self, root: Path, vouched: dict[str, dict[str, str]] | None = None) -> None:
        self.root = root
        self.vouched = vouched or {}
        self.vouchers_used: dict[str, str] = {}
        self._file_digests: dict[Path, str] = {}
        self._normalised = NormalisedDigests(root / ".cache" / "normalised_sources.json")
        self._step_digests: dict[tuple[str, tuple[str, ...]], str] = {}

    @cached_property
    def _graph(self) -> Any:
        """Imports of the package under ``root``, which need not be the one that is imported here.

        grimp finds a package as ``import`` does: in ``sys.modules`` first, so that entry is set aside meanwhile.
        """
        import grimp
        from grimp.exceptions import SourceSyntaxError

        source, imported = str(self.root / "src"), sys.modules.pop(PACKAGE, None)
        sys.path.insert(0, source)
        try:
            return grimp.build_graph(PACKAGE, cache_dir=None)
        except SourceSyntaxError as error:
            raise self._not_python(Path(error.filename), error.lineno, error.text) from None
        finally:
            sys.path.remove(source)
            if imported is not None:
                sys.modules[PACKAGE] = imported

    @cached_property
    def _modules(self) -> dict[str, Path]:
        source = self.root / "src"
        found: dict[str, Path] = {}
        for path in (source / PACKAGE).rglob("*.py"):
            parts = path.relative_to(source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found

    def closure(self, modules: set[str]) -> set[str]:
        """Package modules reached from ``modules`` by imports, with themselves and their packages."""
        reached: set[str] = set()
        for module in modules:
            reached.add(module)
            reached |= self._graph.find_upstream_modules(module)
        for module in list(reached):
            parts = module.split(".")
            reached.update(".".join(parts[:depth]) for depth in range(1, len(parts)))
        return reached - NO_CODE

    def modules_of(self, step: str, named: tuple[str, ...] = ()) -> list[str]:
        """Sorted modules whose code makes the result of ``step``."""
        tree = ast.parse((self.root / "scripts" / f"{step}.py").read_text(encoding="utf-8"))
        return sorted(self.closure(self._imported(tree) | set(named)))

    def _not_python(self, path: Path, line: int | None, text: str | None) -> InputError:
        return InputError(f"{path.relative_to(self.root)}:{line}", f"not Python: {(text or '').strip():.80}")

    def _imported(self, tree: ast.AST) -> set[str]:
        found: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                inner = names & self._modules.keys()
                found |= inner if inner else {node.module}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE}
        return found

    def _digest_of(self, path: Path) -> str:
        if path not in self._file_digests:
            source = path.read_text(encoding="utf-8")
            try:
                hashed = hashlib.sha256(self._normalised.of(source).encode())
            except SyntaxError as error:
                raise self._not_python(path, error.lineno, error.text) from None
            for data in self._data_files(path, source):
                hashed.update(data.name.encode() + b"\0" + data.read_bytes())
            self._file_digests[path] = hashed.hexdigest()
        return self._file_digests[path]

    def _data_files(self, path: Path, source: str) -> list[Path]:
        """Files beside the module, or in its ``data`` folder, whose name stands in one of its strings."""
        candidates = [
            file
            for folder in (path.parent, path.parent / "data")
            if folder.is_dir()
            for file in folder.iterdir()
            if file.suffix not in (".py", ".pyc") and file.name in source and file.is_file()
        ]
        if not candidates:
            return []
        strings = {
            node.value
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        named = {string.rsplit("/", 1)[-1] for string in strings}
        return sorted(file for file in candidates if file.name in named)

    def actual(self, step: str, named: tuple[str, ...] = ()) -> str:
        """Digest of the code as it stands (64 hex digits).

        Raises:
            InputError: a file of it is not Python.
        """
        hashed = hashlib.sha256(self._digest_of(self.root / "scripts" / f"{step}.py").encode())
        for module in self.modules_of(step, named):
            hashed.update(f"{module}={self._digest_of(self._modules[module])}\n".encode())
        return hashed.hexdigest()

    def digest(self, step: str, named: tuple[str, ...] = ()) -> str:
        """Digest that identities use: the actual one, or the one that it is vouched to equal."""
        key = (step, named)
        if key not in self._step_digests:
            digest = actual = self.actual(step, named)
            known = self.vouched.get(step, {})
            while digest in known and known[digest] != digest:
                digest = known[digest]
            if digest != actual:
                self.vouchers_used[step] = actual
            self._step_digests[key] = digest
        return self._step_digests[key]

    def used(self) -> list[tuple[str, tuple[str, ...]]]:
        """Every (step, named modules) whose digest was asked for."""
        return sorted(self._step_digests)

    def provider(self, module: str) -> dict[str, str]:
        """Digest of a module and of each that it reaches: the version of a program behind an LLM's name."""
        return {name: self._digest_of(self._modules[name]) for name in sorted(self.closure({module}))}
