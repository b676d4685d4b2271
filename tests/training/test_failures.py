"""A GPU out of memory, lost or without kernels: one sentence each, which says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import nsa.system.device
from nsa.errors import InputError
from nsa.system.device import choose_training_device
from nsa.training.failures import GpuLostError, checkpoint_named, gpu_failures

TORCHS = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of "
    "which 1.20 GiB is free. Including non-PyTorch memory, this process has 77.90 GiB memory in "
    "use. Of the allocated memory 70.00 GiB is allocated by PyTorch."
)
OURS = "Blending needs 12.3 MiB more GPU memory than is free; lower the batch size."
LOST = "CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later."


def fail(error: Exception) -> None:
    with gpu_failures(lambda: "in epoch 3, step 2", "batches of 64 images of 224 x 224 px"):
        raise error


def test_out_of_memory_says_how_much_and_what_to_lower() -> None:
    with pytest.raises(InputError) as caught:
        fail(torch.OutOfMemoryError(TORCHS))
    assert str(caught.value) == (
        "Training with batches of 64 images of 224 x 224 px needs 2.00 GiB more GPU memory than "
        "the 77.90 GiB it has, but only 1.20 GiB of 79.11 GiB is free; lower --batch-size or the "
        "size of the images, or end what else runs on this GPU."
    )


@pytest.mark.parametrize(
    "message",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "GET was unable to find an engine to execute this computation",
    ],
)
def test_libraries_out_of_memory(message: str) -> None:
    with pytest.raises(InputError, match="needs more GPU memory than there is; lower --batch"):
        fail(RuntimeError(message))


def test_out_of_memory_is_not_hidden_by_what_fails_after_it() -> None:
    def leave_capture() -> None:
        try:
            raise torch.OutOfMemoryError(TORCHS)
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error in a capture")

    with (
        pytest.raises(InputError, match=r"needs 2\.00 GiB more GPU memory than the 77\.90 GiB"),
        gpu_failures(lambda: "in epoch 1, step 4", "batches of 64 images of 224 x 224 px"),
    ):
        leave_capture()


@pytest.mark.parametrize(
    ("message", "needs"),
    [(OURS, "12.3 MiB more GPU memory than is free"), ("?", "more GPU memory than there is")],
)
def test_out_of_memory_in_other_words(message: str, needs: str) -> None:
    with pytest.raises(InputError, match=f"224 px needs {needs}; lower --batch-size"):
        fail(torch.OutOfMemoryError(message))


def lost() -> list[Exception]:
    accelerator = getattr(torch, "AcceleratorError", RuntimeError)
    return [accelerator(LOST), RuntimeError(LOST), RuntimeError("cuDNN error: FAILED")]


@pytest.mark.parametrize("error", lost())
def test_a_lost_gpu_is_named_with_the_place(error: Exception) -> None:
    with pytest.raises(GpuLostError, match=r"^The GPU failed in epoch 3, step 2 \((CUDA|cuDNN) "):
        fail(error)


@pytest.mark.parametrize(
    "message", ["shapes differ", "NCCL error in: ..., unhandled cuda error; a peer has gone"]
)
def test_other_errors_pass(message: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        fail(RuntimeError(message))
    assert str(caught.value) == message
    assert not isinstance(caught.value, InputError)


def test_a_lost_gpu_names_the_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"

    def lose() -> None:
        with checkpoint_named(path, "nsa train --resume here"):
            raise GpuLostError("The GPU failed in epoch 3, step 2 (gone)")

    with pytest.raises(GpuLostError, match=r"\(gone\); nothing was saved yet: start again once"):
        lose()
    path.write_bytes(b"state")
    with pytest.raises(GpuLostError) as caught:
        lose()
    assert f"ago is in {path}: continue with nsa train --resume here" in str(caught.value)


@pytest.fixture
def gpu_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(device: torch.device) -> None:
        raise InputError(
            f"The tensors are on {device}, but this build of nsa has no CUDA kernels, because "
            "no GPU was seen when the package was built; run `x`, or move them to the CPU."
        )

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(nsa.system.device, "check_device", refuse)


@pytest.mark.usefixtures("gpu_without_kernels")
def test_cuda_without_kernels_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        choose_training_device("cuda")
    assert str(caught.value) == (
        "device 'cuda' cannot be used: this build of nsa has no CUDA kernels, because no GPU was "
        "seen when the package was built; run `x`, or use --device cpu."
    )


@pytest.mark.usefixtures("gpu_without_kernels")
def test_auto_without_kernels_is_the_cpu_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", logger="nsa"):
        assert choose_training_device("auto") == torch.device("cpu")
    assert "the CPU is used: this build of nsa has no CUDA kernels" in caplog.text


def test_cuda_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"device 'cuda' was asked for, but .*; use --device cpu"):
        choose_training_device("cuda")
    assert choose_training_device("auto") == torch.device("cpu")
