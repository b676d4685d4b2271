"""What bulk scoring refuses, each in a sentence, before anything is judged or written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bulked import Bulk
from tiny import write
from watched import make_run, put

from nsa.errors import InputError
from nsa.runs.outputs import check_folder


@pytest.fixture
def bulk(tmp_path: Path) -> Bulk:
    bulk = Bulk(tmp_path)
    put(bulk.images / "a.png")
    return bulk


def refused(bulk: Bulk, words: str, *sources: object, **options: object) -> None:
    """Refused in one sentence, and nothing is changed."""
    before = sorted(bulk.output.rglob("*")) if bulk.output.exists() else None
    with pytest.raises(InputError, match=words) as caught:
        bulk.score(*sources, **options)
    assert "\n" not in str(caught.value)
    after = sorted(bulk.output.rglob("*")) if bulk.output.exists() else None
    assert after == before


def test_sources(bulk: Bulk, tmp_path: Path) -> None:
    (empty := tmp_path / "empty" / "below").mkdir(parents=True)
    (text := tmp_path / "text.txt").write_text("none")
    refused(bulk, "nowhere does not exist; check the path", tmp_path / "nowhere")
    refused(bulk, "~nobody-here/x does not exist; check the path", "~nobody-here/x")
    refused(bulk, "x' cannot be the name of a file: a part of it is longer than", "x" * 256)
    refused(bulk, "text.txt is not an image file", text)
    refused(bulk, "in is named twice", bulk.images, bulk.images)
    refused(bulk, "a.png is named twice", bulk.images / "a.png", bulk.images)
    refused(bulk, "holds no images, nor does any folder below it", bulk.images, empty.parent)
    assert bulk.score(bulk.images / "a.png") == 1


def test_outputs(bulk: Bulk, tmp_path: Path) -> None:
    bulk.output.mkdir()
    (bulk.output / "notes.txt").write_text("mine")
    refused(bulk, "is not empty; choose another --output")
    refused(bulk, "holds no results that --overwrite could replace", overwrite=True)
    (bulk.output / "notes.txt").unlink()
    assert bulk.score() == 1
    before = bulk.rows()
    refused(bulk, "of another calibration or --fpr; .*--overwrite", fpr=0.3)
    bulk.run = make_run(tmp_path / "other", [0.1 * number for number in range(9)])
    refused(bulk, "of another calibration")
    bulk.run = make_run(tmp_path / "third", [0.01 * number for number in range(1, 40)], seed=2)
    refused(bulk, "of another run, or of this one before it was trained again")
    assert bulk.rows() == before
    (bulk.output / "notes.txt").write_text("mine")
    assert bulk.score(overwrite=True) == 1
    assert (bulk.output / "notes.txt").read_text() == "mine"
    assert bulk.score() == 0


@pytest.mark.parametrize("name", ["scores.csv", "scores.partial.csv"])
def test_results_of_the_other_form(bulk: Bulk, name: str) -> None:
    bulk.output.mkdir()
    (bulk.output / name).write_text("path\n")
    for overwrite in (False, True):
        refused(bulk, "out holds results of nsa predict --format csv", overwrite=overwrite)
    (bulk.output / "config.yaml").write_text("")
    for overwrite in (False, True):
        refused(bulk, "out is that of a run; choose another", overwrite=overwrite)
    (bulk.output / "config.yaml").unlink()
    (bulk.output / name).unlink()
    bulk.score()
    for overwrite in (False, True):
        with pytest.raises(InputError, match="nsa predict --format parquet, which cont"):
            check_folder(bulk.output, ["scores.csv"], (), (), overwrite=overwrite)


def test_an_output_that_cannot_be(bulk: Bulk) -> None:
    bulk.output = bulk.output / ("x" * 256)
    with pytest.raises(InputError, match="cannot be the name of a file: a part of it is longer"):
        bulk.score()


def test_a_file_as_output(bulk: Bulk) -> None:
    bulk.output.write_text("a file")
    with pytest.raises(InputError, match="out is a file, not a folder; choose another --output"):
        bulk.score()


def test_damaged_parts(bulk: Bulk) -> None:
    bulk.score()
    [part] = bulk.parts()
    content = part.read_bytes()
    for damaged in (b"", content[:-9], content[:40], b"no table at all"):
        part.write_bytes(damaged)
        refused(bulk, rf"{part.name} is damaged; put back a copy of it, or remove it, and its")
    part.write_bytes(content)
    place = content.index(pq.read_table(part)["key"][0].as_py()) + 5
    part.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
    refused(bulk, f"{part.name} is damaged; put back a copy")
    part.write_bytes(content)
    rows = pq.read_table(part)
    for key in (pa.nulls(1), pa.array([b"sixteen bytes it"])):
        pq.write_table(rows.set_column(13, "key", key), part)
        refused(bulk, f"{part.name} has columns of other types than nsa writes; put back a copy")
    pq.write_table(pa.table({"path": ["a"]}), part)
    refused(bulk, f"{part.name} has no column 'key'; put back a copy")
    part.unlink()
    assert bulk.score() == 1
    for damaged in (b"", b"{", b"[]", b"\xff\xfe"):
        (bulk.output / "bulk.json").write_bytes(damaged)
        refused(bulk, r"bulk.json .* damaged; put back a copy of it, or give --overwrite, which")
    assert bulk.score(overwrite=True) == 1
    assert bulk.score() == 0


def test_masks(bulk: Bulk, tmp_path: Path) -> None:
    (folder := tmp_path / "masks").mkdir()
    mask = np.zeros((8, 8), np.uint8)
    mask[:2] = 255
    write(folder / "a.png", mask)
    refused(bulk, r"takes one mask for all images, and --ignore .*masks is a folder", ignore=folder)
    assert bulk.score(ignore=folder / "a.png") == 1
    bulk.detector = type(bulk.detector)()
    refused(bulk, "with another mask of what is ignored")
