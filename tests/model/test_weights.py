"""Weights on disk: read as they were written, and sentences for what cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from nsa.errors import InputError
from nsa.model.weights import load_model, read_tensors, save_model, write_tensors


def network(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


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
