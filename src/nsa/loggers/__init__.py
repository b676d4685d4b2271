"""What a training measures, told to TensorBoard and MLflow while it goes on.

A logger is no part of a run's results: nothing is read from it, a training is the same with and
without, and one that fails is warned of once and left behind.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from nsa.errors import InputError

# By the name on the command line and of the extra: the module that it needs.
_MODULES = {"tensorboard": "tensorboard", "mlflow": "mlflow"}


def need_loggers(names: Sequence[str]) -> None:
    """Check that the packages of some loggers are there, without importing them.

    Raises:
        InputError: one is not.
    """
    for name in names:
        if importlib.util.find_spec(_MODULES[name]) is None:
            raise InputError(
                f"--logger {name} needs {_MODULES[name]}, not installed here; pip install "
                f"'nsa[{name}]', or --logger none."
            )
