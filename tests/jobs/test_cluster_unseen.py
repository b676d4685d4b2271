"""What is said of a folder that a node of a cluster does not see."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsa.jobs.cluster.nodes import _unseen
from nsa.system.places import as_path, with_urls_named


def test_a_copy_is_told_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSA_CACHE", str(tmp_path))
    said = with_urls_named(_unseen(as_path("s3://bucket/images"), "10.0.0.2"))
    assert f"10.0.0.2 does not see the copy of s3://bucket/images in {tmp_path} of this" in said
    assert "NSA_CACHE" in said
    said = _unseen(Path("/data/images"), "10.0.0.2")
    assert "10.0.0.2 does not see /data/images as this machine does" in said
