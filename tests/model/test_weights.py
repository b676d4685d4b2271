"""Weights on disk: read as they were written, and sentences for what cannot be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from nsa.errors import InputError
from nsa.model import EncoderDecoder
from nsa.model.weights import (
    _TYPES,
    Undrawn,
    load_model,
    read_metadata,
    read_tensors,
    save_model,
    write_tensors,
)


def network(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


def test_a_network_that_is_to_be_loaded_takes_no_random_numbers(tmp_path: Path) -> None:
    saved, before = EncoderDecoder(skips=True), torch.get_rng_state()
    with Undrawn():
        loaded = EncoderDecoder(skips=True)
    assert torch.equal(torch.get_rng_state(), before)
    save_model(tmp_path / "w.safetensors", saved)
    load_model(tmp_path / "w.safetensors", loaded)
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(saved.eval()(images), loaded.eval()(images))
    torch.testing.assert_close(loaded.state_dict(), saved.state_dict(), rtol=0, atol=0)


def test_a_saved_network_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    saved, loaded = network(), network()
    saved[0].weight.data = saved[0].weight.data.contiguous(memory_format=torch.channels_last)
    save_model(tmp_path / "w.safetensors", saved)
    load_model(tmp_path / "w.safetensors", loaded)
    for (name, one), (other_name, two) in zip(
        saved.state_dict().items(), loaded.state_dict().items(), strict=True
    ):
        assert name == other_name
        assert torch.equal(one, two)
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_others_read_the_files_of_a_network(tmp_path: Path) -> None:
    """The bytes are those of safetensors itself, marked as PyTorch's."""
    model = network()
    save_model(tmp_path / "w.safetensors", model)
    plain = {name: value.contiguous() for name, value in model.state_dict().items()}
    expected = safetensors.torch.save(plain, {"format": "pt"})
    assert (tmp_path / "w.safetensors").read_bytes() == expected


def test_all_kinds_of_tensors_are_written_as_the_library_does(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    tensors = {
        f"{kind} {shape}": (100 * torch.randn(shape)).to(kind)
        for kind in _TYPES
        for shape in ((), (3,), (2, 3, 4), (0, 5))
    }
    tensors["turned"] = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    tensors["Öl"] = torch.ones(3)
    plain = {name: value.contiguous() for name, value in tensors.items()}
    for metadata in (None, {"format": "pt"}, {"a": "1", "ü": '"\n'}):
        write_tensors(path, tensors, metadata)
        found = read_tensors(path)
        assert found[1] == (metadata or {}) == read_metadata(path)
        assert all(torch.equal(found[0][name], tensors[name]) for name in tensors)
        if metadata is None or len(metadata) == 1:  # the library orders more at random
            assert path.read_bytes() == safetensors.torch.save(plain, metadata)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_weights_are_written_from_where_they_are(tmp_path: Path) -> None:
    """In a process of its own, whose memory nothing else has left high."""
    script = (
        "import re, sys, torch; from pathlib import Path; from nsa.model.weights import *\n"
        "def resident(what):\n"
        "    said = Path('/proc/self/status').read_text()\n"
        "    return int(re.search(what + r':\\s+(\\d+)', said)[1])\n"
        "tensors = {str(i): torch.ones(1 << 20) for i in range(32)}\n"
        "write_tensors(Path(sys.argv[1]), {'0': tensors['0']})\n"
        "Path('/proc/self/clear_refs').write_text('5')\n"
        "before = resident('VmRSS')\n"
        "write_tensors(Path(sys.argv[1]), tensors)\n"
        "print(resident('VmHWM') - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "t")], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert (tmp_path / "t").stat().st_size > 128 << 20
    assert int(done.stdout) < 24 << 10  # KiB


def test_tensors_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    tensors = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.ones(2, requires_grad=True)}
    write_tensors(path, tensors, {"source": "here"})
    found, metadata = read_tensors(path)
    assert set(found) == {"a", "b"}
    assert all(torch.equal(found[name], tensors[name]) for name in found)
    assert metadata == {"source": "here"}
    write_tensors(path, tensors)
    assert read_tensors(path)[1] == {}


def test_files_that_cannot_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(InputError, match=r"w.safetensors does not exist"):
        load_model(path, network())
    save_model(path, network())
    model = network(5)
    with pytest.raises(InputError, match="holds the weights of another network"):
        load_model(path, model)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(InputError, match=r"is damaged and cannot be read"):
        load_model(path, network())
    with pytest.raises(InputError, match="Cannot write"):
        save_model(tmp_path / "nowhere" / "w.safetensors", model)
