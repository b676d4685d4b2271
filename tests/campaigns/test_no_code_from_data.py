"""No file, setting or name can become code: nothing in the package unpickles or evaluates."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import nsa
from nsa.system.readers import _yaml_loader

PACKAGE = Path(nsa.__file__).parent
# What runs code that its argument holds.
RUNS_CODE = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "runpy", "code", "dill",
    "cloudpickle", "joblib", "marshal", "shelve", "pickle.load", "pickle.loads",
    "pickle.Unpickler", "_pickle", "yaml.load", "yaml.load_all", "yaml.unsafe_load",
    "yaml.full_load", "yaml.Loader", "yaml.UnsafeLoader", "yaml.FullLoader", "torch.jit.load",
    "torch.package", "torch.hub.load",
}  # fmt: skip
# Harmless with a keyword, or without one.
NEED = dict.fromkeys(("torch.load", "torch.hub.load_state_dict_from_url"), ("weights_only", True))
# YAML has a loader of its own, which takes less than the safe one that it is made of.
KNOWN = {"system/readers.py": ["yaml.load"]}
FORBID = {
    "numpy.load": ("allow_pickle", True),
    "subprocess.run": ("shell", True),
    "subprocess.Popen": ("shell", True),
}


def faults(source: str) -> list[str]:
    """Each use of what may run code from data, by its line."""
    tree = ast.parse(source)
    names = dict(_imports(tree))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += [
                f"{node.lineno}: imports {full}" for _, full in _imported(node) if _runs_code(full)
            ]
        if isinstance(node, ast.Attribute | ast.Name):
            full = _full(node, names)
            if full is not None and _runs_code(full):
                found.append(f"{node.lineno}: {full}")
        if isinstance(node, ast.Call):
            full = _full(node.func, names)
            given = {word.arg: word.value for word in node.keywords}
            if full in NEED and not _is(given.get(NEED[full][0]), NEED[full][1]):
                found.append(f"{node.lineno}: {full} without {NEED[full][0]}")
            if (
                full in FORBID
                and FORBID[full][0] in given
                and not _is(given[FORBID[full][0]], False)
            ):
                found.append(f"{node.lineno}: {full} with {FORBID[full][0]}")
    return sorted(set(found))


def _runs_code(full: str) -> bool:
    parts = full.removeprefix("builtins.").split(".")
    return any(".".join(parts[:count]) in RUNS_CODE for count in range(1, len(parts) + 1))


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imported(node)


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """The names that an import binds, and what they stand for."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            bound = alias.asname or alias.name.split(".")[0]
            yield bound, alias.name if alias.asname else bound
        elif node.level == 0:
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _full(node: ast.AST, names: dict[str, str]) -> str | None:
    """What a dotted name stands for, with what it was imported from."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        before = _full(node.value, names)
        return None if before is None else f"{before}.{node.attr}"
    return None


def _is(node: ast.AST | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_nothing_in_the_package_runs_code_from_data() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 100
    found = {path: faults(path.read_text(encoding="utf-8")) for path in files}
    named = {str(path.relative_to(PACKAGE)): lines for path, lines in found.items() if lines}
    assert {name: [line.split(": ")[1] for line in lines] for name, lines in named.items()} == KNOWN


def test_the_loader_of_yaml_is_safe() -> None:
    loader = _yaml_loader()
    assert issubclass(loader, yaml.SafeLoader)
    assert set(loader.yaml_constructors) <= set(yaml.SafeLoader.yaml_constructors)
    assert not loader.yaml_multi_constructors


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.load(file)",
        "import pickle as p\np.loads(b'')",
        "from pickle import load as read\nread(file)",
        "def f():\n    from pickle import Unpickler",
        "eval('1')",
        "run = exec",
        "import builtins\nbuiltins.eval('1')",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "from torch import load\nload(path, weights_only=flag)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)",
        "import subprocess\nsubprocess.run(text, shell=True)",
        "import os\nos.system(text)",
    ],
)
def test_what_runs_code_is_found(source: str) -> None:
    assert faults(source)


def test_what_runs_none_is_not_found() -> None:
    lines = (
        "import torch, yaml, numpy as np",
        "torch.load(path, weights_only=True)",
        "yaml.safe_load(text)",
        "np.load(path)",
        "np.load(path, allow_pickle=False)",
        "model.eval()",
        "re.compile('x')",
        "torch.compile(model)",
    )
    assert not faults("\n".join(lines))
