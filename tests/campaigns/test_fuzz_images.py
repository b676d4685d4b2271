"""Any bytes for an image: pixels or one sentence, in bounded memory, and no other program."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from fuzzing import bounded_memory, explore
from image_files import damaged_files, valid_files
from PIL import EpsImagePlugin

from nsa.errors import InputError
from nsa.images import load_mask, read_image

_MEMORY = 2 << 30  # bytes; a header may promise more pixels than there is memory


def test_damaged_images(
    tmp_path: Path, fresh_seed: int, effort: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, started = tmp_path / "image.png", []

    def start(*arguments: Any, **_: Any) -> None:
        started.append(arguments)
        raise FileNotFoundError

    monkeypatch.setattr(EpsImagePlugin, "gs_binary", "gs")  # as where Ghostscript is installed
    monkeypatch.setattr(subprocess, "Popen", start)
    outcomes = {"pixels": 0, "refused": 0}

    def check(content: bytes, channels: int) -> None:
        path.write_bytes(content)
        outcomes["pixels" if _decoded(path, channels) else "refused"] += 1
        assert not started, "a picture starts a program"

    with bounded_memory(_MEMORY), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        channels = st.sampled_from([1, 3])
        explore(check, damaged_files(), channels, examples=round(700 * effort), start=fresh_seed)
    assert min(outcomes.values()) > 10, outcomes


def test_valid_images_are_of_many_kinds(tmp_path: Path) -> None:
    """What the damage begins with is worth damaging."""
    read = {name for name, content in valid_files().items() if _reads(tmp_path / "x.png", content)}
    assert len(valid_files()) > 90
    kinds = {name.split()[0] for name in read}
    assert {"PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "cv2"} <= kinds, kinds


def _reads(path: Path, content: bytes) -> bool:
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read_image(path)
        except InputError:
            return False
    return True


def _decoded(path: Path, channels: int) -> bool:
    mask: Any = _outcome(load_mask, path, (4, 6))
    if mask is not None:
        assert mask.shape == (4, 6)
        assert mask.dtype == np.uint8
        assert mask.max() <= 1
    pixels: Any = _outcome(read_image, path, channels)
    if pixels is None:
        return False
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == channels
    assert pixels.size
    return True


def _outcome(read: Any, path: Path, *arguments: Any) -> Any:
    try:
        return read(path, *arguments)
    except InputError as error:
        message = str(error)
        assert path.name in message
        assert message.isprintable()
        assert message.endswith(".")
        assert len(message) < 400 + len(str(path))
        return None
