"""What stands in the way of a GPU is said in one sentence, with what to do."""

from __future__ import annotations

import pytest
import torch

from nsa._native.cuda import support
from nsa._native.devices import check_devices
from nsa.errors import InputError

BUILT = [75, 80, 86, 89, 90, 100, 120]


@pytest.mark.parametrize("capability", [75, 80, 86, 87, 89, 90, 100, 103, 120, 121, 130])
def test_gpus_in_use_and_newer_ones_are_supported(capability: int) -> None:
    support.check_capability("A GPU", capability, BUILT)


def test_a_gpu_that_is_too_old() -> None:
    with pytest.raises(InputError, match=r"GTX 1080 has compute capability 6\.1.*use the CPU"):
        support.check_capability("GTX 1080", 61, BUILT)


def test_a_build_for_other_gpus_says_how_to_rebuild() -> None:
    with pytest.raises(InputError, match=r"8\.6.*9\.0 only.*NSA_CUDA_ARCHITECTURES=86"):
        support.check_capability("RTX 3090", 86, [90])
    with pytest.raises(InputError, match="NSA_CUDA_ARCHITECTURES=80"):
        support.check_capability("A100", 80, [86, 90])


@pytest.mark.parametrize(
    ("driver", "sentence"),
    [(0, "driver is missing"), (12040, r"supports CUDA 12\.4 at most.*built with CUDA 13\.0")],
)
def test_an_old_driver(driver: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        support.check_driver(13000, driver)


@pytest.mark.parametrize("driver", [13000, 13010, 14000])
def test_a_driver_of_the_same_major_version_or_newer(driver: int) -> None:
    support.check_driver(13000, driver)
    support.check_driver(13020, driver)


def test_a_build_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "_missing", lambda: "no CUDA compiler was found")
    with pytest.raises(InputError, match=r"on cuda:0.*no CUDA kernels, because no CUDA compiler"):
        support.check_build("cuda:0")


def test_checks_run_once_per_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(support, "_ready", set())
    monkeypatch.setattr(support, "_missing", lambda: "")
    monkeypatch.setattr(support, "_versions", lambda: (13000, 13000))
    monkeypatch.setattr(support, "_name", lambda index: f"GPU {index}")
    monkeypatch.setattr(support, "_architectures", lambda: BUILT)
    monkeypatch.setattr(support, "_capability", lambda index: asked.append(index) or 90)
    for index in (1, 1, 0, 1):
        support.check_device(torch.device("cuda", index))
    assert asked == [1, 0]


def test_what_torch_can_do_as_well_needs_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "_ready", set())
    monkeypatch.setattr(support, "_missing", lambda: "no CUDA compiler was found")
    assert not support.usable(torch.device("cuda", 0))
    monkeypatch.setattr(support, "_ready", {0})
    assert support.usable(torch.device("cuda", 0))


def test_out_of_memory_says_how_much_and_what_to_lower() -> None:
    with (
        pytest.raises(torch.OutOfMemoryError, match=r"Blending needs 3\.0 MiB.*lower the batch"),
        support.memory_for("Blending", 3 << 20, "the batch size"),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 MiB.")


def test_other_devices_have_no_kernels() -> None:
    with pytest.raises(InputError, match="images is on meta, for which there are no kernels"):
        check_devices(images=torch.empty(1, device="meta"))
