"""Import torchvision, also where its compiled operators do not match the installed torch.

This package needs only torchvision's Python code: ``torchvision.models.resnet18`` is plain torch.
Its wheel for CUDA beside a CPU-only torch, a common pair, cannot load its compiled operators
(box suppression and the like) and then fails at import in the one module that describes them to
torch's compiler: ``operator torchvision::nms does not exist``. Where that happens this module
imports torchvision without the descriptions: what is not there needs none.
"""

from __future__ import annotations

import importlib
import sys
import types

_DESCRIPTIONS = "torchvision._meta_registrations"

try:
    import torchvision
except RuntimeError as error:
    if "operator torchvision::" not in str(error):
        raise
    # The failed attempt leaves submodules behind that were only half set up.
    for _name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[_name]
    sys.modules[_DESCRIPTIONS] = types.ModuleType(_DESCRIPTIONS)
    torchvision = importlib.import_module("torchvision")

__all__ = ["torchvision"]
