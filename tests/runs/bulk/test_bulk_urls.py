"""Images and results at URLs, which give the same rows as folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bulked import Bulk
from stores import s3_store
from watched import image_bytes

from nsa.errors import InputError
from nsa.runs.bulk import parts as parts_module
from nsa.runs.bulk.predict import predict_bulk
from nsa.system import urls
from nsa.system.readers import read_parquet

BRIGHT = {"a.png": 20, "deep/er/b.png": 90, "deep/ünïcode c.png": 200}


@pytest.fixture(params=["memory", "file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A URL below which there is nothing."""
    pytest.importorskip("fsspec")
    if request.param == "s3":
        with s3_store() as bucket:
            yield f"{bucket}/plant"
    elif request.param == "file":
        yield (tmp_path / "store").as_uri()
    else:
        yield f"memory:///{tmp_path.name}"


def rows_at(url: str) -> list[dict[str, Any]]:
    found = []
    for entry in urls.walk(url.rpartition("/")[0]):
        if not entry.url.startswith(urls.cleaned(url)):
            continue
        columns = ["path", "raw_score", "sha256", "size", "version"]
        if url.endswith("unreadable"):
            columns = ["path", "size", "version", "reason"]
        found += read_parquet(urls.read(entry.url), entry.url, columns, "").to_pylist()
    return found


def test_images_and_results_at_urls(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk = Bulk(tmp_path)
    images, output = f"{place}/images", f"{place}/results"
    for name, brightness in BRIGHT.items():
        urls.write(f"{images}/{name}", image_bytes(brightness))
        path = bulk.images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_bytes(brightness))
    for hidden in ("images/.d.png", "images/.hidden/e.png", "images/notes.txt"):
        urls.write(f"{place}/{hidden}", image_bytes(1))
    bulk.score()

    def score(*sources: str) -> int:
        return predict_bulk(bulk.run, bulk.detector, sources or (images,), output)

    assert score() == 3
    assert score() == 0
    rows = {row["path"]: row for row in rows_at(f"{output}/scores")}
    assert sorted(rows) == sorted(f"{urls.cleaned(images)}/{name}" for name in BRIGHT)
    for row in bulk.rows():
        name = str(Path(row["path"]).relative_to(bulk.images.resolve()))
        same = rows[f"{urls.cleaned(images)}/{name}"]
        for column in ("raw_score", "sha256", "size"):
            assert same[column] == row[column]
        assert same["version"]
    # Another content is another version, a part that cannot be read is told.
    urls.write(f"{images}/a.png", b"no image, and of another size")
    with pytest.raises(InputError, match=r"1 of 3 files cannot be read \(.*a\.png"):
        score()
    assert [row["path"] for row in rows_at(f"{output}/unreadable")] == [
        f"{urls.cleaned(images)}/a.png"
    ]
    urls.write(f"{images}/a.png", image_bytes(250, side=9))
    assert score(f"{images}/a.png", f"{images}/deep") == 1
    assert rows_at(f"{output}/unreadable") == []
    again = {row["path"]: row for row in rows_at(f"{output}/scores")}
    assert len(rows_at(f"{output}/scores")) == 3
    changed = f"{urls.cleaned(images)}/a.png"
    assert again[changed]["raw_score"] > rows[changed]["raw_score"]
    [part] = [entry.url for entry in urls.walk(f"{output}/scores")]
    urls.write(part, b"damaged")
    with pytest.raises(InputError, match=rf"{part.rpartition('/')[2]} is damaged; put back a copy"):
        score()
    monkeypatch.setattr(parts_module, "_SECONDS", 0.0)
    assert predict_bulk(bulk.run, bulk.detector, [images], output, overwrite=True) == 3
    assert len(rows_at(f"{output}/scores")) == 3


def test_urls_that_cannot_be_used(place: str, tmp_path: Path) -> None:
    bulk = Bulk(tmp_path)
    with pytest.raises(InputError, match="There is nothing at"):
        bulk.score(f"{place}/nowhere")
    urls.write(f"{place}/notes/notes.txt", b"mine")
    with pytest.raises(InputError, match="holds no images, nor does any folder below it"):
        bulk.score(f"{place}/notes")
    urls.write(f"{place}/images/a.png", image_bytes(3))
    with pytest.raises(InputError, match="is named twice"):
        bulk.score(f"{place}/images/a.png", f"{place}/images/")
    assert not bulk.output.exists()
    with pytest.raises(InputError, match="notes is not empty; choose another --output"):
        predict_bulk(bulk.run, bulk.detector, [f"{place}/images"], f"{place}/notes")
    with pytest.raises(InputError, match=r"of no kind of store|is no URL"):
        bulk.score("nonsense://bucket/images")
