"""Whether what the server is made of is installed: ``nsa[serve]``."""

from __future__ import annotations

import importlib.util

from nsa.errors import InputError

_MODULES = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "prometheus_client": "prometheus_client",
}  # as pip calls them


def need_packages() -> None:
    """Check that they are there, without importing them.

    Raises:
        InputError: one is not.
    """
    lacking = [name for module, name in _MODULES.items() if not importlib.util.find_spec(module)]
    if lacking:
        raise InputError(
            f"nsa serve needs {', '.join(lacking)}, not installed here; pip install 'nsa[serve]'."
        )
