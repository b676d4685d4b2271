"""Import torchvision, also where its compiled operators do not match the installed torch.

This package needs only Python code of it, above all ``torchvision.models``, whose networks are
plain torch. It is imported when the first of them is built or its weights are looked up, as that
takes about as long as importing torch.

Its wheel for CUDA beside a CPU-only torch, a common pair, cannot load its compiled operators
(box suppression and the like) and then fails at import in the one module that describes them to
torch's compiler: ``operator torchvision::nms does not exist``. Where that happens this module
imports torchvision without the descriptions: what is not there needs none.
"""

from __future__ import annotations

import functools
import importlib
import sys
import types
from typing import Any

_DESCRIPTIONS = "torchvision._meta_registrations"


def torchvision_models() -> Any:
    """The module ``torchvision.models``."""
    return torchvision_module("models")


@functools.cache
def torchvision_module(name: str) -> Any:
    """The module ``torchvision.<name>``."""
    try:
        return importlib.import_module(f"torchvision.{name}")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    # The failed attempt leaves submodules behind that were only half set up.
    for found in [one for one in sys.modules if one.partition(".")[0] == "torchvision"]:
        del sys.modules[found]
    sys.modules[_DESCRIPTIONS] = types.ModuleType(_DESCRIPTIONS)
    return importlib.import_module(f"torchvision.{name}")
