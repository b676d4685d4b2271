"""The command ``nsa info``."""

from __future__ import annotations

from rich.table import Table

from nsa.system.console import standard_output


def info_command() -> None:
    """Versions, device, cores, instruction set and CUDA kernels."""
    from nsa.system import info

    table = Table(show_header=False, box=None)
    facts = {**info.versions(), **info.hardware(), **info.kernels()}
    del facts["gpus"]  # the kernels say more of them
    facts["torch CUDA"] = info.torch_cuda()
    for name, value in facts.items():
        shown = ", ".join(value) or "none" if isinstance(value, list) else str(value)
        table.add_row(name.replace("_", " "), shown)
    standard_output.print(table, soft_wrap=True)
