"""Choice of device, precision and memory layout."""

import platform
import subprocess
import sys

import pytest
import torch

from nsa.errors import InputError
from nsa.system.device import choose_device, choose_precision, memory_format

CPU = torch.device("cpu")


def test_devices() -> None:
    assert choose_device("cpu") == CPU
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_device("auto").type == expected
    with pytest.raises(InputError, match="device must be"):
        choose_device("tpu")


def test_cuda_is_refused_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(InputError, match="built without CUDA; use --device cpu"):
        choose_device("cuda")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(InputError, match="finds no GPU or no driver"):
        choose_device("cuda")


@pytest.mark.parametrize("native", [True, False])
def test_automatic_precision_follows_the_processor(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: native, raising=False)
    assert choose_precision("auto", CPU) == ("bf16" if native else "fp32")
    assert choose_precision("bf16", CPU) == "bf16"
    assert choose_precision("fp32", CPU) == "fp32"


def test_float32_on_a_cpu_is_stored_by_channels() -> None:
    assert memory_format(CPU, "fp32") == torch.contiguous_format
    assert memory_format(CPU, "bf16") == torch.channels_last
    assert memory_format(torch.device("cuda"), "fp32") == torch.channels_last


TWO_LARGE_ARRAYS = """
import resource
import numpy as np
from nsa.system.device import keep_freed_memory

kept = keep_freed_memory()
np.ones(2**26, np.uint8)  # freed at once
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(2**26, np.uint8)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_freed_memory_is_kept() -> None:
    # A process of its own: nothing turns this off again.
    run = subprocess.run(
        [sys.executable, "-c", TWO_LARGE_ARRAYS], capture_output=True, text=True, check=True
    )
    kept, new_pages = run.stdout.split()
    assert kept == "True"
    assert int(new_pages) < 100  # of 16384
