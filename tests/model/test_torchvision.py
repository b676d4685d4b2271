"""torchvision can be imported whatever torch it was compiled for."""

import subprocess
import sys

SCRIPT = """
import sys
{before}
import nsa.model.pretrained
from nsa.model._torchvision import torchvision_models
assert "torchvision" not in sys.modules
models = torchvision_models()
assert sum(p.numel() for p in models.resnet18(weights=None).parameters()) == 11689512
import torchvision
assert torchvision.models is models is torchvision_models()
"""

# What torch says where the compiled operators of torchvision are missing.
BROKEN = """
import importlib.abc, torch
class Break(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "torchvision._meta_registrations":
            raise RuntimeError("operator torchvision::nms does not exist")
sys.meta_path.insert(0, Break())
"""

OTHER_ERROR = BROKEN.replace("operator torchvision::nms does not exist", "something else")


def run(before: str) -> "subprocess.CompletedProcess[str]":
    script = SCRIPT.format(before=before)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_import_without_compiled_operators() -> None:
    done = run(BROKEN)
    assert done.returncode == 0, done.stderr


def test_other_failures_are_not_hidden() -> None:
    done = run(OTHER_ERROR)
    assert done.returncode == 1
    assert "RuntimeError: something else" in done.stderr
